import type { PlanVersion } from '../../api/admin'

export type Terms = Map<string, string>

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

// What tells the parts of a list apart, so that another order is no change.
function nameOf(part: unknown, at: number): string {
  if (!isObject(part)) return String(at + 1)
  const named = [part['unit'], part['every']].filter((word) => typeof word === 'string')
  return named.length > 0 ? named.join('/') : String(at + 1)
}

function put(terms: Terms, path: string, value: unknown): void {
  if (Array.isArray(value)) {
    for (const [at, part] of value.entries()) put(terms, `${path}.${nameOf(part, at)}`, part)
  } else if (isObject(value)) {
    for (const [key, part] of Object.entries(value)) {
      // Part of the path already, when the thing stands in a list.
      if ((key === 'unit' || key === 'every') && typeof part === 'string' && path.includes(part)) continue
      put(terms, `${path}.${key}`, part)
    }
  } else if (value !== null && value !== undefined) {
    terms.set(path, String(value))
  }
}

// A version as a flat list, whatever kinds of terms the house comes to know.
export function termsOf(
  version: Pick<PlanVersion, 'title' | 'price_yen' | 'stripe_price' | 'limits' | 'grants' | 'routes' | 'features'>,
): Terms {
  const terms: Terms = new Map()
  put(terms, 'title', version.title)
  put(terms, 'price_yen', version.price_yen)
  put(terms, 'stripe_price', version.stripe_price)
  put(terms, 'limits', version.limits)
  put(terms, 'grants', version.grants)
  put(terms, 'routes', version.routes)
  put(terms, 'features', version.features)
  return terms
}

export interface Difference {
  term: string
  before: string | null
  after: string | null
  changed: boolean
}

export function compare(before: Terms, after: Terms): Difference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])]
  return names.map((term) => {
    const was = before.get(term) ?? null
    const is = after.get(term) ?? null
    return { term, before: was, after: is, changed: was !== is }
  })
}

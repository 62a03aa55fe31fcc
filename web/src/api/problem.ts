import type { Bilingual, Locale, Problem } from './types'

export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(readonly problem: Problem) {
    super(problem.code)
  }
}

// The house could not be reached at all: offline, or the server is away. It has no request id.
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

// Something that this page itself found out, in its own words.
export class Told extends Error {
  override readonly name = 'Told'
  constructor(readonly text: Bilingual) {
    super(text.en)
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string'
}

// A proxy in front of the house may answer with HTML or nothing; that still becomes a problem with a code.
export function toProblem(body: unknown, response: Response): Problem {
  const retry = Number(response.headers.get('retry-after'))
  const known = isProblem(body)
    ? body
    : {
        type: 'urn:noren:problem:unexpected',
        code: response.status >= 502 && response.status <= 504 ? 'upstream_unavailable' : 'unexpected',
        status: response.status,
        title: response.statusText,
      }
  return retry > 0 && known.retry_after === undefined ? { ...known, retry_after: retry } : known
}

interface Outcome<T> {
  data?: T
  error?: unknown
  response: Response
}

export async function unwrap<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>
  try {
    outcome = await call
  } catch (cause) {
    if (cause instanceof ApiError || (cause instanceof DOMException && cause.name === 'AbortError')) throw cause
    throw new Unreachable('unreachable', { cause })
  }
  // The empty 204 has neither data nor error, so the response decides.
  if (!outcome.response.ok) throw new ApiError(toProblem(outcome.error, outcome.response))
  return outcome.data as T
}

export interface ProblemView {
  code: string
  summary: string
  fields: Record<string, string>
  // The code of each field's first error, for pages that have more to say about it.
  fieldCodes: Record<string, string>
  requestId: string | null
  retryAfter: number | null
  suggestion: { plan: string; title: string; url: string } | null
  // What can be bought once, beside the plan.
  topup: { title: string; url: string } | null
}

const fallback = {
  unreachable: {
    ja: 'いま、つながりません。電波を確かめて、もう一度お試しください。入力はそのまま残しています。',
    en: 'We cannot reach the house right now. Check your connection and try again; what you typed is still here.',
  },
  unexpected: {
    ja: 'うまくいきませんでした。少し待って、もう一度お試しください。入力はそのまま残しています。',
    en: 'That did not work. Wait a moment and try again; what you typed is still here.',
  },
} satisfies Record<string, Bilingual>

// Same-origin links only: a suggestion never leads out of the house.
function inside(url: string): boolean {
  return url.startsWith('/') && !url.startsWith('//')
}

export function describeProblem(error: unknown, locale: Locale): ProblemView {
  if (!(error instanceof ApiError)) {
    const code = error instanceof Unreachable ? 'unreachable' : 'unexpected'
    const text = error instanceof Told ? error.text : fallback[code]
    return {
      code: error instanceof Told ? 'told' : code,
      summary: text[locale],
      fields: {},
      fieldCodes: {},
      requestId: null,
      retryAfter: null,
      suggestion: null,
      topup: null,
    }
  }
  const { problem } = error
  const fields: Record<string, string> = {}
  const fieldCodes: Record<string, string> = {}
  for (const field of problem.errors ?? []) {
    const name = field.pointer.replace(/^\//, '')
    fields[name] ??= field.text[locale]
    fieldCodes[name] ??= field.code
  }
  const { suggestion, topup } = problem
  return {
    code: problem.code,
    summary: problem.text?.[locale] ?? problem.detail ?? fallback.unexpected[locale],
    fields,
    fieldCodes,
    // Only trouble of ours is worth reporting; a wrong password needs no number.
    requestId: problem.status >= 500 ? (problem.request_id ?? null) : null,
    retryAfter: problem.retry_after ?? null,
    suggestion:
      suggestion && inside(suggestion.url)
        ? { plan: suggestion.plan, title: suggestion.title[locale], url: suggestion.url }
        : null,
    topup: topup && inside(topup.url) ? { title: topup.title[locale], url: topup.url } : null,
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof ApiError && error.problem.code === code
}

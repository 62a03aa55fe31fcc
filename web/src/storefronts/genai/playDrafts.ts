import type { Settings } from './play'
import { readSettings } from './presets'

// What somebody set and half wrote in one conversation.
export interface PlayDraft {
  settings: Settings | null
  text: string
  // The model that the address named when this was set: another address wants another model.
  asked: string | null
}

const KEY = 'noren.genai.play'
// So many conversations are kept in mind; the one that was left alone for longest goes first.
const MOST = 20
const LONGEST = 200_000

function draftOf(value: unknown): PlayDraft | null {
  if (typeof value !== 'object' || value === null) return null
  const { settings, text, asked } = value as Record<string, unknown>
  return {
    settings: readSettings(settings),
    text: typeof text === 'string' ? text : '',
    asked: typeof asked === 'string' ? asked : null,
  }
}

function restored(tenant: string): Map<string, PlayDraft> {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null')
    if (typeof value !== 'object' || value === null || !('tenant' in value) || value.tenant !== tenant) return new Map()
    if (!('places' in value) || !Array.isArray(value.places)) return new Map()
    return new Map(
      value.places.slice(-MOST).flatMap((one: unknown) => {
        const [place, draft] = Array.isArray(one) ? one : []
        const read = draftOf(draft)
        return typeof place === 'string' && read !== null ? [[place, read] as const] : []
      }),
    )
  } catch {
    return new Map()
  }
}

// A reload of this tab, and a way over another page, keep what was set and written; nobody else's session reads it.
export function createPlayDrafts(tenant: string) {
  const places = restored(tenant)

  function put(): void {
    while (places.size > MOST) places.delete([...places.keys()][0] ?? '')
    try {
      if (places.size === 0) sessionStorage.removeItem(KEY)
      else sessionStorage.setItem(KEY, JSON.stringify({ tenant, places: [...places] }))
    } catch {
      // Storage may be forbidden or full; what is on screen still holds for the visit.
    }
  }
  return {
    get: (place: string): PlayDraft | null => places.get(place) ?? null,
    write(place: string, part: Partial<PlayDraft>) {
      const now = { settings: null, text: '', asked: null, ...places.get(place), ...part }
      places.delete(place)
      if (now.settings !== null || now.text !== '') places.set(place, { ...now, text: now.text.slice(0, LONGEST) })
      put()
    },
    // A conversation that was begun has an address of its own from now on.
    move(from: string, to: string) {
      const draft = places.get(from)
      if (draft === undefined) return
      places.delete(from)
      places.set(to, draft)
      put()
    },
  }
}

export type PlayDrafts = ReturnType<typeof createPlayDrafts>

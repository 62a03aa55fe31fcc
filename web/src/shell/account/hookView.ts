import type { Hook, HookTerms } from '../../api/hooks'

export interface HookDraft {
  url: string
  all: boolean
  events: string[]
}

export const emptyHook: HookDraft = { url: '', all: true, events: [] }

export function hookDraftOf({ url, event_types }: Pick<Hook, 'url' | 'event_types'>): HookDraft {
  return { url: url ?? '', all: event_types.length === 0, events: event_types }
}

export function termsOf(draft: HookDraft): HookTerms {
  return { url: draft.url.trim(), event_types: draft.all ? [] : draft.events }
}

// What a browser can tell. Which addresses are allowed is for the house to say, and a demo allows more.
export function isWebAddress(text: string): boolean {
  const url = text.trim()
  return URL.canParse(url) && ['https:', 'http:'].includes(new URL(url).protocol)
}

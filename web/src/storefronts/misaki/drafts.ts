import { useSyncExternalStore } from 'react'
import { createStore } from '../../i18n/store'

type Lines = Readonly<Record<string, string>>

const KEY = 'noren.misaki.drafts'

function restored(tenant: string): Lines {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null')
    if (typeof value !== 'object' || value === null || !('tenant' in value) || value.tenant !== tenant) return {}
    if (!('lines' in value) || typeof value.lines !== 'object' || value.lines === null) return {}
    return Object.fromEntries(Object.entries(value.lines).filter(([, line]) => typeof line === 'string'))
  } catch {
    return {}
  }
}

// Half-written lines, each with its conversation. A reload of this tab keeps them; nobody else's session reads them.
export function createDrafts() {
  const store = createStore<Lines>({})
  let owner: string | null = null

  function put(lines: Lines): void {
    store.set(lines)
    if (owner === null) return
    try {
      if (Object.keys(lines).length === 0) sessionStorage.removeItem(KEY)
      else sessionStorage.setItem(KEY, JSON.stringify({ tenant: owner, lines }))
    } catch {
      // Storage may be forbidden or full; the lines still hold for the visit.
    }
  }
  function write(place: string, text: string): void {
    const { [place]: _, ...others } = store.get()
    put(text === '' ? others : { ...others, [place]: text })
  }
  return {
    write,
    // A line that could not be sent waits above what has been typed since.
    giveBack(place: string, text: string) {
      const now = store.get()[place] ?? ''
      write(place, now === '' ? text : `${text}\n${now}`)
    },
    move(from: string, to: string) {
      const { [from]: line, ...others } = store.get()
      if (line !== undefined) put({ ...others, [to]: line })
    },
    belongTo(tenant: string) {
      if (owner === tenant) return
      const typed = owner === null ? store.get() : {}
      owner = tenant
      put({ ...restored(tenant), ...typed })
    },
    get: store.get,
    subscribe: store.subscribe,
  }
}

export type Drafts = ReturnType<typeof createDrafts>

export function useDraft(drafts: Drafts, place: string): string {
  return useSyncExternalStore(drafts.subscribe, () => drafts.get()[place] ?? '')
}

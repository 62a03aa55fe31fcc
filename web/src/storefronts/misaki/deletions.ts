import { useSyncExternalStore } from 'react'
import { createStore } from '../../i18n/store'

export const UNDO_MS = 10_000

export interface Deletion {
  id: string
  title: string
  state: 'waiting' | 'gone' | 'failed'
}

type Remove = (id: string, leaving: boolean) => Promise<unknown>

// A conversation disappears at once and is deleted ten seconds later, unless it was taken back. Closing the page
// settles what is waiting, because the person has seen it go.
export function createDeletions(remove: Remove, afterwards: (id: string) => void) {
  const store = createStore<readonly Deletion[]>([])
  const timers = new Map<string, ReturnType<typeof setTimeout>>()

  function mark(id: string, state: Deletion['state']): void {
    store.set(store.get().map((deletion) => (deletion.id === id ? { ...deletion, state } : deletion)))
  }
  function forget(id: string): void {
    clearTimeout(timers.get(id))
    timers.delete(id)
    store.set(store.get().filter((deletion) => deletion.id !== id))
  }
  async function settle(id: string, leaving: boolean): Promise<void> {
    clearTimeout(timers.get(id))
    timers.delete(id)
    mark(id, 'gone')
    try {
      await remove(id, leaving)
      afterwards(id)
      forget(id)
    } catch {
      mark(id, 'failed')
    }
  }
  return {
    begin(id: string, title: string) {
      if (timers.has(id)) return
      forget(id)
      store.set([...store.get(), { id, title, state: 'waiting' }])
      timers.set(
        id,
        setTimeout(() => void settle(id, false), UNDO_MS),
      )
    },
    undo: forget,
    dismiss: forget,
    flush() {
      for (const id of [...timers.keys()]) void settle(id, true)
    },
    get: store.get,
    subscribe: store.subscribe,
  }
}

export type Deletions = ReturnType<typeof createDeletions>

export function useDeletions(deletions: Deletions): readonly Deletion[] {
  return useSyncExternalStore(deletions.subscribe, deletions.get)
}

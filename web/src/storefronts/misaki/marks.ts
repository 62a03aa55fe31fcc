import { useSyncExternalStore } from 'react'
import { createStore } from '../../i18n/store'

export type Mark = 'answering' | 'answered'

// Which conversations are being answered, and which were answered while someone looked elsewhere.
export function createMarks() {
  const store = createStore<ReadonlyMap<string, Mark>>(new Map())
  let seen: string | null = null

  function set(chat: string, mark: Mark | null): void {
    if (store.get().get(chat) === (mark ?? undefined)) return
    const next = new Map(store.get())
    if (mark === null) next.delete(chat)
    else next.set(chat, mark)
    store.set(next)
  }
  return {
    begin: (chat: string) => set(chat, 'answering'),
    end: (chat: string) => set(chat, chat === seen ? null : 'answered'),
    // What is on the screen now; nothing when someone has left the bar.
    look(chat: string | null) {
      seen = chat
      if (chat !== null && store.get().get(chat) === 'answered') set(chat, null)
    },
    reset: () => store.set(new Map()),
    get: store.get,
    subscribe: store.subscribe,
  }
}

export type Marks = ReturnType<typeof createMarks>

export function useMarks(marks: Marks): ReadonlyMap<string, Mark> {
  return useSyncExternalStore(marks.subscribe, marks.get)
}

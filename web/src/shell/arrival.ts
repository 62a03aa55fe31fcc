import { useSyncExternalStore } from 'react'
import type { FirstKey } from '../api/types'
import { createStore } from '../i18n/store'

// What has just happened at sign-up, and what was put aside for this visit. In memory: a first key is shown once.
interface Arrival {
  letterTo: string | null
  firstKey: FirstKey | null
  dismissed: boolean
}

const empty: Arrival = { letterTo: null, firstKey: null, dismissed: false }
const store = createStore<Arrival>(empty)

export function arrive(letterTo: string, firstKey: FirstKey | null): void {
  store.set({ letterTo, firstKey, dismissed: false })
}

export function dismissForThisVisit(): void {
  store.set({ ...store.get(), dismissed: true })
}

export function putFirstKeyAway(): void {
  store.set({ ...store.get(), firstKey: null })
}

export function leaveNothing(): void {
  store.set(empty)
}

export function useArrival(): Arrival {
  return useSyncExternalStore(store.subscribe, store.get)
}

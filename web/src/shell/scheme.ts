import { useSyncExternalStore } from 'react'
import { createStore, keep, kept } from '../i18n/store'

export type Scheme = 'system' | 'light' | 'dark'
export const schemes = ['system', 'light', 'dark'] as const satisfies readonly Scheme[]

const KEY = 'noren.scheme'

function isScheme(value: unknown): value is Scheme {
  return schemes.some((scheme) => scheme === value)
}

const store = createStore<Scheme>(kept(KEY, isScheme) ?? 'system')

export function markScheme(): void {
  const scheme = store.get()
  if (scheme === 'system') delete document.documentElement.dataset['scheme']
  else document.documentElement.dataset['scheme'] = scheme
  tintBrowser()
}

// The browser's own bars take the ground colour of the room.
export function tintBrowser(): void {
  const ground = getComputedStyle(document.body).backgroundColor
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', ground)
}

export function chooseScheme(scheme: Scheme): void {
  keep(KEY, scheme)
  store.set(scheme)
  markScheme()
}

export function useScheme(): Scheme {
  return useSyncExternalStore(store.subscribe, store.get)
}

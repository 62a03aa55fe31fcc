import { useSyncExternalStore } from 'react'
import { createStore } from '../i18n/store'

// What a link of a letter or an issuer hands to a page. It lies in memory only, and leaves the address bar before anything
// is drawn, so that it ends up in no history, no screenshot and no address that someone copies.
interface Handed {
  path: string
  token: string
  query: URLSearchParams
}

const nothing: Handed = { path: '', token: '', query: new URLSearchParams() }
const store = createStore<Handed>(nothing)

const fragmentPages = /^\/(?:link\/(?:verify|reset|email|invite)|unsubscribe)\/?$/
const queryPages = /^\/auth\/callback\/?$/

export function takeHanded(place: Pick<Location, 'pathname' | 'hash' | 'search'> = window.location): void {
  const path = place.pathname.replace(/\/$/, '')
  const token = fragmentPages.test(place.pathname) ? place.hash.slice(1) : ''
  const search = queryPages.test(place.pathname) ? place.search : ''
  if (token === '' && search === '') return
  store.set({ path, token, query: new URLSearchParams(search) })
  window.history.replaceState(window.history.state, '', path)
}

// Also for whoever pastes a second link into the same tab: only the fragment changes then, and no page is loaded.
export function watchHanded(): void {
  takeHanded()
  window.addEventListener('hashchange', () => takeHanded())
  window.addEventListener('popstate', () => takeHanded())
}

export function useHanded(path: string): { token: string; query: URLSearchParams } {
  const handed = useSyncExternalStore(store.subscribe, store.get)
  return handed.path === path ? handed : nothing
}

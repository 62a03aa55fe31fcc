import { useSyncExternalStore } from 'react'
import type { Locale } from '../api/types'
import { createStore, keep, kept } from './store'

const KEY = 'noren.locale'

function isLocale(value: unknown): value is Locale {
  return value === 'ja' || value === 'en'
}

// What the address asks for, as search engines lead to it.
function asked(): Locale | null {
  const lang = new URLSearchParams(location.search).get('lang')
  return isLocale(lang) ? lang : null
}

// Japanese first: a browser in another language still meets the house in Japanese until someone chooses.
const store = createStore<Locale>(asked() ?? kept(KEY, isLocale) ?? 'ja')

export function currentLocale(): Locale {
  return store.get()
}

// Whether someone chose on this device; until then an account's own language may decide.
export function localeChosen(): boolean {
  return (asked() ?? kept(KEY, isLocale)) !== null
}

export function chooseLocale(locale: Locale): void {
  keep(KEY, locale)
  store.set(locale)
  markLanguage()
}

export function markLanguage(): void {
  document.documentElement.lang = store.get()
}

export function useLocale(): Locale {
  return useSyncExternalStore(store.subscribe, store.get)
}

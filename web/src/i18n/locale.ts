import { useSyncExternalStore } from 'react'
import type { Locale } from '../api/types'
import { createStore, keep, kept } from './store'

const KEY = 'noren.locale'

function isLocale(value: unknown): value is Locale {
  return value === 'ja' || value === 'en'
}

// Japanese first: a browser in another language still meets the house in Japanese until someone chooses.
const store = createStore<Locale>(kept(KEY, isLocale) ?? 'ja')

export function currentLocale(): Locale {
  return store.get()
}

// Whether someone chose on this device; until then an account's own language may decide.
export function localeChosen(): boolean {
  return kept(KEY, isLocale) !== null
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

import type { Locale } from '../api/types'
import { useLocale } from './locale'

// A message is a plain string or a function of what it speaks about.
export type Wording = string | ((...facts: never[]) => string)

// Both languages at each key, in one place: a missing one does not compile.
export type Table<T extends Record<string, Wording>> = {
  readonly [K in keyof T]: { readonly ja: T[K]; readonly en: T[K] }
}

export type Words<T> = { readonly [K in keyof T]: T[K] extends { readonly ja: infer W } ? W : never }

export function define<T extends Record<string, Wording>>(table: Table<T>): Table<T> {
  return table
}

type AnyTable = Record<string, { readonly ja: Wording; readonly en: Wording }>

const chosen = new WeakMap<AnyTable, Record<Locale, Record<string, Wording>>>()

export function wordsOf<T extends AnyTable>(table: T, locale: Locale): Words<T> {
  let both = chosen.get(table)
  if (!both) {
    const entries = Object.entries(table)
    both = {
      ja: Object.fromEntries(entries.map(([key, pair]) => [key, pair.ja])),
      en: Object.fromEntries(entries.map(([key, pair]) => [key, pair.en])),
    }
    chosen.set(table, both)
  }
  return both[locale] as Words<T>
}

export function useWords<T extends AnyTable>(table: T): Words<T> {
  return wordsOf(table, useLocale())
}

import type { Locale } from '../../api/types'
import { count, dollarsFromNano } from '../../i18n/format'
import { nanoOf } from '../dollars'

// What the models cost is limited in dollars, everything else by its number.
export const isCost = (unit: string) => unit.endsWith('.cost')

function whole(text: string): number | null {
  return /^\d{1,12}$/.test(text.trim()) ? Number(text) : null
}

// A limit as somebody types it; null when it is none.
export function readAmount(unit: string, text: string): number | null {
  if (!isCost(unit)) return whole(text)
  const nano = nanoOf(text)
  return Number.isNaN(nano) ? null : nano
}

export const shownAmount = (unit: string, amount: number, locale: Locale) =>
  isCost(unit) ? dollarsFromNano(amount, locale) : count(amount, locale)

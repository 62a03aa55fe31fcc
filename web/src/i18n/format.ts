import type { Locale } from '../api/types'

const tags = { ja: 'ja-JP', en: 'en-GB' } as const satisfies Record<Locale, string>
const kept = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>()

function once<T extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, make: () => T): T {
  const found = kept.get(key)
  if (found) return found as T
  const made = make()
  kept.set(key, made)
  return made
}

function dateFormat(locale: Locale, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return once(`${locale}/${name}`, () => new Intl.DateTimeFormat(tags[locale], options))
}

// 11月20日(金) 16:00 / Fri 20 Nov, 16:00
export function dayAndTime(at: string, locale: Locale): string {
  return dateFormat(locale, 'day-time', {
    month: locale === 'ja' ? 'long' : 'short',
    day: 'numeric',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
  }).format(new Date(at))
}

// 11/20 16:00 / 20/11, 16:00: for tables whose rows are many.
export function shortTime(at: string, locale: Locale): string {
  return dateFormat(locale, 'short-time', {
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).format(new Date(at))
}

export function day(at: string, locale: Locale): string {
  return dateFormat(locale, 'day', {
    month: locale === 'ja' ? 'long' : 'short',
    day: 'numeric',
    weekday: 'short',
  }).format(new Date(at))
}

// 2026年11月20日 / 20 November 2026: what is kept for years names its year.
export function dateOf(at: string, locale: Locale): string {
  return dateFormat(locale, 'date', { year: 'numeric', month: 'long', day: 'numeric' }).format(new Date(at))
}

export function clock(at: string, locale: Locale): string {
  return dateFormat(locale, 'clock', { hour: '2-digit', minute: '2-digit' }).format(new Date(at))
}

export function count(value: number, locale: Locale): string {
  return once(`${locale}/count`, () => new Intl.NumberFormat(tags[locale])).format(value)
}

export function signed(value: number, locale: Locale): string {
  return once(`${locale}/signed`, () => new Intl.NumberFormat(tags[locale], { signDisplay: 'exceptZero' })).format(
    value,
  )
}

export function yen(value: number, locale: Locale): string {
  return once(
    `${locale}/yen`,
    () => new Intl.NumberFormat(tags[locale], { style: 'currency', currency: 'JPY', currencyDisplay: 'narrowSymbol' }),
  ).format(value)
}

// Of an amount in its currency's smallest unit; yen have none smaller.
export function money(amount: number, currency: string, locale: Locale): string {
  const format = once(
    `${locale}/money/${currency}`,
    () => new Intl.NumberFormat(tags[locale], { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }),
  )
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 0))
}

// Model calls cost fractions of a cent, so small sums keep their leading digits instead of becoming $0.00; from a dollar on, what
// counts is the cent.
export function dollarsFromNano(nano: number, locale: Locale): string {
  if (nano === 0) return '$0'
  const isSmall = Math.abs(nano) < 1e9
  return once(
    `${locale}/usd/${isSmall}`,
    () =>
      new Intl.NumberFormat(tags[locale], {
        style: 'currency',
        currency: 'USD',
        currencyDisplay: 'narrowSymbol',
        ...(isSmall && { maximumSignificantDigits: 3 }),
      }),
  ).format(nano / 1e9)
}

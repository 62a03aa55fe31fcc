import type { Locale } from '../../api/types'

const two = (month: number) => String(month).padStart(2, '0')

export function monthOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}`
}

export function monthsFrom(month: string, by: number): string {
  const [year = 0, at = 1] = month.split('-').map(Number)
  const months = year * 12 + at - 1 + by
  return `${Math.floor(months / 12)}-${two((months % 12) + 1)}`
}

// The last two years, the newest first; a month that someone named in the address is among them.
export function monthsToChoose(now: string, chosen: string): string[] {
  const months = Array.from({ length: 24 }, (_, back) => monthsFrom(now, -back))
  return months.includes(chosen) ? months : [chosen, ...months].sort().reverse()
}

export function monthName(month: string, locale: Locale): string {
  const date = new Date(`${month}-01T00:00:00Z`)
  return new Intl.DateTimeFormat(locale === 'ja' ? 'ja-JP' : 'en-GB', {
    year: 'numeric',
    month: 'long',
    timeZone: 'UTC',
  }).format(date)
}

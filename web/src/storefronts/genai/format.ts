import type { Locale } from '../../api/types'
import { count } from '../../i18n/format'
import { genaiWords } from '../../i18n/genaiWords'
import { wordsOf } from '../../i18n/text'

// 840 ms, 3.2 s, 95 s: as many digits as one reads.
export function duration(ms: number | null, locale: Locale): string {
  if (ms === null) return '–'
  const words = wordsOf(genaiWords, locale)
  if (ms < 1000) return words.ms(count(Math.round(ms), locale))
  return words.seconds(ms < 10_000 ? (ms / 1000).toFixed(1) : count(Math.round(ms / 1000), locale))
}

// Prices are kept for 1,000 tokens in billionths of a dollar; developers compare them by the million.
export function perMillion(nano: number): string {
  const dollars = nano / 1e6
  return `$${dollars.toFixed(dollars !== 0 && dollars < 0.1 ? 3 : 2)}`
}

export function percent(share: number | null): string {
  if (share === null) return '–'
  // 99.96 % is not all of them.
  const shown = share < 1 ? Math.min(99.9, Math.round(share * 1000) / 10) : 100
  return `${shown} %`
}

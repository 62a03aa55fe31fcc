import type { Locale, Quota } from '../api/types'
import { quotaWords } from './accountWords'
import { count, day, dayAndTime } from './format'
import { wordsOf } from './text'

export const CHAT_UNIT = 'misaki.chat'

export function chatQuota(quotas: readonly Quota[] | undefined): Quota | null {
  return quotas?.find((quota) => quota.unit === CHAT_UNIT) ?? null
}

// Numbers speak: 本日あと8回 rather than 8/10. Of a balance that holds more than the period's own, no period is named.
export function quotaLeft(quota: Quota, locale: Locale, more = false): string {
  const words = wordsOf(quotaWords, locale)
  const today = quota.every === 'day'
  if (quota.available <= 0) return today ? words.noneToday : words.noneMonth
  const left = more ? words.left : today ? words.leftToday : words.leftMonth
  return left(count(quota.available, locale), quota.available === 1)
}

export function quotaResets(quota: Quota, locale: Locale): string {
  if (quota.resets_at === null) return ''
  const show = quota.every === 'day' ? dayAndTime : day
  return wordsOf(quotaWords, locale).resets(show(quota.resets_at, locale))
}

export function quotaUsed(quota: Quota, locale: Locale): string {
  const words = wordsOf(quotaWords, locale)
  const held = quota.held > 0 ? words.heldNow(count(quota.held, locale)) : ''
  return words.usedOf(count(quota.used, locale), count(quota.granted, locale)) + held
}

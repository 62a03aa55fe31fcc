import { describe, expect, test } from 'vitest'
import type { Quota } from '../api/types'
import { count, signed, yen } from './format'
import { chatQuota, quotaLeft, quotaResets, quotaUsed } from './quota'

const quota: Quota = {
  unit: 'misaki.chat',
  granted: 10,
  available: 8,
  held: 0,
  used: 2,
  resets_at: new Date(2026, 10, 21, 0, 0).toISOString(),
  every: 'day',
}

describe('what is left', () => {
  test('is said in words', () => {
    expect(quotaLeft(quota, 'ja')).toBe('本日あと8回')
    expect(quotaLeft(quota, 'en')).toBe('8 messages left today')
    expect(quotaLeft({ ...quota, available: 1 }, 'en')).toBe('1 message left today')
  })
  test('knows months and large numbers', () => {
    const month: Quota = { ...quota, every: 'month', available: 9976 }
    expect(quotaLeft(month, 'ja')).toBe('今月あと9,976回')
    expect(quotaLeft(month, 'en')).toBe('9,976 messages left this month')
  })
  test('ends kindly', () => {
    expect(quotaLeft({ ...quota, available: 0 }, 'ja')).toBe('本日の分は終わりました')
    expect(quotaLeft({ ...quota, available: 0, every: 'month' }, 'en')).toBe('No messages left this month')
  })
  test('says when it comes back', () => {
    expect(quotaResets(quota, 'ja')).toBe('11月21日(土) 00:00に戻ります')
    expect(quotaResets({ ...quota, every: 'month' }, 'ja')).toBe('11月21日(土)に戻ります')
    expect(quotaResets(quota, 'en')).toMatch(/^resets Sat.* 21 Nov.*00:00$/)
  })
  test('tells what is used and what is set aside', () => {
    expect(quotaUsed(quota, 'ja')).toBe('10回のうち2回使用')
    expect(quotaUsed({ ...quota, held: 1 }, 'ja')).toBe('10回のうち2回使用（いま1回分を確保中）')
    expect(quotaUsed({ ...quota, held: 1 }, 'en')).toBe('2 of 10 used (1 set aside right now)')
  })
  test('is the chat unit among others', () => {
    expect(chatQuota([{ ...quota, unit: 'misaki.image' }, quota])).toBe(quota)
    expect(chatQuota([])).toBeNull()
    expect(chatQuota(undefined)).toBeNull()
  })
})

describe('figures', () => {
  test('are grouped, signed and in yen', () => {
    expect(count(1_000_000, 'ja')).toBe('1,000,000')
    expect(signed(1, 'ja')).toBe('+1')
    expect(signed(-1, 'en')).toBe('-1')
    expect(yen(980, 'ja')).toMatch(/^[¥￥]980$/)
  })
})

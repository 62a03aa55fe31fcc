import { describe, expect, test } from 'vitest'
import type { ApiKey } from '../../api/types'
import { deviceName } from './deviceName'
import { capOf, costOf, draftOf, emptyDraft, endOfDay, listOf, toChange, toNewKey } from './newKey'

describe('the name of a device', () => {
  test.each([
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
      'Chrome on Windows',
    ],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0',
      'Edge on Windows',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
      'Safari on iPhone',
    ],
    [
      'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
      'Chrome on Android',
    ],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox on Linux'],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15',
      'Safari on Mac',
    ],
    ['nightly-report/2.3', null],
    ['', null],
  ])('%s', (agent, name) => {
    expect(deviceName(agent, 'en')).toBe(name)
  })

  test('is said in the language of the page', () => {
    expect(deviceName('Mozilla/5.0 (iPhone) Version/18.5 Safari/604.1', 'ja')).toBe('iPhoneのSafari')
  })
})

describe('a new key as it is asked for', () => {
  test('says nothing about limits that nobody set', () => {
    expect(toNewKey({ ...emptyDraft, name: ' 夜の集計 ' })).toEqual({
      name: '夜の集計',
      scopes: ['inference.use', 'usage.read'],
    })
  })

  test('takes lists with Japanese and western separators, and full-width figures', () => {
    expect(listOf('mama、 papa,\nkodomo')).toEqual(['mama', 'papa', 'kodomo'])
    expect(capOf('１，０００')).toBe(1000)
    expect(capOf(' ')).toBeNull()
    for (const wrong of ['0', '-1', '1.5', 'many']) expect(capOf(wrong)).toBeNaN()
    for (const wrong of ['0', '-1', '1.0000000001', 'many', '.5']) expect(costOf(wrong)).toBeNaN()
    const key = toNewKey({
      ...emptyDraft,
      name: 'n',
      models: 'mama',
      ips: '203.0.113.0/24',
      cap: '5',
      expires: '2027-01-31',
    })
    expect(key).toMatchObject({ models: ['mama'], ip_ranges: ['203.0.113.0/24'], daily_cap: 5 })
    expect(key.expires_at).toBe(endOfDay('2027-01-31'))
  })

  test('works until the last day has ended where it was chosen', () => {
    expect(new Date(endOfDay('2027-01-31') ?? '').getDate()).toBe(31)
    expect(endOfDay('no day')).toBeNull()
  })
})

describe('a key that is changed', () => {
  const key: ApiKey = {
    id: 'key_1',
    name: '夜の集計',
    hint: 'nrn_ab12…wxyz',
    storefront: 'genai',
    scopes: ['inference.use', 'something.new'],
    models: ['mama', 'papa'],
    ip_ranges: ['203.0.113.0/24'],
    daily_cap: 100,
    daily_cost_nano_usd: 1_500_000_000,
    expires_at: endOfDay('2027-01-31'),
    created_at: '2026-11-20T12:00:00Z',
    last_used_at: null,
    grace_until: null,
    status: 'active',
  }
  const before = draftOf(key)

  test('says nothing about what stays, however it is written', () => {
    expect(before.expires).toBe('2027-01-31')
    expect(toChange(before, before)).toEqual({})
    expect(toChange({ ...before, models: 'papa、mama', cap: '１００', cost: '＄1.500' }, before)).toEqual({})
  })

  test('loses a limit whose field was emptied', () => {
    expect(toChange({ ...before, models: '', ips: ' ', cap: '', cost: '', expires: '' }, before)).toEqual({
      models: null,
      ip_ranges: null,
      daily_cap: null,
      daily_cost_nano_usd: null,
      expires_at: null,
    })
  })

  test('takes new values, and keeps what it may do beyond the words of this page', () => {
    expect(
      toChange(
        {
          ...before,
          name: ' 朝 ',
          scopes: [...before.scopes, 'usage.read'],
          cap: '５',
          cost: '0.000000001',
          expires: '2027-02-01',
        },
        before,
      ),
    ).toEqual({
      name: '朝',
      scopes: ['inference.use', 'something.new', 'usage.read'],
      daily_cap: 5,
      daily_cost_nano_usd: 1,
      expires_at: endOfDay('2027-02-01'),
    })
  })
})

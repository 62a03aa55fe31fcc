import { describe, expect, test } from 'vitest'
import type { PlanVersion } from '../../api/admin'
import { toCsv } from '../csv'
import { figuresCsv, rowOf, spanBeside, yearsToChoose } from './figureRows'
import { monthName, monthOf, monthsFrom, monthsToChoose } from './months'
import { compare, termsOf } from './planDiff'
import { deskJobsSearch, deskPlansSearch, deskTenantsSearch, deskUsageSearch } from './search'
import { usageCsv } from './Usage'

describe('a table for Excel', () => {
  test('begins with the mark of UTF-8 and quotes what needs it', () => {
    expect(toCsv(['a', 'b'], [['x,"y"', 1]])).toBe('\uFEFFa,b\r\n"x,""y""",1\r\n')
  })

  test.each(['=1+1', '+81', '-cmd', '@x', '\tx'])('never runs a name that begins like a formula: %j', (name) => {
    expect(
      toCsv(['name'], [[name]])
        .split('\r\n')[1]
        ?.replace(/^"/, ''),
    ).toBe(`'${name}`)
  })

  test('keeps figures whole, also below zero', () => {
    const row = {
      tenant_id: 'tnt_1',
      tenant_name: '高橋家',
      storefront: 'misaki',
      unit: 'misaki.chat',
      amount: -3,
      requests: 2,
      tokens_in: 10,
      tokens_out: 20,
      cost_nano_usd: 1_234_567,
    }
    expect(usageCsv('2026-11', [row]).split('\r\n')[1]).toBe(
      '2026-11,tnt_1,高橋家,misaki,misaki.chat,-3,2,10,20,1234567',
    )
  })
})

describe('two versions of a plan', () => {
  const one: PlanVersion = {
    version: 1,
    title: { ja: 'なじみ', en: 'Regular' },
    price_yen: 980,
    limits: { per_minute: 20, concurrent: 2 },
    grants: [
      { unit: 'misaki.chat', amount: 1000, every: 'month' },
      { unit: 'misaki.embed', amount: 5, every: 'day' },
    ],
    routes: { 'misaki.chat': 'misaki-medium' },
    stripe_price: null,
    features: {},
    created_at: '2026-11-20T12:00:00Z',
    customers: 3,
  }

  test('differ only where a term differs, whatever the order', () => {
    const two = { ...one, version: 2, grants: [...one.grants].reverse() }
    expect(compare(termsOf(one), termsOf(two)).filter(({ changed }) => changed)).toEqual([])
  })

  test('show what is new, what is gone and what is another', () => {
    const two: PlanVersion = {
      ...one,
      price_yen: 1280,
      limits: { per_minute: 20, concurrent: 3 },
      grants: [
        { unit: 'misaki.chat', amount: 1500, every: 'month' },
        { unit: 'misaki.embed', amount: 5, every: 'day' },
        { unit: 'misaki.image', amount: 1, every: 'day' },
      ],
    }
    expect(compare(termsOf(one), termsOf(two)).filter(({ changed }) => changed)).toEqual([
      { term: 'price_yen', before: '980', after: '1280', changed: true },
      { term: 'limits.concurrent', before: '2', after: '3', changed: true },
      { term: 'grants.misaki.chat/month.amount', before: '1000', after: '1500', changed: true },
      { term: 'grants.misaki.image/day.amount', before: null, after: '1', changed: true },
    ])
  })
})

describe('months', () => {
  test('pass the turn of the year in both directions', () => {
    expect(monthsFrom('2026-01', -1)).toBe('2025-12')
    expect(monthsFrom('2026-12', 1)).toBe('2027-01')
    expect(monthOf(new Date(2026, 10, 30))).toBe('2026-11')
  })

  test('offer two years and the one in the address', () => {
    expect(monthsToChoose('2026-11', '2026-11')).toHaveLength(24)
    expect(monthsToChoose('2026-11', '2020-05').at(-1)).toBe('2020-05')
    expect(monthsToChoose('2026-11', '2027-01')[0]).toBe('2027-01')
  })

  test('have names in both languages', () => {
    expect(monthName('2026-11', 'ja')).toBe('2026年11月')
    expect(monthName('2026-11', 'en')).toBe('November 2026')
  })
})

describe('filters in the address', () => {
  test('are taken as they were typed, also when they look like a number', () => {
    expect(deskTenantsSearch({ q: 123 })).toEqual({ q: '123' })
    expect(deskJobsSearch({ state: 'dead', kind: '' })).toEqual({ state: 'dead', kind: undefined })
    expect(deskPlansSearch({ plan: 'misaki/paid', from: 1, to: 'x' })).toEqual({
      plan: 'misaki/paid',
      from: 1,
      to: undefined,
    })
  })

  test.each(['2026-13', '2026-1', 'november', { a: 1 }])('a month that is none is left out: %j', (month) => {
    expect(deskUsageSearch({ month })).toEqual({ month: undefined })
  })
})

describe('figures', () => {
  const of = (storefront: string, requests: number, revenue: [string, number, number][]) => ({
    storefront,
    requests,
    completed: requests,
    failed: 0,
    cancelled: 0,
    tokens_in: 1,
    tokens_out: 2,
    cost_nano_usd: 3,
    revenue: revenue.map(([currency, paid, refunded]) => ({ currency, paid, refunded, net: paid - refunded })),
  })
  const day = {
    period: '2026-11-22',
    sign_ups: 2,
    sign_ins: 5,
    storefronts: [
      of('genai', 4, [
        ['jpy', 2980, 980],
        ['usd', 500, 0],
      ]),
      of('misaki', 6, [['jpy', 980, 0]]),
    ],
  }

  test('of all storefronts add up, money by currency', () => {
    const row = rowOf(day, '')
    expect([row.requests, row.sign_ups, row.cost_nano_usd, row.success]).toEqual([10, 2, 6, 1])
    expect(row.revenue.map(({ currency, net }) => [currency, net])).toEqual([
      ['jpy', 2980],
      ['usd', 500],
    ])
    expect(rowOf(day, 'misaki').revenue.map(({ net }) => net)).toEqual([980])
    expect(rowOf({ ...day, storefronts: [] }, '').success).toBeNull()
  })

  test('are taken along with every currency in columns of its own', () => {
    const [head, lines] = figuresCsv({ zone: 'Asia/Tokyo', total: day, items: [day] })
    expect(head.slice(-6)).toEqual(['paid_jpy', 'refunded_jpy', 'net_jpy', 'paid_usd', 'refunded_usd', 'net_usd'])
    expect(lines.map((line) => line.length)).toEqual([head.length, head.length, head.length])
    expect(lines[0]?.slice(0, 5)).toEqual(['2026-11-22', '', 2, 5, ''])
    expect(lines[2]?.slice(-6)).toEqual([980, 0, 980, 0, 0, 0])
  })

  test('are of a month or of a year', () => {
    expect([spanBeside('2026-01', -1), spanBeside('2026', 1)]).toEqual(['2025-12', '2027'])
    expect(yearsToChoose('2026-11', '2020')).toEqual(['2026', '2025', '2024', '2020'])
  })
})

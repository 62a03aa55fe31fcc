import { describe, expect, test } from 'vitest'
import { dollars, everyDay, metricOf, moved, toCsv } from './daily'
import { november } from './fixtures'

describe('a month of usage', () => {
  test('has all of its days, in a leap year too, and adds up to its totals', () => {
    const days = everyDay(november)
    expect(days).toHaveLength(30)
    expect(days[2]?.requests).toBe(2)
    expect(days[3]?.requests).toBe(0)
    expect(everyDay({ ...november, month: '2028-02', days: [] })).toHaveLength(29)
    for (const metric of ['requests', 'tokens', 'cost'] as const) {
      const sum = days.reduce((all, day) => all + metricOf(day, metric), 0)
      expect(sum).toBe(metricOf(november.totals, metric))
    }
  })

  test('moves over the turn of the year', () => {
    expect(moved('2026-01', -1)).toBe('2025-12')
    expect(moved('2026-12', 1)).toBe('2027-01')
    expect(moved('2026-11', -12)).toBe('2025-11')
  })

  test('is saved in a form that Excel reads as Japanese, with exact sums', () => {
    const csv = toCsv(november, ['日', '回数', '会話', '入力', '出力', '費用'])
    expect(csv.startsWith('\ufeff日,回数,会話,')).toBe(true)
    const lines = csv.trimEnd().split('\r\n')
    expect(lines).toHaveLength(31)
    expect(lines[3]).toBe('2026-11-03,2,2,100,300,0.0015')
    expect(lines[20]).toBe('2026-11-20,5,5,250,750,0.004')
  })

  test('quotes what would break a line, and disarms what a spreadsheet would run', () => {
    const csv = toCsv({ ...november, days: [] }, ['a,b', '"c"', '=HYPERLINK()'])
    expect(csv.split('\r\n')[0]).toBe(`\ufeff"a,b","""c""",'=HYPERLINK()`)
  })

  test.each([
    [0, '0'],
    [1, '0.000000001'],
    [1_500_000_000, '1.5'],
    [12_345_678_901, '12.345678901'],
    [-20_000_000, '-0.02'],
  ])('%i billionths are %s', (nano, said) => expect(dollars(nano)).toBe(said))
})

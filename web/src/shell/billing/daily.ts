import type { UsageDay, UsageMonth } from '../../api/billing'

export type Metric = 'requests' | 'tokens' | 'cost'

export function metricOf(day: Omit<UsageDay, 'day'>, metric: Metric): number {
  if (metric === 'requests') return day.requests
  return metric === 'tokens' ? day.tokens_in + day.tokens_out : day.cost_nano_usd
}

export function isMonth(value: unknown): value is string {
  return typeof value === 'string' && /^20\d\d-(0[1-9]|1[0-2])$/.test(value)
}

export function monthOf(at: Date): string {
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}`
}

export function moved(month: string, by: number): string {
  const [year = 2000, number = 1] = month.split('-').map(Number)
  const all = year * 12 + number - 1 + by
  return `${Math.floor(all / 12)}-${String((all % 12) + 1).padStart(2, '0')}`
}

// Every day of the month, those on which nothing happened too: a gap in a chart is a statement.
export function everyDay({ month, days }: UsageMonth): UsageDay[] {
  const [year = 2000, number = 1] = month.split('-').map(Number)
  const last = new Date(Date.UTC(year, number, 0)).getUTCDate()
  const known = new Map(days.map((one) => [one.day, one]))
  return Array.from({ length: last }, (_, at) => {
    const day = `${month}-${String(at + 1).padStart(2, '0')}`
    return known.get(day) ?? { day, requests: 0, units: {}, tokens_in: 0, tokens_out: 0, cost_nano_usd: 0 }
  })
}

export function unitsIn({ days, totals }: UsageMonth): string[] {
  return [...new Set([...Object.keys(totals.units), ...days.flatMap(({ units }) => Object.keys(units))])].sort()
}

function cell(value: string | number): string {
  const text = String(value)
  // What begins like a formula is run by spreadsheets.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe
}

// Begins with a byte-order mark, without which Excel takes Japanese for something else; sums are exact, not rounded.
export function toCsv(month: UsageMonth, heads: readonly string[]): string {
  const units = unitsIn(month)
  const rows = everyDay(month).map((one) => [
    one.day,
    one.requests,
    ...units.map((unit) => one.units[unit] ?? 0),
    one.tokens_in,
    one.tokens_out,
    dollars(one.cost_nano_usd),
  ])
  return `\ufeff${[heads, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`
}

// Billionths as a decimal, digit by digit: a quotient would round.
export function dollars(nano: number): string {
  const digits = String(Math.abs(nano)).padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return `${nano < 0 ? '-' : ''}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`
}

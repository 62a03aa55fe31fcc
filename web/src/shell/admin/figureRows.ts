import type { HouseFigures, PeriodFigures, Revenue } from '../../api/admin'
import { monthsFrom } from './months'

// One line of the table: a day or a month of one storefront, or of all of them.
export interface FigureRow {
  period: string
  sign_ups: number
  sign_ins: number
  requests: number
  // Of those that ended and were not cancelled.
  success: number | null
  tokens_in: number
  tokens_out: number
  cost_nano_usd: number
  revenue: Revenue[]
}

// People sign up at the house, not at a storefront: these two are the same whichever storefront is looked at.
export function rowOf(of: PeriodFigures, storefront: string): FigureRow {
  const meant = of.storefronts.filter((one) => storefront === '' || one.storefront === storefront)
  const sum = (figure: 'requests' | 'completed' | 'failed' | 'tokens_in' | 'tokens_out' | 'cost_nano_usd') =>
    meant.reduce((all, one) => all + one[figure], 0)
  const judged = sum('completed') + sum('failed')
  const revenue = new Map<string, Revenue>()
  for (const { currency, paid, refunded, net } of meant.flatMap((one) => one.revenue)) {
    const before = revenue.get(currency) ?? { currency, paid: 0, refunded: 0, net: 0 }
    revenue.set(currency, {
      currency,
      paid: before.paid + paid,
      refunded: before.refunded + refunded,
      net: before.net + net,
    })
  }
  return {
    period: of.period,
    sign_ups: of.sign_ups,
    sign_ins: of.sign_ins,
    requests: sum('requests'),
    success: judged === 0 ? null : sum('completed') / judged,
    tokens_in: sum('tokens_in'),
    tokens_out: sum('tokens_out'),
    cost_nano_usd: sum('cost_nano_usd'),
    revenue: [...revenue.values()],
  }
}

const counted = ['requests', 'completed', 'failed', 'cancelled', 'tokens_in', 'tokens_out', 'cost_nano_usd'] as const
const taken = ['paid', 'refunded', 'net'] as const

// Plain names and plain figures, the same in every language: this file is for other programs. Who came stands in a line without
// a storefront; money stands in its currency's smallest unit, each currency in columns of its own.
export function figuresCsv({ items, total }: HouseFigures): [string[], (string | number)[][]] {
  const currencies = [
    ...new Set(total.storefronts.flatMap((one) => one.revenue.map(({ currency }) => currency))),
  ].sort()
  const money = currencies.flatMap((currency) => taken.map((what) => ({ currency, what })))
  const head = ['period', 'storefront', 'sign_ups', 'sign_ins', ...counted]
  const lines = items.flatMap(({ period, sign_ups, sign_ins, storefronts }) => [
    [period, '', sign_ups, sign_ins, ...counted.map(() => ''), ...money.map(() => '')],
    ...storefronts.map((one) => [
      period,
      one.storefront || 'none',
      '',
      '',
      ...counted.map((name) => one[name]),
      ...money.map(({ currency, what }) => one.revenue.find((revenue) => revenue.currency === currency)?.[what] ?? 0),
    ]),
  ])
  return [[...head, ...money.map(({ currency, what }) => `${what}_${currency}`)], lines]
}

// The month or year before or behind.
export function spanBeside(of: string, by: number): string {
  return of.length === 4 ? String(Number(of) + by) : monthsFrom(of, by)
}

export function yearsToChoose(now: string, chosen: string): string[] {
  const year = Number(now.slice(0, 4))
  const years = [year, year - 1, year - 2].map(String)
  return chosen.length !== 4 || years.includes(chosen) ? years : [chosen, ...years].sort().reverse()
}

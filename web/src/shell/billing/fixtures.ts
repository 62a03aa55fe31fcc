import type { Order, PlanOffer, Receipt, Subscription, UsageMonth } from '../../api/billing'
import type { PlanView } from '../../api/types'

// What a house at work would answer. Only tests import this.
export const at = '2026-11-20T03:00:00Z'

export const free: PlanOffer = {
  id: 'free',
  version: 1,
  title: { ja: '無料会員', en: 'Member' },
  price_yen: 0,
  limits: { per_minute: 10, concurrent: 1 },
  grants: [{ unit: 'misaki.chat', amount: 30, every: 'day' }],
  features: { embed: false },
  highlights: [],
}
export const paid: PlanOffer = {
  id: 'paid',
  version: 2,
  title: { ja: 'なじみ', en: 'Regular' },
  price_yen: 980,
  limits: { per_minute: 20, concurrent: 2 },
  grants: [{ unit: 'misaki.chat', amount: 1000, every: 'month' }],
  features: { embed: true, sites: 3 },
  highlights: [{ ja: 'ゆっくり話せます', en: 'Talk at ease' }],
}
export const vip: PlanOffer = {
  id: 'vip',
  version: 1,
  title: { ja: 'VIP', en: 'VIP' },
  price_yen: 2980,
  limits: { per_minute: 30, concurrent: 3 },
  grants: [{ unit: 'misaki.chat', amount: 3000, every: 'month' }],
  features: {},
  highlights: [],
}

export function planView(offer: PlanOffer, more: Partial<PlanView> = {}): PlanView {
  const { id, version, title, price_yen } = offer
  return {
    storefront: 'misaki',
    plan: { id, version, title, price_yen },
    status: 'active',
    expires_at: price_yen > 0 ? '2026-12-20T03:00:00Z' : null,
    limits: offer.limits,
    features: offer.features,
    quotas: offer.grants.map(({ unit, amount, every }) => ({
      unit,
      granted: amount,
      available: amount - 2,
      held: 0,
      used: 2,
      every,
      resets_at: at,
    })),
    inference: { url: 'http://inference.test', token: 't', expires_at: '2999-01-01T00:00:00Z' },
    ...more,
  }
}

export function subscription(offer: PlanOffer, more: Partial<Subscription> = {}): Subscription {
  return {
    id: 'sub_1',
    storefront: 'misaki',
    plan: offer.id,
    title: offer.title,
    status: 'active',
    period_end: '2026-12-20T03:00:00Z',
    cancel_at: null,
    changes_to: null,
    created_at: at,
    ...more,
  }
}

export function order(offer: PlanOffer, more: Partial<Order> = {}): Order {
  const { id, version, title, price_yen } = offer
  return {
    id: 'ord_1',
    storefront: 'misaki',
    plan: { id, version, title, price_yen },
    current: null,
    subscription: null,
    kind: 'new',
    items: (['quantity', 'price', 'payment', 'delivery', 'period', 'cancellation'] as const).map((key) => ({
      key,
      title: { ja: `項目${key}`, en: `Item ${key}` },
      text: { ja: `${key}の説明です。`, en: `About ${key}.` },
    })),
    total_yen: price_yen,
    tax_yen: Math.floor((price_yen * 10) / 110),
    due_now_yen: price_yen,
    next_charge_at: '2026-12-20T03:00:00Z',
    next_charge_yen: price_yen,
    proration: null,
    expires_at: '2026-11-20T04:00:00Z',
    ...more,
  }
}

export const receipt: Receipt = {
  id: 'rcp_1',
  number: 'R-2026-000001',
  invoice: 'in_1',
  at,
  storefront: 'misaki',
  plan_title: paid.title,
  total_yen: 980,
  refunded_yen: 0,
  status: 'paid',
  issuer: { name: '暖簾商店', registration_number: 'T1234567890123', address: '東京都千代田区1-1' },
  customer_name: 'あおい',
  lines: [
    {
      title: { ja: 'なじみ（1か月）', en: 'Regular (one month)' },
      amount_yen: 980,
      rate_percent: 10,
      proration: false,
      period_start: at,
      period_end: '2026-12-20T03:00:00Z',
    },
  ],
  tax: [{ rate_percent: 10, base_yen: 891, tax_yen: 89 }],
  hosted_invoice_url: null,
}

export const november: UsageMonth = {
  month: '2026-11',
  zone: 'Asia/Tokyo',
  days: [
    {
      day: '2026-11-03',
      requests: 2,
      units: { 'misaki.chat': 2 },
      tokens_in: 100,
      tokens_out: 300,
      cost_nano_usd: 1_500_000,
    },
    {
      day: '2026-11-20',
      requests: 5,
      units: { 'misaki.chat': 5 },
      tokens_in: 250,
      tokens_out: 750,
      cost_nano_usd: 4_000_000,
    },
  ],
  totals: { requests: 7, units: { 'misaki.chat': 7 }, tokens_in: 350, tokens_out: 1050, cost_nano_usd: 5_500_000 },
}

// The billing part of the stand-in house: plans, orders, a payment page with buttons for what may happen, subscriptions,
// receipts and the lots behind a balance.
import { genaiOffers } from './mock-genai.mjs'

const day = 86_400_000
const later = (days) => new Date(Date.now() + days * day).toISOString()
const two = (ja, en) => ({ ja, en })

const limits = (per_minute, concurrent) => ({ per_minute, concurrent })
const chats = (amount, every) => [{ unit: 'misaki.chat', amount, every }]
export const offers = [
  {
    id: 'free',
    version: 1,
    title: two('無料会員', 'Member'),
    price_yen: 0,
    limits: limits(10, 1),
    grants: chats(30, 'day'),
    features: {},
    highlights: [two('ふらっと寄って、ひと言ふた言', 'Drop in for a word or two')],
  },
  {
    id: 'paid',
    version: 1,
    title: two('なじみ', 'Regular'),
    price_yen: 980,
    limits: limits(20, 2),
    grants: chats(1000, 'month'),
    features: { async_jobs: true },
    highlights: [two('ママがあなたの話を覚えています', 'She remembers what you told her')],
  },
  {
    id: 'vip',
    version: 1,
    title: two('VIP', 'VIP'),
    price_yen: 2980,
    limits: limits(30, 3),
    grants: chats(3000, 'month'),
    features: { async_jobs: true, sites: 3 },
    highlights: [
      two('いちばん奥の席で、いちばん賢いモデルと', 'The best seat, the best model'),
      two('混んでいるときも、先にお返事します', 'Answered first when it is busy'),
    ],
  },
]
const offer = (id) => offers.find((one) => one.id === id) ?? offers[0]

function billingOf(state) {
  state.billing ??= {
    plan: state.as === 'paid' || state.as === 'vip' ? state.as : 'free',
    status: 'active',
    cancel_at: null,
    orders: new Map(),
    receipts: state.as === 'paid' ? [receipt(state, offer('paid'), 1), receipt(state, offer('paid'), 0, 980)] : [],
  }
  return state.billing
}

function receipt(state, plan, number, refunded_yen = 0) {
  return {
    id: `rcp_${number}`,
    number: `NR-2026-${String(number).padStart(6, '0')}`,
    at: new Date().toISOString(),
    storefront: 'misaki',
    plan_title: plan.title,
    total_yen: plan.price_yen,
    refunded_yen,
    status: refunded_yen === 0 ? 'paid' : 'refunded',
    issuer: {
      name: 'のれん商店株式会社',
      registration_number: 'T1234567890123',
      address: '東京都千代田区千代田1-1 のれんビル3階',
    },
    customer_name: state.user?.display_name ?? '',
    lines: [
      {
        title: two(`${plan.title.ja}（1か月）`, `${plan.title.en}, one month`),
        amount_yen: plan.price_yen,
        rate_percent: 10,
      },
    ],
    tax: [
      {
        rate_percent: 10,
        base_yen: plan.price_yen - Math.floor((plan.price_yen * 10) / 110),
        tax_yen: Math.floor((plan.price_yen * 10) / 110),
      },
    ],
    hosted_invoice_url: null,
  }
}

export function planPart(state) {
  const billing = billingOf(state)
  const plan = offer(state.as === 'guest' ? 'free' : billing.plan)
  return {
    plan: { id: plan.id, version: plan.version, title: plan.title, price_yen: plan.price_yen },
    status: billing.cancel_at ? 'canceled' : billing.status,
    expires_at: billing.status === 'grace' ? later(7) : plan.price_yen > 0 ? later(30) : null,
    limits: plan.limits,
  }
}

function orderOf(billing, plan, id) {
  const now = offer(billing.plan)
  const kind =
    now.price_yen === 0
      ? 'new'
      : now.id === plan.id
        ? 'resume'
        : plan.price_yen > now.price_yen
          ? 'upgrade'
          : 'downgrade'
  const credit_yen = Math.round(now.price_yen / 2)
  const charge_yen = Math.round(plan.price_yen / 2)
  const due = { new: plan.price_yen, upgrade: charge_yen - credit_yen, downgrade: 0, resume: 0 }[kind]
  const { id: name, version, title, price_yen } = plan
  return {
    id,
    storefront: 'misaki',
    plan: { id: name, version, title, price_yen },
    current: now.price_yen === 0 ? null : { id: now.id, version: 1, title: now.title, price_yen: now.price_yen },
    subscription: kind === 'new' ? null : 'sub_1',
    kind,
    items: [
      [
        'quantity',
        two('分量', 'What you get'),
        two('1か月に1,000回までの会話。毎月あらたに使えます。', 'Up to 1,000 messages each month.'),
      ],
      [
        'price',
        two('販売価格', 'Price'),
        two(
          `月額 ${price_yen}円（税込み）。ほかに費用はかかりません。`,
          `¥${price_yen} a month, tax included. Nothing else is charged.`,
        ),
      ],
      [
        'payment',
        two('支払いの時期と方法', 'When and how you pay'),
        two(
          '申し込みのときと、以後は毎月同じ日に、クレジットカードで自動でお支払いいただきます。',
          'By card at once, and on the same day of each month.',
        ),
      ],
      [
        'delivery',
        two('引き渡しの時期', 'When it starts'),
        two('お支払いが済むと、すぐに使えます。', 'As soon as the payment is done.'),
      ],
      ['period', two('申し込みの期間', 'Time limit of the offer'), two('ありません。', 'None.')],
      [
        'cancellation',
        two('撤回・解除', 'Withdrawal and cancellation'),
        two(
          'いつでも解約できます。支払った期間の終わりまで使え、日割りの返金はありません。',
          'Cancel at any time. It works until the paid period ends; there is no refund by the day.',
        ),
      ],
    ].map(([key, title, text]) => ({ key, title, text })),
    total_yen: price_yen,
    tax_yen: Math.floor((price_yen * 10) / 110),
    due_now_yen: due,
    next_charge_at: later(30),
    next_charge_yen: price_yen,
    proration: kind === 'upgrade' ? { credit_yen, charge_yen, at: new Date().toISOString() } : null,
    expires_at: later(1),
  }
}

// Word of a payment comes a moment after the visitor does, as it does in life.
function settle(state, plan) {
  setTimeout(() => {
    const billing = billingOf(state)
    billing.plan = plan.id
    billing.status = 'active'
    billing.cancel_at = null
    billing.receipts.unshift(receipt(state, plan, 100 + billing.receipts.length))
  }, 900)
}

const sheet = (title, buttons) =>
  `<!doctype html><html lang="ja"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>` +
  `<h1>${title}</h1>${buttons.map(([to, text]) => `<p><a href="${to}">${text}</a></p>`).join('')}</html>`

function usageDays(month) {
  const [year, number] = month.split('-').map(Number)
  const last = new Date(Date.UTC(year, number, 0)).getUTCDate()
  const days = Array.from({ length: last }, (_, at) => {
    const requests = (at * 7) % 23
    return {
      day: `${month}-${String(at + 1).padStart(2, '0')}`,
      requests,
      units: { 'misaki.chat': requests },
      tokens_in: requests * 120,
      tokens_out: requests * 340,
      cost_nano_usd: requests * 210_000,
    }
  }).filter(({ requests }) => requests > 0)
  const sum = (key) => days.reduce((all, one) => all + one[key], 0)
  const requests = sum('requests')
  return {
    month,
    zone: 'Asia/Tokyo',
    days,
    totals: {
      requests,
      units: { 'misaki.chat': requests },
      tokens_in: sum('tokens_in'),
      tokens_out: sum('tokens_out'),
      cost_nano_usd: sum('cost_nano_usd'),
    },
  }
}

// Says false when the path is not one of billing's.
export async function answerBilling({ at, path, url, state, json, problem, html, move, bodyOf, id }) {
  if (at === 'GET /billing/plans') {
    const storefront = url.searchParams.get('storefront')
    return json({ items: storefront === 'misaki' ? offers : storefront === 'genai' ? genaiOffers : [] })
  }
  const outside = /^\/paying\/(\w+)\/?(\w*)$/.exec(path)
  if (!/^\/(billing|rate-limit)/.test(path) && !outside) return false
  if (/^\/billing\/(confirm|result)/.test(path)) return false
  if (!state) return problem(401, 'unauthenticated')
  const billing = billingOf(state)
  if (outside) {
    const [, order, act] = outside
    if (order === 'portal') {
      if (act === 'break') billing.status = 'grace'
      if (act === 'mend') billing.status = 'active'
      return html(
        sheet('契約の管理', [
          ['/paying/portal/break', 'カードを使えなくする'],
          ['/paying/portal/mend', 'カードを更新する'],
          ['/account/plan', '戻る'],
        ]),
      )
    }
    const { plan } = billing.orders.get(order) ?? {}
    if (!plan) return problem(404, 'not_found')
    const back = (outcome) => `/billing/result?outcome=${outcome}&storefront=misaki&plan=${plan.id}`
    if (act === 'pay') {
      settle(state, offer(plan.id))
      return move(back('success'))
    }
    if (act === 'decline') return html(sheet('カードが断られました', [[`/paying/${order}/pay`, '別のカードで支払う']]))
    return html(
      sheet('お支払い', [
        [`/paying/${order}/pay`, '支払う'],
        [`/paying/${order}/decline`, 'カードが断られる'],
        [back('cancel'), 'やめる'],
      ]),
    )
  }
  if (at === 'GET /billing/subscriptions') {
    if (billing.plan === 'free') return json({ items: [] })
    return json({
      items: [
        {
          id: 'sub_1',
          storefront: 'misaki',
          plan: billing.plan,
          title: offer(billing.plan).title,
          status: billing.cancel_at ? 'canceled' : billing.status,
          period_end: later(30),
          cancel_at: billing.cancel_at,
          changes_to: billing.changes_to ?? null,
          created_at: new Date().toISOString(),
        },
      ],
    })
  }
  if (at === 'POST /billing/orders') {
    const { plan } = await bodyOf()
    const order = orderOf(billing, offer(plan), id('ord'))
    billing.orders.set(order.id, order)
    return json(order, 201)
  }
  if (at === 'POST /billing/checkout-session') {
    const { order } = await bodyOf()
    return json({ url: `/paying/${order}` }, 201)
  }
  if (at === 'POST /billing/portal-session') return json({ url: '/paying/portal' }, 201)
  if (at === 'POST /billing/subscriptions/sub_1/cancel') {
    billing.cancel_at = later(30)
    return json({})
  }
  if (at === 'POST /billing/subscriptions/sub_1/resume') {
    billing.cancel_at = null
    return json({})
  }
  if (at === 'POST /billing/subscriptions/sub_1/change') {
    const { order } = await bodyOf()
    const found = billing.orders.get(order)
    if (found.kind === 'upgrade') settle(state, offer(found.plan.id))
    if (found.kind === 'downgrade') billing.changes_to = { plan: found.plan.id, title: found.plan.title, at: later(30) }
    if (found.kind === 'resume') Object.assign(billing, { changes_to: null, cancel_at: null })
    return json({})
  }
  if (path === '/billing/usage/days') return json(usageDays(url.searchParams.get('month')))
  if (path === '/billing/receipts') return json({ items: billing.receipts, next_cursor: null })
  const one = /^\/billing\/receipts\/(\w+)$/.exec(path)?.[1]
  if (one) {
    const found = billing.receipts.find(({ id: known }) => known === one)
    return found ? json(found) : problem(404, 'not_found')
  }
  if (path === '/billing/ledger/misaki.chat/lots') {
    const granted = offer(billing.plan).grants[0].amount
    return json({
      items: [
        {
          id: 'lot_1',
          source: 'paid',
          granted,
          used: 12,
          held: 1,
          expired: 0,
          left: granted - 13,
          reversed: 0,
          reason: `misaki/${billing.plan}`,
          reference: 'in_1QabcdEFGHijklMNOPqrstUV',
          expires_at: later(30),
          granted_at: new Date().toISOString(),
        },
      ],
      next_cursor: null,
    })
  }
  if (/^\/billing\/ledger\/[\w.]+\/lots$/.test(path)) return json({ items: [], next_cursor: null })
  if (path === '/billing/ledger/misaki.chat/movements') {
    return json({
      items: [
        {
          transfer_id: 'xfr_2',
          kind: 'settle',
          amount: 0,
          held: -12,
          used: 12,
          balance_after: 987,
          reference: 'run_00000000000000000000000000000007',
          at: new Date().toISOString(),
        },
        {
          transfer_id: 'xfr_1',
          kind: 'grant',
          amount: 1000,
          held: 0,
          used: 0,
          balance_after: 1000,
          reference: 'misaki/paid in_1QabcdEFGHijklMNOPqrstUV',
          at: new Date().toISOString(),
        },
      ],
      next_cursor: null,
    })
  }
  if (path === '/rate-limit') {
    const { per_minute, concurrent } = offer(billing.plan).limits
    return json({
      storefront: 'misaki',
      policies: [
        {
          name: 'per_minute',
          quota: per_minute,
          window_secs: 60,
          remaining: per_minute - 3,
          reset_secs: 41,
          unit: null,
        },
        {
          name: 'concurrent',
          quota: concurrent,
          window_secs: null,
          remaining: concurrent,
          reset_secs: null,
          unit: null,
        },
      ],
    })
  }
  return false
}

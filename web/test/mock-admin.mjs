// The operators' part of the stand-in house, and webhooks. Enough of everything for a picture; what is pressed takes effect.
const hour = 3_600_000
const ago = (hours) => new Date(Date.now() - hours * hour).toISOString()
const ahead = (hours) => new Date(Date.now() + hours * hour).toISOString()

const terms = (price_yen, chats, perMinute) => ({
  price_yen,
  limits: { per_minute: perMinute, concurrent: 2 },
  grants: [{ unit: 'misaki.chat', amount: chats, every: 'month' }],
  routes: { 'misaki.chat': 'misaki-medium' },
})
const plans = [
  ['free', 1, '無料会員', 'Member', terms(0, 30, 10), 900, 1204],
  ['paid', 1, 'なじみ', 'Regular', terms(980, 1000, 20), 900, 31],
  ['paid', 2, 'なじみ', 'Regular', terms(1280, 1500, 20), 50, 7],
].map(([plan, version, ja, en, rest, hours, customers]) => ({
  storefront: 'misaki',
  plan,
  version,
  title: { ja, en },
  stripe_price: null,
  features: {},
  ...rest,
  created_at: ago(hours),
  customers,
}))
const pulse = (calls, failed, p50, p95, trouble = null) => ({
  calls,
  failed,
  first_word_p50_ms: p50,
  first_word_p95_ms: p95,
  rests: failed > calls / 4,
  trouble,
  trouble_at: trouble && ago(0.2),
})
const priced = (from, input, output, holds) => ({
  from,
  input_nano_usd: input,
  output_nano_usd: output,
  cached_nano_usd: input / 2,
  written_nano_usd: input * 1.25,
  long: {
    over: 272_000,
    input_nano_usd: input * 2,
    cached_nano_usd: input,
    written_nano_usd: input * 2.5,
    output_nano_usd: input * 9,
  },
  holds,
})
const target = (provider, model, rank, weight, seen, available = true) => ({
  provider,
  model,
  rank,
  weight,
  concurrent: provider === 'runpod' ? 4 : null,
  prices: provider === 'bedrock' ? [priced('2025-01-01', 260_000, 1_300_000, true)] : [],
  available,
  pulse: seen,
})
const deskModel = (name, targets, prices, rest = {}) => ({
  name,
  kind: 'chat',
  alias_of: null,
  targets,
  prices,
  choose: 'weight',
  after_break: 'end',
  canary: null,
  shadow: null,
  found: null,
  ...rest,
})
const haiku = target('anthropic', 'claude-3-haiku-20240307', 0, 1, pulse(1204, 9, 500, 2_000, 'upstream_busy'))
const bedrock = target(
  'bedrock',
  'anthropic.claude-3-haiku-20240307-v1:0',
  1,
  1,
  pulse(31, 14, 1_500, 8_000, 'upstream_denied'),
)
const phi = target('runpod', 'phi-3-mini-2026-10', 0, 3, pulse(8_412, 20, 300, 1_000, 'upstream_stalled'))
const modelDesk = {
  version: 12,
  models: [
    deskModel('misaki-small', [phi], [priced('2026-01-01', 40_000, 80_000, true)], {
      alias_of: 'phi-3-mini',
      canary: { model: 'phi-3-mini-next', percent: 20 },
      shadow: { model: 'phi-3-mini-next', percent: 5 },
      found: { answered: 1_512, failed: 3, left_out: 20, agreement_percent: 71, tokens: 212_400 },
    }),
    deskModel(
      'claude-3-haiku',
      [haiku, bedrock],
      [priced('2030-01-01', 200_000, 900_000, false), priced('2025-01-01', 250_000, 1_250_000, true)],
      { choose: 'cheap', after_break: 'continue' },
    ),
    deskModel('gpt-4o', [target('openai', 'gpt-4o', 0, 1, null, false)], [priced('2025-01-01', 2_500_000, 1e7, true)]),
  ],
  providers: [
    { provider: 'anthropic', pulse: haiku.pulse },
    { provider: 'bedrock', pulse: bedrock.pulse },
    { provider: 'runpod', pulse: phi.pulse },
  ],
}
const modelVersions = [
  { version: 12, models: 3, note: '← 10', applied_by: 'usr_0199f3a07d7c7b6a', applied_at: ago(2) },
  { version: 11, models: 3, note: 'misaki-small: 50 %', applied_by: 'operator', applied_at: ago(3) },
  { version: 0, models: 17, note: null, applied_by: null, applied_at: null },
]
const modelText = `# 当店のモデル
[[model]]
name = "misaki-small"
alias_of = "phi-3-mini"
canary = { model = "phi-3-mini-next", percent = 20 }
shadow = { model = "phi-3-mini-next", percent = 5 }
`
const modelsDiff = {
  version: 12,
  changes: [
    {
      model: 'misaki-small',
      kind: 'changed',
      fields: [
        {
          field: 'canary',
          before: '{ model = "phi-3-mini-next", percent = 20 }',
          after: '{ model = "phi-3-mini-next", percent = 50 }',
        },
      ],
    },
  ],
  lost: ['claude-3-opus'],
  not_passed: [],
}
const tenants = [
  {
    id: 'tnt_0f3a',
    kind: 'person',
    name: '',
    email: 'a.rather.long.address@example-company.co.jp',
    plans: {},
    created_at: ago(3),
  },
  {
    id: 'tnt_77b1',
    kind: 'team',
    name: 'とても長い名前のついた開発チームの東京分室',
    email: 'hanako@example.jp',
    plans: {
      genai: { plan: 'pro', version: 1, status: 'active' },
      misaki: { plan: 'paid', version: 2, status: 'grace' },
    },
    created_at: ago(400),
  },
  {
    id: 'tnt_c20e',
    kind: 'family',
    name: '高橋家',
    email: null,
    plans: { misaki: { plan: 'vip', version: 1, status: 'canceled' } },
    created_at: ago(2000),
  },
]
const balances = [
  { unit: 'misaki.chat', available: 912, held: 2, used: 586, expired: 0 },
  { unit: 'genai.chat', available: 40, held: 0, used: 60, expired: 12 },
]
const lots = [
  ['lot_5d1c90ab7e', 'paid', 1500, 586, 2, 912, 'invoice', 'in_1QxYzAbCdEf', ahead(600)],
  ['lot_90be11', 'free', 100, 60, 0, 40, 'plan', null, null],
].map(([lot, source, granted, used, held, left, reason, reference, expires_at]) => ({
  id: lot,
  source,
  granted,
  used,
  held,
  expired: 0,
  reversed: 0,
  left,
  reason,
  reference,
  granted_at: ago(120),
  expires_at,
}))
const subscriptions = tenants.slice(1).map(({ id, plans }, n) => ({
  id: `sub_1QxYzAbCdEfGhIjKlMn${n}`,
  tenant: id,
  storefront: Object.keys(plans)[0],
  plan: Object.values(plans)[0].plan,
  status: n === 0 ? 'past_due' : 'active',
  period_end: ahead(300 + n),
  cancel_at: n === 1 ? ahead(301) : null,
  created_at: ago(500),
}))
const events = Array.from({ length: 60 }, (_, n) => ({
  id: `evt_1QxYzAbCdEfGhIjKl${n}`,
  type: ['invoice.paid', 'customer.subscription.updated', 'invoice.payment_failed', 'charge.refunded'][n % 4],
  state: n === 1 ? 'dead' : n % 7 === 3 ? 'ignored' : 'done',
  attempts: n === 1 ? 12 : 1,
  received_at: ago(n / 2),
  last_error: n === 1 ? 'No such customer: cus_QxYz; request req_Gh81 (after 12 attempts over three days)' : null,
}))
const jobs = [
  ['mail.send', 'dead', 8, 'the mail server hung up: 421 4.7.0 Temporary System Problem. Try again later'],
  ['billing.event', 'running', 1, null],
  ['hooks.deliver', 'failed', 3, 'https://hooks.example-company.co.jp/in/noren answered 503'],
  ['ledger.expire', 'scheduled', 0, null],
  ['mail.send', 'ready', 0, null],
].map(([kind, state, attempt, last_error], n) => ({
  id: `job_${n}c41d7e`,
  kind,
  state,
  attempt,
  max_attempts: 8,
  run_at: state === 'scheduled' ? ahead(5) : ago(n),
  lease_until: state === 'running' ? ahead(0.01) : null,
  progress: state === 'running' ? 40 : null,
  last_error,
  dedupe_key: n === 0 ? 'letter/ltr_01J9' : null,
  created_at: ago(n + 1),
}))
const statistics = [
  { kind: 'mail.send', ready: 1, running: 0, dead: 1, oldest_ready_seconds: 4200 },
  { kind: 'billing.event', ready: 0, running: 1, dead: 0, oldest_ready_seconds: null },
  { kind: 'hooks.deliver', ready: 12, running: 2, dead: 0, oldest_ready_seconds: 18 },
]
const crons = [
  ['house.verify_books', '30 3 * * *'],
  ['billing.reconcile', '30 3 * * *'],
  ['usage.month', '10 0 1 * *'],
].map(([name, schedule], n) => ({
  name,
  schedule,
  zone: 'Asia/Tokyo',
  catch_up: n < 2 ? 'run_once' : 'skip',
  last_run_at: n === 2 ? null : ago(12 + n),
  next_run_at: ahead(12 - n),
}))
const usage = tenants.slice(1).flatMap(({ id, name }, n) =>
  ['misaki.chat', 'genai.chat'].map((unit) => ({
    tenant_id: id,
    tenant_name: name,
    storefront: unit.split('.')[0],
    unit,
    amount: 586 * (n + 1),
    requests: 590 * (n + 1),
    tokens_in: 1_204_332 * (n + 1),
    tokens_out: 380_120,
    cost_nano_usd: 912_334_000 * (n + 1),
  })),
)

const types = [
  { name: 'quota.threshold', text: { ja: '枠が残り少なくなった', en: 'Quota is running low' } },
  { name: 'subscription.changed', text: { ja: '契約が変わった', en: 'Subscription changed' } },
  { name: 'payment.failed', text: { ja: 'お支払いができなかった', en: 'Payment failed' } },
]
const deliveries = [
  {
    id: 'dlv_1',
    url: null,
    event_type: 'quota.threshold',
    event: 'evt_7d01b2',
    state: 'delivered',
    attempts: [{ number: 1, at: ago(1), status: 204, milliseconds: 83, error: null, answer: '' }],
    created_at: ago(1),
  },
  {
    id: 'dlv_2',
    url: null,
    event_type: 'subscription.changed',
    event: 'evt_11c9aa',
    state: 'dead',
    attempts: [
      { number: 1, at: ago(30), status: 503, milliseconds: 410, error: null, answer: 'Service Unavailable' },
      { number: 2, at: ago(20), status: null, milliseconds: 10_000, error: 'no answer within 10 s', answer: null },
    ],
    created_at: ago(30),
  },
]
// Whose address says that they run the house.
export const operators = [/^operator@/]
export const isOperator = (state) => operators.some((rule) => rule.test(state?.user?.email ?? ''))

const shareOf = (storefront, n) => ({
  storefront,
  requests: 4210 * n,
  completed: 4102 * n,
  failed: 61 * n,
  cancelled: 47 * n,
  tokens_in: 1_284_003 * n,
  tokens_out: 2_904_118 * n,
  cost_nano_usd: 4_120_300_000 * n,
  revenue: [
    { currency: 'jpy', paid: 98_000 * n, refunded: 980, net: 98_000 * n - 980 },
    ...(storefront === 'genai' ? [{ currency: 'usd', paid: 120_000, refunded: 0, net: 120_000 }] : []),
  ],
})
const spanOf = (period, n) => ({
  period,
  sign_ups: 31 * n,
  sign_ins: 412 * n,
  storefronts: ['genai', 'misaki'].map((storefront) => shareOf(storefront, n)),
})
const figuresOf = (of) => ({
  zone: 'Asia/Tokyo',
  total: spanOf(of, 6),
  items: [1, 2, 3].map((n) => spanOf(`${of}-${String(n + 8).padStart(2, '0')}`, n)),
})

const hooksOf = new WeakMap()
const hook = (more) => ({
  event_types: [],
  description: '',
  enabled: true,
  off_reason: null,
  failing_since: null,
  old_secret_until: null,
  created_at: ago(90),
  ...more,
})

function hooksFor(state) {
  if (!hooksOf.has(state)) {
    const rich = state.as === 'operator'
    hooksOf.set(
      state,
      rich
        ? [
            hook({ id: 'hook_1', url: 'https://hooks.example-company.co.jp/in/a/rather/long/path/noren' }),
            hook({
              id: 'hook_2',
              url: 'https://example.jp/hooks',
              event_types: ['quota.threshold', 'payment.failed'],
              enabled: false,
              off_reason: 'failing',
            }),
          ]
        : [],
    )
  }
  return hooksOf.get(state)
}

// Answers what is an operator's or a webhook's; `false` for everything else.
export async function answerAdmin({ at, path, url, state, json, problem, empty, bodyOf, page }) {
  if (at === 'GET /ready') return json({ ready: true })
  if (path.startsWith('/hooks')) {
    if (!state) return problem(401, 'unauthenticated')
    const all = hooksFor(state)
    const [, , name, rest] = path.split('/')
    const one = all.find(({ id }) => id === name)
    if (at === 'GET /hooks') return json({ items: all })
    if (at === 'GET /hooks/event-types') return json({ items: types })
    if (at === 'POST /hooks') {
      const made = hook({ id: `hook_${all.length + 1}`, created_at: ago(0), ...(await bodyOf()) })
      all.push(made)
      return json({ hook: made, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }, 201)
    }
    if (name === 'deliveries' || rest === 'test') return json({}, 202)
    if (!one) return problem(404, 'not_found')
    if (rest === 'deliveries') return json(page(name === 'hook_1' ? deliveries : [], url))
    if (rest === 'secret')
      return json({ secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD', old_secret_until: ahead(24) })
    if (at.startsWith('PATCH')) return json(Object.assign(one, await bodyOf()))
    if (at.startsWith('DELETE')) {
      all.splice(all.indexOf(one), 1)
      return empty()
    }
  }
  if (!path.startsWith('/admin/') || path.startsWith('/admin/desk/')) return false
  if (!isOperator(state)) return problem(403, 'forbidden')
  const want = (name) => url.searchParams.get(name)
  const like = (items, ...names) =>
    page(
      items.filter((item) => names.every((name) => !want(name) || item[name] === want(name))),
      url,
    )
  const answers = {
    'GET /admin/plans': () => ({ items: plans }),
    'GET /admin/tenants': () =>
      page(
        [...tenants, { ...tenants[0], id: state.tenant }].filter(({ id, name }) =>
          (name + id).includes(want('q') ?? ''),
        ),
        url,
      ),
    'GET /admin/billing/subscriptions': () => like(subscriptions, 'storefront', 'status'),
    'GET /admin/billing/events': () => like(events, 'state'),
    'POST /admin/billing/reconcile': () => ({
      events: 214,
      missed: ['evt_1QxYzMissed'],
      subscriptions: 38,
      repaired: [{ subscription: 'sub_1QxYz', before: 'active', after: 'canceled' }],
    }),
    'GET /admin/models': () => modelDesk,
    'GET /admin/models/versions': () => ({ items: modelVersions }),
    'GET /admin/models/versions/12': () => ({ version: 12, text: modelText }),
    'POST /admin/models/check': () => modelsDiff,
    'POST /admin/models/canary': () => modelVersions[0],
    'GET /admin/jobs': () => like(jobs, 'state', 'kind'),
    'GET /admin/jobs/statistics': () => ({ items: statistics }),
    'GET /admin/crons': () => ({ items: crons }),
    'GET /admin/figures': () => figuresOf(want('of')),
    'GET /admin/usage': () => page(want('month') < '2026-01' ? [] : usage, url),
  }
  if (answers[at]) return json(answers[at]())
  if (path.endsWith('/ledger')) return json({ items: balances })
  if (path.endsWith('/lots')) return json(page(lots, url))
  if (/\/(replay|retry)$/.test(path)) return json({}, 202)
  if (at.startsWith('DELETE /admin/jobs/')) return empty()
  return false
}

import { fireEvent, screen, waitFor, within } from '@testing-library/react'
import { describe, expect, test, vi } from 'vitest'
import type { Cron, HouseUsage, Job, JobStatistics, OneOffGrant, StripeEvent, TenantLine } from '../../api/admin'
import { at, json, me, openHouse, prepareHouse, press, problem } from '../testHouse'
import { amountOf, endOfDay } from './grantRules'

prepareHouse()

const operator = me({ permissions: ['usage.read', 'profile.manage', 'house.operate'] })
const page = <T,>(items: T[], next_cursor: string | null = null) =>
  json({ items, next_cursor, has_more: next_cursor !== null })

const statistics: JobStatistics[] = [
  { kind: 'mail.send', ready: 4, running: 1, dead: 2, oldest_ready_seconds: 600 },
  { kind: 'ledger.verify', ready: 0, running: 0, dead: 0, oldest_ready_seconds: null },
]
const cron: Cron = {
  name: 'ledger.verify',
  schedule: '0 4 * * *',
  zone: 'Asia/Tokyo',
  catch_up: 'run_once',
  last_run_at: '2026-11-19T19:00:00Z',
  next_run_at: '2026-11-20T19:00:00Z',
}
const job: Job = {
  id: 'job_1',
  kind: 'mail.send',
  state: 'dead',
  attempt: 8,
  max_attempts: 8,
  run_at: at,
  lease_until: null,
  progress: null,
  last_error: 'the mail server hung up',
  dedupe_key: 'letter/ltr_1',
  created_at: at,
}
const event: StripeEvent = {
  id: 'evt_1',
  type: 'invoice.paid',
  state: 'dead',
  attempts: 5,
  received_at: at,
  last_error: 'no such customer',
}
const tenant: TenantLine = {
  id: 'tnt_9',
  kind: 'family',
  name: '高橋家',
  email: null,
  plans: { misaki: { plan: 'paid', version: 2, status: 'grace' } },
  created_at: at,
}

const desk = {
  'GET /auth/me': () => json(operator),
  'GET /ready': () => json({ ready: true }),
  'GET /admin/jobs/statistics': () => json({ items: statistics }),
  'GET /admin/crons': () => json({ items: [cron] }),
  'GET /admin/billing/events': () => page([event]),
  'GET /admin/jobs': () => page([job]),
}

describe('who comes in', () => {
  test('nobody: is asked to sign in, and comes back here', async () => {
    const { calls } = openHouse('/admin/desk/jobs?state=dead', {})
    await screen.findByRole('heading', { level: 1, name: '運営の方は、サインインしてください' })
    const next = within(screen.getByRole('main')).getByRole('link', { name: 'サインイン' }).getAttribute('href')
    expect(decodeURIComponent(next ?? '')).toContain('/admin/desk/jobs?state=dead')
    expect(calls.filter((call) => call.includes('/admin/'))).toEqual([])
  })

  test('a customer: learns that the page is not theirs, and nothing is asked of the house', async () => {
    const { calls } = openHouse('/admin/desk/tenants', { 'GET /auth/me': () => json(me()) })
    await screen.findByRole('heading', { level: 1, name: 'このページは開けません' })
    expect(calls.filter((call) => call.includes('/admin/'))).toEqual([])
  })

  test('an operator: finds the way from the account area', async () => {
    openHouse('/account/profile', desk)
    expect((await screen.findByRole('link', { name: '運営' })).getAttribute('href')).toBe('/admin')
  })
})

describe('the overview', () => {
  test('says that the house is ready, what is dead, and when the books were checked', async () => {
    openHouse('/admin', desk)
    await screen.findByText('ご用を受けられます')
    const jobs = await screen.findByRole('link', { name: '止まった仕事' })
    expect(jobs.getAttribute('href')).toBe('/admin/desk/jobs?state=dead')
    expect(within(jobs.closest('li') as HTMLElement).getByText('2件')).toBeTruthy()
    expect(await screen.findByText(/11月.*に帳簿を合わせました/)).toBeTruthy()
    expect(screen.getByText('10分')).toBeTruthy()
  })

  test('says when the house is not ready', async () => {
    openHouse('/admin', { ...desk, 'GET /ready': () => problem(503, 'unavailable') })
    expect(await screen.findByText('いまは、ご用を受けられません')).toBeTruthy()
    expect(screen.queryByText('ご用を受けられます')).toBeNull()
  })

  test('says when the check of the books is dead', async () => {
    const items = statistics.map((line) => (line.kind === 'ledger.verify' ? { ...line, dead: 1 } : line))
    openHouse('/admin', { ...desk, 'GET /admin/jobs/statistics': () => json({ items }) })
    expect(await screen.findByText(/合わないところがあるか/)).toBeTruthy()
  })
})

describe('plans', () => {
  const version = (n: number, price_yen: number) => ({
    storefront: 'misaki',
    plan: 'paid',
    version: n,
    title: { ja: 'なじみ', en: 'Regular' },
    price_yen,
    limits: { per_minute: 20 },
    grants: [{ unit: 'misaki.chat', amount: 1000, every: 'month' }],
    routes: {},
    stripe_price: null,
    features: {},
    created_at: at,
    customers: n,
  })

  test('are listed with their customers, and two versions are compared', async () => {
    const { router } = openHouse('/admin/desk/plans', {
      ...desk,
      'GET /admin/plans': () => json({ items: [version(1, 980), version(2, 1280)] }),
    })
    expect(await screen.findByText('なじみ')).toBeTruthy()
    expect(screen.getByText('3人')).toBeTruthy()
    fireEvent.click(screen.getByRole('link', { name: 'misaki/paidの版をくらべる' }))
    const table = await screen.findByRole('region', { name: '版をくらべる' })
    expect(within(table).getByText('980')).toBeTruthy()
    expect(within(table).getByText('1280')).toBeTruthy()
    expect(within(table).queryByText('20')).toBeNull()
    fireEvent.click(screen.getByLabelText('変わらないものも見る'))
    expect(within(table).getAllByText('20')).toHaveLength(2)
    fireEvent.change(screen.getByLabelText('前の版'), { target: { value: '2' } })
    await waitFor(() => expect(router.state.location.search).toEqual({ plan: 'misaki/paid', from: 2, to: 2 }))
  })
})

describe('tenants', () => {
  test('are searched by way of the address, and their books opened', async () => {
    const asked: string[] = []
    const { router } = openHouse('/admin/desk/tenants', {
      ...desk,
      'GET /admin/tenants': (request) => {
        const query = new URL(request.url).searchParams
        asked.push(`${query.get('q')}/${query.get('cursor')}`)
        return query.get('cursor')
          ? page([{ ...tenant, id: 'tnt_10', name: '', email: 'b@example.jp' }])
          : page([tenant], 'more')
      },
      'GET /admin/tenants/tnt_9/grants': () => page([]),
      'GET /admin/tenants/tnt_9/caps': () => json({ items: [] }),
      'GET /admin/tenants/tnt_9/ledger': () =>
        json({ items: [{ unit: 'misaki.chat', available: 900, held: 1, used: 99, expired: 0 }] }),
      'GET /admin/tenants/tnt_9/ledger/misaki.chat/lots': () =>
        page([
          {
            id: 'lot_1',
            source: 'paid',
            granted: 1000,
            used: 99,
            held: 1,
            expired: 0,
            reversed: 0,
            left: 900,
            reason: 'invoice',
            reference: 'in_1',
            granted_at: at,
            expires_at: null,
          },
        ]),
    })
    expect(await screen.findByText('misaki/paid 2 · 猶予中')).toBeTruthy()
    press('つづきを見る')
    expect(await screen.findByText('b@example.jp')).toBeTruthy()
    fireEvent.change(screen.getByLabelText('番号・名前・アドレス'), { target: { value: ' 高橋 ' } })
    press('探す')
    await waitFor(() => expect(router.state.location.search).toEqual({ q: '高橋' }))
    await waitFor(() => expect(asked).toContain('高橋/null'))
    expect(asked).toContain('null/more')
    fireEvent.click(await screen.findByRole('link', { name: '高橋家' }))
    await screen.findByRole('heading', { level: 1, name: '高橋家の帳簿' })
    expect(await screen.findByText('900（1,000のうち）')).toBeTruthy()
    expect(screen.getByText('買った分')).toBeTruthy()
    expect(screen.getByText('期限なし')).toBeTruthy()
  })
})

describe('units beside a plan', () => {
  test('are given with a reason, and what is left is taken back', async () => {
    const sent: unknown[] = []
    const grant: OneOffGrant = {
      id: 'grt_1',
      tenant: 'tnt_9',
      unit: 'misaki.chat',
      amount: 1000,
      left: 900,
      held: 0,
      used: 100,
      reason: 'お詫び',
      given_by: 'usr_1',
      given_at: at,
      expires_at: null,
      revoked_at: null,
      revoked_by: null,
      revoked_reason: null,
    }
    let given: OneOffGrant[] = []
    openHouse('/admin/desk/tenants/tnt_9', {
      ...desk,
      'GET /admin/tenants': () => page([tenant]),
      'GET /admin/plans': () => json({ items: [] }),
      'GET /admin/tenants/tnt_9/ledger': () =>
        json({ items: [{ unit: 'misaki.chat', available: 0, held: 0, used: 0, expired: 0 }] }),
      'GET /admin/tenants/tnt_9/ledger/misaki.chat/lots': () => page([]),
      'GET /admin/tenants/tnt_9/grants': () => page(given),
      'GET /admin/tenants/tnt_9/caps': () => json({ items: [] }),
      'POST /admin/tenants/tnt_9/grants': async (request) => {
        sent.push(await request.json(), request.headers.get('idempotency-key')?.length)
        given = [grant]
        return json(grant, 201)
      },
      'POST /admin/tenants/tnt_9/grants/grt_1/revoke': async (request) => {
        sent.push(await request.json())
        given = [{ ...grant, left: 0, revoked_at: at, revoked_by: 'usr_1', revoked_reason: '人違い' }]
        return json(given[0])
      },
    })
    await screen.findByText('渡したものはありません。')
    press('渡す')
    press('渡す')
    expect((await screen.findAllByText('わけを書いてください')).length).toBeGreaterThan(0)
    expect(sent).toEqual([])
    fireEvent.change(screen.getByLabelText('数'), { target: { value: '１,０００' } })
    fireEvent.change(screen.getByLabelText('わけ'), { target: { value: ' お詫び ' } })
    press('渡す')
    expect(await screen.findByText('usr_1が渡しました', { exact: false })).toBeTruthy()
    expect(sent).toEqual([{ unit: 'misaki.chat', amount: 1000, reason: 'お詫び' }, 36])
    press('misaki.chat 1,000 の残りを取り消す')
    const dialog = within(await screen.findByRole('dialog'))
    fireEvent.change(dialog.getByLabelText('わけ'), { target: { value: '人違い' } })
    fireEvent.click(dialog.getByRole('button', { name: '残りを取り消す' }))
    expect(await screen.findByText('usr_1が取り消しました：人違い')).toBeTruthy()
    expect(sent.at(-1)).toEqual({ reason: '人違い' })
    expect(screen.queryByRole('button', { name: 'misaki.chat 1,000 の残りを取り消す' })).toBeNull()
  })

  test('are a whole number, and end with a day that there is', () => {
    expect(['１,０００', '1000000000'].map(amountOf)).toEqual([1000, 1_000_000_000])
    expect(['', '0', '-1', '1.5', '1000000001'].map(amountOf)).toEqual(Array(5).fill(Number.NaN))
    expect(endOfDay('2027-01-31')).toBe(new Date(2027, 0, 31, 23, 59, 59).toISOString())
    expect(endOfDay('soon')).toBeNull()
  })
})

describe('caps', () => {
  test('are set in dollars or numbers, shown with what is used, and taken away', async () => {
    const sent: unknown[] = []
    const cap = { unit: 'genai.cost', monthly: 1_500_000_000, used: 20_000_000, set_by: 'usr_1', set_at: at }
    let caps: object[] = []
    openHouse('/admin/desk/tenants/tnt_9', {
      ...desk,
      'GET /admin/tenants': () => page([tenant]),
      'GET /admin/tenants/tnt_9/ledger': () => json({ items: [] }),
      'GET /admin/tenants/tnt_9/grants': () => page([]),
      'GET /admin/tenants/tnt_9/caps': () => json({ items: caps }),
      'PUT /admin/tenants/tnt_9/caps/genai.cost': async (request) => {
        sent.push(await request.json())
        caps = [cap]
        return json(cap)
      },
      'DELETE /admin/tenants/tnt_9/caps/genai.cost': () => {
        caps = []
        return new Response(null, { status: 204 })
      },
    })
    await screen.findByText('上限はありません。')
    press('上限を決める')
    expect((await screen.findAllByText('金額を 1.50 のように入れてください')).length).toBeGreaterThan(0)
    fireEvent.change(screen.getByLabelText('1か月の上限（米ドル）'), { target: { value: '1.5' } })
    press('上限を決める')
    const remove = await screen.findByRole('button', { name: 'genai.costの上限をなくす' })
    expect(sent).toEqual([{ monthly: 1_500_000_000 }])
    fireEvent.click(remove)
    expect(await screen.findByText('上限はありません。')).toBeTruthy()
  })
})

describe('subscriptions', () => {
  test('are filtered in the address and lead to their tenant', async () => {
    const asked: string[] = []
    const { router } = openHouse('/admin/desk/subscriptions?status=past_due', {
      ...desk,
      'GET /admin/billing/subscriptions': (request) => {
        asked.push(new URL(request.url).search)
        return page([
          {
            id: 'sub_1',
            tenant: 'tnt_9',
            storefront: 'misaki',
            plan: 'paid',
            status: 'past_due',
            period_end: at,
            cancel_at: at,
            created_at: at,
          },
        ])
      },
    })
    expect(await screen.findByText(/に終わります$/)).toBeTruthy()
    expect(asked[0]).toContain('status=past_due')
    fireEvent.change(screen.getByLabelText('お店'), { target: { value: 'misaki' } })
    await waitFor(() => expect(router.state.location.search).toEqual({ status: 'past_due', storefront: 'misaki' }))
    const link = await screen.findByRole('link', { name: 'tnt_9' })
    expect(link.getAttribute('href')).toBe('/admin/desk/tenants/tnt_9')
  })
})

describe('events of Stripe', () => {
  test('that are dead are replayed, after a fresh proof when the house wants one', async () => {
    let proved = false
    let state: StripeEvent['state'] = 'dead'
    const { bodies } = openHouse('/admin/desk/events?state=dead', {
      ...desk,
      'GET /auth/factors': () => json({ password: true, totp: false, recovery_codes_left: 0, passkeys: [] }),
      'POST /auth/step-up': () => {
        proved = true
        return json(operator)
      },
      'GET /admin/billing/events': () => page([{ ...event, state }]),
      'POST /admin/billing/events/evt_1/replay': () => {
        if (!proved) return problem(403, 'step_up_required')
        state = 'done'
        return json({}, 202)
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: 'evt_1 をもう一度' }))
    const dialog = await screen.findByRole('dialog', { name: 'ご本人の確認' })
    fireEvent.change(await within(dialog).findByLabelText('パスワード'), { target: { value: 'correct horse' } })
    fireEvent.click(within(dialog).getByRole('button', { name: '確認する' }))
    expect(await screen.findByText('列に並べました。')).toBeTruthy()
    const table = screen.getByRole('region', { name: 'Stripeの出来事' })
    expect(await within(table).findByText('済みました')).toBeTruthy()
    expect(bodies['POST /admin/billing/events/evt_1/replay']).toHaveLength(2)
  })

  test('are compared with Stripe, and the report is shown', async () => {
    openHouse('/admin/desk/events', {
      ...desk,
      'POST /admin/billing/reconcile': () =>
        json({
          events: 40,
          missed: ['evt_missed'],
          subscriptions: 7,
          repaired: [{ subscription: 'sub_x', before: null, after: 'active' }],
        }),
    })
    fireEvent.click(await screen.findByRole('button', { name: 'Stripeとつき合わせる' }))
    expect(await screen.findByText(/出来事40件と契約7件を見ました。/)).toBeTruthy()
    expect(screen.getByText('evt_missed')).toBeTruthy()
    expect(screen.getByText(/知らなかった → active/)).toBeTruthy()
  })
})

describe('jobs', () => {
  test('say why they are dead, are tried again, and are deleted on a second press only', async () => {
    let items = [job, { ...job, id: 'job_2', state: 'running' as const, lease_until: at, last_error: null }]
    const { calls, router } = openHouse('/admin/desk/jobs', {
      ...desk,
      'GET /admin/jobs': () => page(items),
      'POST /admin/jobs/job_1/retry': () => {
        items = items.map((one) => (one.id === 'job_1' ? { ...one, state: 'ready', attempt: 0 } : one))
        return json({}, 202)
      },
      'DELETE /admin/jobs/job_1': () => {
        items = items.filter(({ id }) => id !== 'job_1')
        return new Response(null, { status: 204 })
      },
    })
    expect(await screen.findByText('the mail server hung up')).toBeTruthy()
    expect(screen.getAllByText('8（最大8）')).toHaveLength(2)
    expect(screen.queryByRole('button', { name: '仕事 job_2 を消す' })).toBeNull()
    press('仕事 job_1 をやり直す')
    await waitFor(() => expect(screen.queryByRole('button', { name: '仕事 job_1 をやり直す' })).toBeNull())
    press('仕事 job_1 を消す')
    expect(calls).not.toContain('DELETE /admin/jobs/job_1')
    fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: '消す' }))
    await waitFor(() => expect(screen.queryByText('the mail server hung up')).toBeNull())
    expect(screen.queryByRole('dialog')).toBeNull()
    fireEvent.change(screen.getByLabelText('状態'), { target: { value: 'dead' } })
    await waitFor(() => expect(router.state.location.search).toEqual({ state: 'dead' }))
  })

  test('that cannot be listed say so with the number for asking us', async () => {
    openHouse('/admin/desk/jobs', {
      ...desk,
      'GET /admin/jobs': () => problem(500, 'internal', { request_id: 'req_77' }),
    })
    expect(await screen.findByText('req_77')).toBeTruthy()
  })
})

describe('usage', () => {
  const line: HouseUsage = {
    tenant_id: 'tnt_9',
    tenant_name: '=高橋家',
    storefront: 'misaki',
    unit: 'misaki.chat',
    amount: 12,
    requests: 12,
    tokens_in: 3000,
    tokens_out: 4000,
    cost_nano_usd: 5_000_000,
  }

  test('is shown for the month in the address, and taken along whole', async () => {
    const months: string[] = []
    const saved: Blob[] = []
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(() => undefined)
    URL.createObjectURL = (blob) => {
      saved.push(blob as Blob)
      return 'blob:x'
    }
    URL.revokeObjectURL = () => undefined
    const { router } = openHouse('/admin/desk/usage?month=2026-01', {
      ...desk,
      'GET /admin/usage': (request) => {
        const query = new URL(request.url).searchParams
        months.push(query.get('month') ?? '')
        return query.get('cursor') ? page([{ ...line, tenant_name: '二枚目' }]) : page([line], 'more')
      },
    })
    expect(await screen.findByText('=高橋家')).toBeTruthy()
    expect(screen.queryByText('二枚目')).toBeNull()
    press('CSVで受け取る')
    await waitFor(() => expect(saved).toHaveLength(1))
    const bytes = new Uint8Array((await saved[0]?.arrayBuffer()) ?? [])
    expect([...bytes.slice(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    const text = new TextDecoder().decode(bytes)
    expect(text).toContain("2026-01,tnt_9,'=高橋家,misaki")
    expect(text).toContain('二枚目')
    press('前の月')
    await waitFor(() => expect(router.state.location.search).toEqual({ month: '2025-12' }))
    await waitFor(() => expect(months).toContain('2025-12'))
  })
})

describe('models', () => {
  test('stand in one list with their prices, their health and the plans that lead there', async () => {
    const model = {
      name: 'gpt-4o-mini',
      kind: 'chat',
      price: {
        input_nano_usd: 150_000,
        cached_nano_usd: 75_000,
        output_nano_usd: 600_000,
        written_nano_usd: 150_000,
        long: null,
      },
      in_plan: false,
      cheapest_plan: 'pro',
      health: 'up',
    }
    openHouse('/admin/desk/models', {
      ...desk,
      'GET /admin/models': () => json(modelDesk),
      'GET /admin/models/versions': () => json({ items: modelVersions }),
      'GET /genai/models': () => json({ items: [model] }),
      'GET /status': () =>
        json({
          items: [{ model: 'misaki-small', health: 'down', success_rate_1h: 0.25, p50_ms: 840 }],
          providers: [],
        }),
      'GET /admin/plans': () =>
        json({
          items: [
            {
              storefront: 'misaki',
              plan: 'free',
              version: 1,
              title: { ja: '無料', en: 'Free' },
              price_yen: 0,
              limits: {},
              grants: [],
              routes: { 'misaki.chat': 'misaki-small' },
              stripe_price: null,
              features: {},
              created_at: at,
              customers: 0,
            },
          ],
        }),
    })
    const sold = (await screen.findByText('gpt-4o-mini', { selector: 'b' })).closest('tr') as HTMLElement
    expect(within(sold).getByText('$0.15 / $0.075 / $0.60')).toBeTruthy()
    expect(within(sold).getByText('2030年1月1日から変わります')).toBeTruthy()
    expect(within(sold).getByText('提供元がありません')).toBeTruthy()
    await within(sold).findByText('名指しは「genai/pro」から')
    const own = within(screen.getByRole('region', { name: 'モデルの一覧' }))
      .getByText('misaki-small')
      .closest('tr') as HTMLElement
    expect(within(own).getByText('停止')).toBeTruthy()
    expect(within(own).getByText('25 %')).toBeTruthy()
    expect(within(own).getByRole('link').getAttribute('href')).toContain('plan=misaki%2Ffree')
  })
})

const pulse = {
  calls: 40,
  failed: 10,
  first_word_p50_ms: 300,
  first_word_p95_ms: 2_000,
  rests: true,
  trouble: 'upstream_busy',
  trouble_at: at,
}
const target = { provider: 'openai', model: 'gpt-4o-mini', rank: 0, weight: 1, concurrent: null, pulse, prices: [] }
const price = {
  from: '2025-01-01',
  input_nano_usd: 150_000,
  cached_nano_usd: 75_000,
  output_nano_usd: 600_000,
  written_nano_usd: 150_000,
  long: null,
}
const plain = {
  kind: 'chat',
  alias_of: null,
  choose: 'weight',
  after_break: 'end',
  canary: null,
  shadow: null,
  found: null,
}
const modelDesk = {
  version: 2,
  models: [
    {
      ...plain,
      name: 'gpt-4o-mini',
      targets: [{ ...target, available: false }],
      prices: [
        { ...price, from: '2030-01-01', holds: false },
        { ...price, holds: true },
      ],
    },
    {
      ...plain,
      name: 'misaki-small',
      targets: [{ ...target, available: true, prices: [{ ...price, output_nano_usd: 300_000, holds: true }] }],
      prices: [],
      choose: 'cheap',
      canary: { model: 'phi-next', percent: 20, gate: { evaluation: 'misaki.persona', found: null } },
      shadow: { model: 'phi-next', percent: 5 },
      found: { answered: 50, failed: 1, left_out: 0, agreement_percent: 83, tokens: 4_200 },
    },
  ],
  providers: [{ provider: 'openai', pulse }],
}
const modelVersions = [
  { version: 2, models: 2, note: '← 0', applied_by: 'usr_1', applied_at: at },
  { version: 1, models: 2, note: null, applied_by: 'operator', applied_at: at },
  { version: 0, models: 2, note: null, applied_by: null, applied_at: null },
]

describe('models in force', () => {
  const house = {
    ...desk,
    'GET /admin/models': () => json(modelDesk),
    'GET /admin/models/versions': () => json({ items: modelVersions }),
    'GET /genai/models': () => json({ items: [] }),
    'GET /status': () => json({ items: [] }),
    'GET /admin/plans': () => json({ items: [] }),
    'GET /admin/models/versions/2': () => json({ version: 2, text: '# ours' }),
  }

  test('show how targets answer, and a canary is taken back by one press that is confirmed', async () => {
    const { bodies } = openHouse('/admin/desk/models', {
      ...house,
      'POST /admin/models/canary': () => json(modelVersions[0], 201),
    })
    const table = await screen.findByRole('region', { name: '行き先の調子（1時間）' })
    const row = within(table).getByText('openai / gpt-4o-mini').closest('tr') as HTMLElement
    expect(within(row).getByText('10 (25 %)')).toBeTruthy()
    expect(within(row).getByText('休ませています')).toBeTruthy()
    expect(within(row).getByText('upstream_busy')).toBeTruthy()
    expect(screen.getByText('30日で50件（失敗1件）、一致83 %、4,200トークン')).toBeTruthy()
    press('misaki-smallのカナリアを0 %に戻す')
    press('0 %に戻す')
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(bodies['POST /admin/models/canary']).toEqual([{ model: 'misaki-small', percent: 0, seen: 2 }])
  })

  test('show what a target costs where that is not what its model does, and by what one is chosen', async () => {
    openHouse('/admin/desk/models', house)
    const table = await screen.findByRole('region', { name: 'モデルの一覧' })
    const row = within(table).getByText('misaki-small').closest('tr') as HTMLElement
    expect(within(row).getByText('ここだけ $0.15 / $0.075 / $0.30')).toBeTruthy()
    expect(within(row).getByText('この呼び出しで安い順')).toBeTruthy()
    const other = within(table).getByText('gpt-4o-mini').closest('tr') as HTMLElement
    expect(within(other).queryByText(/ここだけ|安い順/)).toBeNull()
  })

  test('show whether a canary has passed what is asked before its share grows', async () => {
    const [plainModel, shared] = modelDesk.models
    const passed = { passed: true, asked: 8, kept: 8, at }
    const gate = { evaluation: 'misaki.persona', found: passed }
    const models = [
      { ...plainModel, canary: { model: 'phi-two', percent: 5, gate } },
      {
        ...plainModel,
        name: 'third',
        canary: { model: 'phi-three', percent: 5, gate: { ...gate, found: { ...passed, passed: false, kept: 7 } } },
      },
      shared,
    ]
    const missing = { model: 'misaki-small', canary: 'phi-next', evaluation: 'misaki.persona' }
    openHouse('/admin/desk/models', {
      ...house,
      'GET /admin/models': () => json({ ...modelDesk, models }),
      'POST /admin/models/check': () =>
        json({
          version: 2,
          changes: [{ model: 'small', kind: 'removed', fields: [] }],
          lost: [],
          not_passed: [missing],
        }),
    })
    await screen.findByText('評価「misaki.persona」に合格（8/8）')
    expect(screen.getByText('評価「misaki.persona」に不合格（7/8）')).toBeTruthy()
    expect(screen.getByText('評価「misaki.persona」がまだです')).toBeTruthy()
    expect(screen.getByText('増やす前に noren models evaluate phi-next を実行してください')).toBeTruthy()
    press('設定を開く')
    fireEvent.change(await screen.findByLabelText('設定（TOML）'), { target: { value: '# newer' } })
    press('確かめて違いを見る')
    await screen.findByText(/misaki-smallのカナリアphi-nextは評価「misaki.persona」に合格していない/)
    expect(screen.queryByRole('button', { name: 'この設定を使う' })).toBeNull()
  })

  test('are edited as a file: what was compared is what is put in force', async () => {
    const field = { field: 'canary', before: null, after: '{ percent = 5 }' }
    const { bodies } = openHouse('/admin/desk/models', {
      ...house,
      'POST /admin/models/check': () =>
        json({
          version: 2,
          changes: [{ model: 'small', kind: 'changed', fields: [field] }],
          lost: ['gone'],
          not_passed: [],
        }),
      'POST /admin/models/versions': () => json({ ...modelVersions[0], version: 3 }, 201),
    })
    await screen.findByRole('heading', { name: 'モデルの設定' })
    press('設定を開く')
    const text = await screen.findByLabelText('設定（TOML）')
    fireEvent.change(text, { target: { value: '# newer' } })
    expect(screen.queryByRole('button', { name: 'この設定を使う' })).toBeNull()
    press('確かめて違いを見る')
    await screen.findByText('{ percent = 5 }')
    expect(screen.getByText('プランにある名前がなくなります: gone')).toBeTruthy()
    fireEvent.change(text, { target: { value: '# newest' } })
    expect(screen.queryByRole('button', { name: 'この設定を使う' })).toBeNull()
    press('確かめて違いを見る')
    await screen.findByRole('button', { name: 'この設定を使う' })
    press('この設定を使う')
    await screen.findByText('第3版を使いはじめました。')
    expect(bodies['POST /admin/models/versions']).toEqual([{ text: '# newest', seen: 2 }])
  })

  test('a file that cannot be used says where and why', async () => {
    const text = { ja: 'モデル「a」: 料金は負にできません。', en: 'Model a: a price can’t be negative' }
    openHouse('/admin/desk/models', {
      ...house,
      'POST /admin/models/check': () =>
        json(
          {
            type: 'urn:noren:problem:models_refused',
            code: 'models_refused',
            status: 422,
            title: '',
            detail: '',
            text: { ja: '使えません。', en: 'It can’t be used.' },
            request_id: 'req_1',
            errors: [{ pointer: '/model/0/prices/0/input', code: 'format', text }],
          },
          422,
        ),
    })
    await screen.findByRole('heading', { name: 'モデルの設定' })
    press('設定を開く')
    await screen.findByLabelText('設定（TOML）')
    press('確かめて違いを見る')
    expect((await screen.findAllByText('モデル「a」: 料金は負にできません。')).length).toBeGreaterThan(0)
  })
})

describe('keys of providers', () => {
  const held = {
    id: 'prc_1',
    provider: 'openai',
    kind: 'openai',
    base_url: 'https://api.openai.com',
    region: '',
    suffix: 'x7Kq',
    weight: 3,
    enabled: true,
    created_at: at,
    changed_at: at,
    refused_at: at,
    refused_status: 401,
  }

  test('are listed by their ends, switched off, and given another weight', async () => {
    let now = held
    const { bodies } = openHouse('/admin/desk/providers', {
      ...desk,
      'GET /admin/providers': () => json({ items: [now] }),
      'PATCH /admin/providers/prc_1': async (request) => {
        now = { ...now, ...((await request.json()) as object) }
        return json(now)
      },
    })
    await screen.findByText('…x7Kq')
    expect(screen.getByText(/に断られました（401）/)).toBeTruthy()
    press('openai …x7Kqを止める')
    await screen.findByText('止めています')
    press('openai …x7Kqの割合を変える')
    const field = await screen.findByLabelText('割合')
    fireEvent.change(field, { target: { value: '0' } })
    press('保存する')
    expect((await screen.findAllByText('1〜1000の数にしてください。')).length).toBeGreaterThan(0)
    fireEvent.change(field, { target: { value: '１２' } })
    press('保存する')
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(bodies['PATCH /admin/providers/prc_1']).toEqual([{ enabled: false }, { weight: 12 }])
  })

  test('a new one is sent once, with what was given, and its secret is nowhere afterwards', async () => {
    const { bodies } = openHouse('/admin/desk/providers', {
      ...desk,
      'GET /admin/providers': () => json({ items: [] }),
      'POST /admin/providers': () => json(held, 201),
    })
    await screen.findByText('登録した鍵はありません')
    press('鍵を加える')
    fireEvent.change(await screen.findByLabelText('プロバイダ'), { target: { value: 'openai' } })
    fireEvent.change(screen.getByLabelText('鍵'), { target: { value: 'sk-very-secret-x7Kq' } })
    press('鍵を加える')
    await screen.findByText('登録した鍵はありません')
    await waitFor(() =>
      expect(bodies['POST /admin/providers']).toEqual([
        { provider: 'openai', secret: 'sk-very-secret-x7Kq', weight: 1 },
      ]),
    )
    await waitFor(() => expect(document.body.innerHTML).not.toContain('sk-very-secret'))
  })
})

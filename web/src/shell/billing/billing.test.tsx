import { act, fireEvent, screen, waitFor, within } from '@testing-library/react'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Me } from '../../api/types'
import { plansSearch, resultSearch } from '../paths'
import { json, openHouse, prepareHouse, press, problem, me as someone } from '../testHouse'
import { free, november, order, paid, planView, receipt, subscription, vip } from './fixtures'
import { goTo } from './go'

vi.mock('./go', () => ({ goTo: vi.fn() }))

prepareHouse()
afterEach(() => {
  vi.useRealTimers()
  vi.mocked(goTo).mockReset()
})

const buyer = (): Me => someone({ permissions: [...someone().permissions, 'billing.manage', 'inference.use'] })
const offers = () => json({ items: [free, paid, vip] })
const none = () => json({ items: [] })
const empty = () => json({ items: [], next_cursor: null })
const signedIn = { 'GET /auth/me': () => json(buyer()), 'GET /billing/subscriptions': none }
const link = (name: string | RegExp) => screen.getByRole('link', { name })
const heading = (name: string | RegExp, level = 1) => screen.findByRole('heading', { level, name })

describe('the plans of a shop', () => {
  test('are there for whoever has no account, and lead by way of sign-up to the confirmation', async () => {
    const { calls } = openHouse('/plans/misaki?plan=paid', { 'GET /billing/plans': offers })
    await heading('スナック みさきのプラン')
    const way = await screen.findByRole('link', { name: '「なじみ」に申し込む' })
    expect(way.getAttribute('href')).toBe(`/sign-up?next=${encodeURIComponent('/billing/confirm/misaki/paid')}`)
    const chosen = way.closest('[data-chosen]')
    expect(chosen?.getAttribute('data-chosen')).toBe('true')
    expect(within(chosen as HTMLElement).getByText('お選びのプラン')).toBeTruthy()
    expect(calls).not.toContain('GET /billing/plan')
    expect(calls).not.toContain('GET /billing/subscriptions')
  })

  test('are compared in a table that names every limit, quota and feature of any of them', async () => {
    openHouse('/plans/misaki', { 'GET /billing/plans': offers })
    const table = await screen.findByRole('table')
    const row = (name: string) =>
      within(within(table).getByRole('rowheader', { name }).closest('tr') as HTMLElement)
        .getAllByRole('cell')
        .map((cell) => cell.textContent)
    expect(row('料金（税込み）')).toEqual(['無料', '月 ￥980', '月 ￥2,980'])
    expect(row('会話')).toEqual(['1日 30回', '月 1,000回', '月 3,000回'])
    expect(row('1分あたりの上限')).toEqual(['10', '20', '30'])
    expect(row('サイトに置ける')).toEqual(['なし', 'あり', 'なし'])
    expect(row('サイトの数')).toEqual(['なし', '3', 'なし'])
    expect(screen.getByText('ゆっくり話せます')).toBeTruthy()
  })

  test('mark the one that is had, and say of the others whether they are more or less', async () => {
    openHouse('/plans/misaki', {
      ...signedIn,
      'GET /billing/plans': () =>
        json({ items: [free, paid, vip, { ...vip, id: 'mini', title: { ja: '小', en: 'Mini' }, price_yen: 480 }] }),
      'GET /billing/plan': () => json(planView(paid)),
      'GET /billing/subscriptions': () => json({ items: [subscription(paid)] }),
    })
    expect((await screen.findByRole('link', { name: '「VIP」に上げる' })).getAttribute('href')).toBe(
      '/billing/confirm/misaki/vip',
    )
    expect(link('「小」に下げる')).toBeTruthy()
    expect(screen.getAllByText('いまのプラン').length).toBeGreaterThan(0)
    expect(screen.queryByRole('link', { name: '「なじみ」に申し込む' })).toBeNull()
  })

  test('cannot be bought by a member of a team, who is told who can', async () => {
    openHouse('/plans/misaki', {
      'GET /auth/me': () => json(someone({}, 'member', 'team')),
      'GET /billing/plans': offers,
      'GET /billing/plan': () => json(planView(free)),
    })
    expect(await screen.findByText(/オーナーと管理者/)).toBeTruthy()
    expect(screen.queryByRole('link', { name: /申し込む/ })).toBeNull()
  })

  test('show children no prices', async () => {
    openHouse('/plans/narai', {
      'GET /auth/me': () => json(someone({}, 'child', 'family')),
      'GET /billing/plans': offers,
    })
    await screen.findByRole('heading', { level: 1 })
    expect(document.body.textContent).not.toContain('￥')
  })
})

describe('the final confirmation', () => {
  const open = (routes = {}, path = '/billing/confirm/misaki/paid') =>
    openHouse(path, {
      ...signedIn,
      'POST /billing/orders': () => json(order(paid), 201),
      'POST /billing/checkout-session': () => json({ url: 'https://pay.example/1' }, 201),
      ...routes,
    })

  test('sends whoever has no account to sign-up first, and back', async () => {
    const { router } = openHouse('/billing/confirm/misaki/paid', {})
    await waitFor(() => expect(router.state.location.pathname).toBe('/sign-up'))
    expect(router.state.location.search).toEqual({ next: '/billing/confirm/misaki/paid' })
  })

  test('shows all six items, every sum and how to cancel before the button, and orders only by the button', async () => {
    const { calls, bodies } = open()
    const button = await screen.findByRole('button', { name: 'この内容で申し込む' })
    for (const item of order(paid).items) expect(screen.getByText(item.text.ja)).toBeTruthy()
    const text = document.querySelector('main')?.textContent ?? ''
    expect(text.indexOf('解約のしかた')).toBeGreaterThan(0)
    expect(text.indexOf('解約のしかた')).toBeLessThan(text.indexOf('この内容で申し込む', text.indexOf('解約のしかた')))
    const sums = screen.getByText('今回のお支払い').closest('dl') as HTMLElement
    expect(within(sums).getAllByText(/￥980/).length).toBeGreaterThan(0)
    expect(within(sums).getByText(/12月20日.*￥980/)).toBeTruthy()
    expect(within(sums).getByText('うち消費税 ￥89')).toBeTruthy()
    expect(calls.filter((call) => call === 'POST /billing/orders')).toHaveLength(1)
    expect(calls).not.toContain('POST /billing/checkout-session')
    fireEvent.click(button)
    await waitFor(() => expect(goTo).toHaveBeenCalledWith('https://pay.example/1'))
    expect(bodies['POST /billing/orders']).toEqual([{ storefront: 'misaki', plan: 'paid' }])
    expect(bodies['POST /billing/checkout-session']).toEqual([{ order: 'ord_1' }])
  })

  test('when it has become stale, is shown anew and has to be agreed to again', async () => {
    let made = 0
    const { bodies } = open({
      'POST /billing/orders': () => {
        made += 1
        return json(order({ ...paid, price_yen: made === 1 ? 980 : 1080 }, { id: `ord_${made}` }), 201)
      },
      'POST /billing/checkout-session': async (request: Request) => {
        const { order: id } = (await request.clone().json()) as { order: string }
        return id === 'ord_1' ? problem(409, 'order_stale') : json({ url: 'https://pay.example/2' }, 201)
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: 'この内容で申し込む' }))
    const told = await screen.findByRole('alert')
    expect(told.textContent).toContain('内容が変わりました')
    expect(document.activeElement).toBe(told)
    expect(screen.getAllByText(/￥1,080/).length).toBeGreaterThan(0)
    expect(goTo).not.toHaveBeenCalled()
    press('この内容で申し込む')
    await waitFor(() => expect(goTo).toHaveBeenCalledWith('https://pay.example/2'))
    expect(bodies['POST /billing/checkout-session']).toEqual([{ order: 'ord_1' }, { order: 'ord_2' }])
  })

  test('of an upgrade shows the days of both plans, and changes the subscription there is', async () => {
    const { bodies, pathname } = open(
      {
        'POST /billing/orders': () =>
          json(
            order(vip, {
              kind: 'upgrade',
              current: paid,
              subscription: 'sub_1',
              due_now_yen: 1990,
              proration: { credit_yen: 490, charge_yen: 2480, at: '2026-11-20T03:00:00Z' },
            }),
            201,
          ),
        'GET /billing/subscriptions': () =>
          json({ items: [subscription(paid), subscription(paid, { id: 'sub_0', status: 'ended' })] }),
        'POST /billing/subscriptions/sub_1/change': () => json({}),
        'GET /billing/plan': () => json(planView(vip)),
      },
      '/billing/confirm/misaki/vip',
    )
    expect(await screen.findByText('「なじみ」から「VIP」へ')).toBeTruthy()
    const sums = screen.getByText('今回のお支払い').closest('dl') as HTMLElement
    expect(within(sums).getByText('￥1,990')).toBeTruthy()
    expect(within(sums).getByText('￥2,480')).toBeTruthy()
    expect(within(sums).getByText(/-￥490/)).toBeTruthy()
    press('この内容で申し込む')
    await waitFor(() => expect(pathname()).toBe('/billing/result'))
    expect(bodies['POST /billing/subscriptions/sub_1/change']).toEqual([{ order: 'ord_1' }])
    expect(await heading('「VIP」になりました')).toBeTruthy()
  })

  test.each([
    ['downgrade', '変更の予約を受けました。'],
    ['resume', 'いまのプランを続けます。'],
  ] as const)('of a %s charges nothing and says what happens on the plan’s own page', async (kind, said) => {
    const { bodies, pathname } = open({
      'POST /billing/orders': () =>
        json(order(paid, { kind, current: vip, subscription: 'sub_1', due_now_yen: 0 }), 201),
      'POST /billing/subscriptions/sub_1/change': () => json({}),
      'GET /billing/plan': () => json(planView(vip)),
    })
    expect(await screen.findByText(/ボタンを押しても、いまは請求しません。/)).toBeTruthy()
    press('この内容で申し込む')
    await waitFor(() => expect(pathname()).toBe('/account/plan'))
    expect(await screen.findByText(new RegExp(said))).toBeTruthy()
    expect(bodies['POST /billing/subscriptions/sub_1/change']).toEqual([{ order: 'ord_1' }])
    expect(goTo).not.toHaveBeenCalled()
  })

  test('while a payment is owed leads to where it is settled', async () => {
    open({ 'POST /billing/orders': () => problem(409, 'payment_owed') })
    expect(await screen.findByText('payment_owedです')).toBeTruthy()
    expect(link('プランと使用量へ').getAttribute('href')).toBe('/account/plan?storefront=misaki')
  })

  test('keeps what was ordered and says why when the payment service is away', async () => {
    open({ 'POST /billing/checkout-session': () => problem(503, 'stripe_unavailable', { retry_after: 5 }) })
    fireEvent.click(await screen.findByRole('button', { name: 'この内容で申し込む' }))
    const summary = await screen.findByRole('alert')
    expect(summary.textContent).toContain('stripe_unavailableです')
    expect(document.activeElement).toBe(summary)
    expect(screen.getByRole('button', { name: 'この内容で申し込む' })).toBeTruthy()
  })
})

describe('the result', () => {
  test('believes the house and not the address, waits, and says so when word is late', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true })
    const { calls } = openHouse('/billing/result?outcome=success&storefront=misaki&plan=paid', {
      ...signedIn,
      'GET /billing/plan': () => json(planView(free)),
    })
    await heading('お支払いの知らせを待っています')
    await act(() => vi.advanceTimersByTimeAsync(10_000))
    const asked = calls.filter((call) => call === 'GET /billing/plan').length
    expect(asked).toBeGreaterThan(4)
    expect(screen.queryByText(/になりました/)).toBeNull()
    await act(() => vi.advanceTimersByTimeAsync(25_000))
    await heading('まだ確かめられていません')
    expect(screen.queryByText(/になりました/)).toBeNull()
  })

  test('says it is done once the plan is there', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true })
    let asked = 0
    openHouse('/billing/result?outcome=success&storefront=misaki&plan=paid', {
      ...signedIn,
      'GET /billing/plan': () => {
        asked += 1
        return json(planView(asked < 3 ? free : paid))
      },
    })
    await heading('お支払いの知らせを待っています')
    await act(() => vi.advanceTimersByTimeAsync(6000))
    await heading('「なじみ」になりました')
    expect(link('お店へ行く').getAttribute('href')).toBe('/misaki')
  })

  test('a plan that is not paid for is not there', async () => {
    openHouse('/billing/result?outcome=cancel&storefront=misaki&plan=paid', {
      ...signedIn,
      'GET /billing/plan': () => json(planView(paid, { status: 'grace' })),
    })
    await heading('お申し込みは終わっていません')
  })

  test('of a checkout that was left says which plan one still has', async () => {
    openHouse('/billing/result?outcome=cancel&storefront=misaki&plan=paid', {
      ...signedIn,
      'GET /billing/plan': () => json(planView(free)),
    })
    await heading('お申し込みは終わっていません')
    expect(screen.getByText(/いまは「無料会員」のままです/)).toBeTruthy()
    expect(link('プランを見る').getAttribute('href')).toBe('/plans/misaki?plan=paid')
  })
})

describe('plan and usage', () => {
  const rates = () =>
    json({
      storefront: 'misaki',
      policies: [
        { name: 'per_minute', quota: 20, window_secs: 60, remaining: 12, reset_secs: 42, unit: null },
        { name: 'concurrent', quota: 2, window_secs: null, remaining: 2, reset_secs: null, unit: null },
      ],
    })
  const open = (routes = {}, path = '/account/plan') =>
    openHouse(path, {
      ...signedIn,
      'GET /billing/plan': () => json(planView(paid)),
      'GET /billing/subscriptions': () => json({ items: [subscription(paid)] }),
      'GET /billing/usage': empty,
      'GET /billing/usage/days': () => json(november),
      'GET /rate-limit': rates,
      ...routes,
    })

  test('says what is left, when the next payment is, and how fast one may go', async () => {
    open()
    await heading('プランと使用量')
    expect(await screen.findByText('今月あと998回')).toBeTruthy()
    expect(await screen.findByText(/次のお支払いは12月20日/)).toBeTruthy()
    expect(await screen.findByText('12 / 20')).toBeTruthy()
    expect(screen.getByText(/あと4[12]秒で戻ります/)).toBeTruthy()
    expect(link('なぜこの残高？').getAttribute('href')).toBe('/account/ledger?unit=misaki.chat')
  })

  test('a failed payment shows the date and the way to a new card', async () => {
    open({
      'GET /billing/plan': () => json(planView(paid, { status: 'grace', expires_at: '2026-11-27T03:00:00Z' })),
      'GET /billing/subscriptions': () => json({ items: [subscription(paid, { status: 'grace' })] }),
      'POST /billing/portal-session': () => json({ url: 'https://pay.example/portal' }, 201),
    })
    expect(await screen.findByText('お支払いができませんでした')).toBeTruthy()
    expect(screen.getByText(/11月27日.*までは、いまのまま使えます/)).toBeTruthy()
    press('カードを更新する')
    await waitFor(() => expect(goTo).toHaveBeenCalledWith('https://pay.example/portal'))
  })

  test('a booked change is told with its date, and can be called off', async () => {
    open({
      'GET /billing/plan': () => json(planView(vip)),
      'GET /billing/subscriptions': () =>
        json({
          items: [subscription(vip, { changes_to: { plan: 'paid', title: paid.title, at: '2026-12-20T03:00:00Z' } })],
        }),
    })
    expect(await screen.findByText(/12月20日.*から「なじみ」に変わります/)).toBeTruthy()
    expect(link('変更をとりやめる').getAttribute('href')).toBe('/billing/confirm/misaki/vip')
  })

  test('a failed payment is told on the other pages too, with the way to where the card is changed', async () => {
    open(
      {
        'GET /billing/plan': () => json(planView(paid, { status: 'grace', expires_at: '2026-11-27T03:00:00Z' })),
        'GET /billing/ledger': () => json({ balances: [], items: [], next_cursor: null }),
      },
      '/account',
    )
    expect(await screen.findByText(/11月27日.*までは、いまのまま使えます/)).toBeTruthy()
    expect(link('カードを更新する').getAttribute('href')).toBe('/account/plan?storefront=misaki')
  })

  test('is canceled after one is told until when it works, and taken back', async () => {
    let canceled = false
    const { calls } = open({
      'GET /billing/subscriptions': () =>
        json({ items: [subscription(paid, { cancel_at: canceled ? '2026-12-20T03:00:00Z' : null })] }),
      'GET /billing/plan': () => json(planView(paid, { status: canceled ? 'canceled' : 'active' })),
      'POST /billing/subscriptions/sub_1/cancel': () => {
        canceled = true
        return json({})
      },
      'POST /billing/subscriptions/sub_1/resume': () => {
        canceled = false
        return json({})
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: '解約する' }))
    const dialog = screen.getByRole('dialog', { name: '「なじみ」を解約しますか' })
    expect(dialog.textContent).toMatch(/12月20日.*までは/)
    expect(calls).not.toContain('POST /billing/subscriptions/sub_1/cancel')
    fireEvent.click(within(dialog).getByRole('button', { name: '解約する' }))
    expect(await screen.findByText('解約の予約を受けています')).toBeTruthy()
    expect(screen.getByText(/12月20日.*まで使えます/)).toBeTruthy()
    expect(screen.queryByRole('button', { name: '解約する' })).toBeNull()
    press('解約をとりやめる')
    expect(await screen.findByRole('button', { name: '解約する' })).toBeTruthy()
    expect(screen.queryByText('解約の予約を受けています')).toBeNull()
  })

  test('draws each day, says in words what the drawing shows, and has every figure in a table', async () => {
    open({}, '/account/plan?month=2026-11')
    const chart = await screen.findByRole('img', { name: /2026年11月の回数。合計7、いちばん多い日は11月20日/ })
    expect(chart.querySelectorAll('title')).toHaveLength(30)
    fireEvent.click(screen.getByRole('radio', { name: '表' }))
    const table = within(screen.getByRole('region', { name: '毎日の使用量' })).getByRole('table')
    const cells = (row: HTMLElement | undefined) =>
      row
        ? within(row)
            .getAllByRole('cell')
            .map((cell) => cell.textContent)
        : []
    const rows = within(table).getAllByRole('row')
    expect(cells(rows[1]).slice(1)).toEqual(['2', '2', '100', '300', '$0.0015'])
    expect(cells(rows.at(-1))).toEqual(['合計', '7', '7', '350', '1,050', '$0.0055'])
  })

  test('goes through the months by its address', async () => {
    const asked: string[] = []
    const { router } = open(
      {
        'GET /billing/usage/days': (request: Request) => {
          const month = new URL(request.url).searchParams.get('month') ?? ''
          asked.push(month)
          return json({ ...november, month })
        },
      },
      '/account/plan?month=2026-11',
    )
    await screen.findByRole('img', { name: /2026年11月/ })
    press('前の月')
    await screen.findByRole('img', { name: /2026年10月/ })
    expect(router.state.location.search).toMatchObject({ month: '2026-10' })
    expect(asked).toEqual(['2026-11', '2026-10'])
  })

  test('of a shop where one has no plan leads to its plans', async () => {
    open({ 'GET /billing/plan': () => problem(404, 'no_plan') }, '/account/plan?storefront=webgpt')
    await heading('このお店は、まだ使っていません', 2)
    expect(link('プランを選ぶ').getAttribute('href')).toBe('/plans/webgpt')
  })
})

describe('receipts', () => {
  const open = (path: string, one = receipt) =>
    openHouse(path, {
      ...signedIn,
      'GET /billing/receipts': () => json({ items: [one], next_cursor: null }),
      'GET /billing/receipts/rcp_1': () => json(one),
    })

  test('lead from the list to the sheet', async () => {
    const { pathname } = open('/account/receipts')
    fireEvent.click(await screen.findByRole('link', { name: /領収書 R-2026-000001/ }))
    await waitFor(() => expect(pathname()).toBe('/account/receipts/rcp_1'))
    await heading('領収書')
  })

  test('carry what a qualified invoice needs when the issuer is registered', async () => {
    open('/account/receipts/rcp_1')
    const sheet = await screen.findByRole('article')
    for (const text of ['適格請求書', 'あおい 様', '暖簾商店', '登録番号 T1234567890123', '2026年11月20日']) {
      expect(within(sheet).getByText(text)).toBeTruthy()
    }
    const [lines, taxes] = within(sheet).getAllByRole('table')
    expect(lines?.textContent).toContain('なじみ（1か月）10%￥980')
    expect(taxes?.textContent).toContain('10%￥891￥89')
  })

  test('are no invoice of that kind without a registration number', async () => {
    open('/account/receipts/rcp_1', { ...receipt, issuer: { ...receipt.issuer, registration_number: null } })
    const sheet = await screen.findByRole('article')
    expect(sheet.textContent).not.toContain('適格請求書')
    expect(sheet.textContent).not.toContain('登録番号')
  })

  test('say what was given back', async () => {
    open('/account/receipts', { ...receipt, refunded_yen: 300, status: 'partly_refunded' })
    expect(await screen.findByText('一部返金')).toBeTruthy()
    expect(screen.getByText(/返金 -￥300/)).toBeTruthy()
  })
})

describe('a balance explained', () => {
  const open = (summary: string) => {
    const details = screen.getByText(summary, { selector: 'summary' }).closest('details') as HTMLDetailsElement
    details.open = true
    fireEvent(details, new Event('toggle'))
  }

  test('opens from its lots to their movements and what each was for', async () => {
    const asked: string[] = []
    openHouse('/account/ledger?unit=misaki.chat', {
      ...signedIn,
      'GET /billing/plan': () => json(planView(paid)),
      'GET /billing/plans': offers,
      'GET /billing/ledger': () => json({ balances: [], items: [], next_cursor: null }),
      // the receipt of this lot is not on the first page of them
      'GET /billing/receipts': (request) =>
        new URL(request.url).searchParams.get('cursor') === 'more'
          ? json({ items: [{ ...receipt, id: 'rcp_7', invoice: 'in_0001' }], next_cursor: null })
          : json({ items: [receipt], next_cursor: 'more' }),
      'GET /billing/usage': (request) => {
        asked.push(new URL(request.url).searchParams.get('block') ?? '')
        const run = { run_id: 'run_9', at: '2026-11-20T04:00:00Z', amount: 2 }
        return json({ items: [run], next_cursor: null })
      },
      'GET /billing/ledger/misaki.chat/lots': () =>
        json({
          items: [
            {
              id: 'lot_1',
              source: 'paid',
              granted: 1000,
              used: 2,
              held: 0,
              expired: 0,
              reversed: 0,
              left: 998,
              reason: 'misaki/paid',
              reference: 'in_0001',
              expires_at: '2026-12-20T03:00:00Z',
              granted_at: '2026-11-20T03:00:00Z',
            },
          ],
          next_cursor: null,
        }),
      'GET /billing/ledger/misaki.chat/movements': (request) => {
        asked.push(new URL(request.url).searchParams.get('lot') ?? '')
        return json({
          items: [
            {
              transfer_id: 'xfr_1',
              lot_id: 'lot_1',
              kind: 'settle',
              amount: 0,
              held: -2,
              used: 2,
              balance_after: 998,
              reference: 'blk_4',
              at: '2026-11-20T04:00:00Z',
            },
          ],
          next_cursor: null,
        })
      },
    })
    await heading('残高の理由')
    expect(await screen.findByText('お支払いの分')).toBeTruthy()
    expect(screen.getByRole('meter', { name: '「なじみ」の分' }).getAttribute('aria-valuetext')).toBe(
      '1,000回のうち残り998回',
    )
    const payment = (await screen.findByText('in_0001')).closest('p') as HTMLElement
    const way = await within(payment).findByRole('link')
    expect(way.getAttribute('href')).toBe('/account/receipts/rcp_7')
    expect(asked).toEqual([])
    open('動き')
    const table = await screen.findByRole('table', { name: '「なじみ」の分の動き' })
    expect(asked).toEqual(['lot_1'])
    expect(within(table).getByText('使用済み +2')).toBeTruthy()
    expect(within(table).getByText('確保中 -2')).toBeTruthy()
    expect(within(table).getByText('998')).toBeTruthy()
    open('この分で行ったこと')
    expect(await within(table).findByText('run_9')).toBeTruthy()
    expect(asked).toEqual(['lot_1', 'blk_4'])
  })
})

describe('what an address may say', () => {
  test('is taken only in its own shape', () => {
    expect(plansSearch({ plan: 'paid', next: '/misaki' })).toEqual({ plan: 'paid', next: '/misaki' })
    expect(plansSearch({ plan: '<b>', next: 'https://elsewhere.example/' })).toEqual({
      plan: undefined,
      next: undefined,
    })
    expect(resultSearch({ outcome: 'won', storefront: 'casino', plan: 7 })).toEqual({
      outcome: undefined,
      storefront: undefined,
      plan: undefined,
    })
  })
})

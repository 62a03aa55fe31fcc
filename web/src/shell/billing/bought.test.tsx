import { fireEvent, screen, waitFor } from '@testing-library/react'
import { describe, expect, test, vi } from 'vitest'
import type { Me } from '../../api/types'
import { json, openHouse, prepareHouse, press, me as someone } from '../testHouse'
import { paid, planView } from './fixtures'
import { goTo } from './go'

vi.mock('./go', () => ({ goTo: vi.fn() }))

prepareHouse()

const patiently = { timeout: 10_000 }
const buyer = (): Me => someone({ permissions: [...someone().permissions, 'billing.manage', 'inference.use'] })
const none = () => json({ items: [], next_cursor: null })
const signedIn = {
  'GET /auth/me': () => json(buyer()),
  'GET /billing/subscriptions': none,
  'GET /billing/usage': none,
  'GET /billing/plan': () => json(planView(paid)),
}

describe('what is bought once', () => {
  test('is shown with its six items before it is paid for', async () => {
    const topup = {
      id: 'hundred',
      version: 1,
      title: { ja: '会話100回', en: '100 messages' },
      unit: 'misaki.chat',
      days: 90,
    }
    const items = ['quantity', 'price', 'payment', 'delivery', 'period', 'cancellation'].map((key) => ({
      key,
      title: { ja: key, en: key },
      text: { ja: '…', en: '…' },
    }))
    const order = `ord_${'0'.repeat(32)}`
    const { bodies } = openHouse('/billing/topups/misaki', {
      ...signedIn,
      'GET /billing/topups': () => json({ items: [{ ...topup, amount: 100, price_yen: 300, for_sale: true }] }),
      'POST /billing/topup-orders': () =>
        json({
          id: order,
          storefront: 'misaki',
          topup: { ...topup, amount: 100, price_yen: 300 },
          items,
          total_yen: 300,
          tax_yen: 27,
          units_expire_at: '2027-02-18T09:00:00Z',
          expires_at: '2026-11-20T09:30:00Z',
        }),
      'POST /billing/checkout-session': () => json({ url: 'https://pay.example/' }),
    })
    await screen.findByRole('button', { name: '「会話100回」を選ぶ' }, patiently)
    press('「会話100回」を選ぶ')
    await screen.findByRole('button', { name: 'この内容で買い足す' }, patiently)
    for (const { key } of items) expect(screen.getByText(key)).toBeTruthy()
    expect(goTo).not.toHaveBeenCalled()
    press('この内容で買い足す')
    await waitFor(() => expect(goTo).toHaveBeenCalledWith('https://pay.example/'), patiently)
    expect(bodies['POST /billing/topup-orders']).toEqual([{ storefront: 'misaki', topup: 'hundred' }])
    expect(bodies['POST /billing/checkout-session']).toEqual([{ order }])
  }, 30_000)
})

test('what was bought leads back to the shop, and to where it is on record', async () => {
  const order = `ord_${'0'.repeat(32)}`
  openHouse(`/billing/topups/misaki?outcome=success&order=${order}`, {
    ...signedIn,
    [`GET /billing/topup-orders/${order}`]: () => json({ id: order, paid: true }),
  })
  const way = await screen.findByRole('link', { name: 'お店へ行く' }, patiently)
  expect(way.getAttribute('href')).toBe('/misaki')
  expect(screen.getByRole('link', { name: '残高と入出の記録' })).toBeTruthy()
})

describe('the automatic top-up', () => {
  test('is agreed to with its six items, and turned off by one press', async () => {
    const order = `ord_${'0'.repeat(32)}`
    const offer = {
      id: 'hundred',
      version: 1,
      title: { ja: '会話100回', en: '100 messages' },
      unit: 'misaki.chat',
      amount: 100,
      price_yen: 300,
      days: 90,
      for_sale: true,
    }
    const rule = {
      storefront: 'misaki',
      topup: 'hundred',
      title: offer.title,
      unit: offer.unit,
      amount: 100,
      price_yen: 300,
      threshold: 20,
      monthly_yen: 1000,
      spent_yen: 300,
      resets_at: '2026-11-30T15:00:00Z',
      agreed_at: '2026-11-20T09:00:00Z',
      stopped: null,
    }
    const item = (key: string) => ({ key, title: { ja: key, en: key }, text: { ja: '…', en: '…' } })
    let rules: object[] = []
    const { bodies } = openHouse('/account/plan', {
      ...signedIn,
      'GET /billing/topups': () => json({ items: [offer] }),
      'GET /billing/auto-topups': () => json({ items: rules }),
      'POST /billing/auto-topup-orders': () =>
        json({
          id: order,
          storefront: 'misaki',
          topup: offer,
          threshold: 20,
          monthly_yen: 1000,
          items: ['quantity', 'price', 'payment', 'delivery', 'period', 'cancellation'].map(item),
          total_yen: 300,
          tax_yen: 27,
          expires_at: '2026-11-20T09:30:00Z',
        }),
      'PUT /billing/auto-topups/misaki': () => {
        rules = [rule]
        return json(rule)
      },
    })
    await screen.findByRole('button', { name: '内容を確認する' }, patiently)
    fireEvent.change(screen.getByLabelText('残りがこの数を下回ったら'), { target: { value: '２０' } })
    fireEvent.change(screen.getByLabelText('1か月の支払いの上限（円）'), { target: { value: '1,000' } })
    press('内容を確認する')
    await screen.findByRole('button', { name: 'この内容で自動の買い足しを始める' }, patiently)
    expect(screen.getByText('cancellation')).toBeTruthy()
    press('この内容で自動の買い足しを始める')
    await screen.findByRole('button', { name: '自動の買い足しを止める' }, patiently)
    expect(bodies['POST /billing/auto-topup-orders']).toEqual([
      { storefront: 'misaki', topup: 'hundred', threshold: 20, monthly_yen: 1000 },
    ])
    expect(bodies['PUT /billing/auto-topups/misaki']).toEqual([{ order }])
  }, 30_000)
})

describe('a limit of one’s own', () => {
  test('is raised by one press when it is reached', async () => {
    const budget = {
      unit: 'misaki.chat',
      monthly: 10,
      alerts: [5],
      used: 10,
      resets_at: '2026-11-30T15:00:00Z',
      stopped: false,
    }
    const { bodies } = openHouse('/account/plan', {
      ...signedIn,
      'GET /billing/budgets': () => json({ items: [budget] }),
      'PUT /billing/budgets/misaki.chat': () => json({ ...budget, monthly: 15 }),
    })
    expect(await screen.findByText(/新しい利用を止めています/, {}, patiently)).toBeTruthy()
    press('上限を15に上げる')
    await waitFor(
      () => expect(bodies['PUT /billing/budgets/misaki.chat']).toEqual([{ monthly: 15, alerts: [5] }]),
      patiently,
    )
  }, 30_000)

  test('of what the models cost is set in dollars, and raised when work was refused', async () => {
    const unit = 'misaki.cost'
    const budget = {
      unit,
      monthly: 2_000_000_000,
      alerts: [],
      used: 1_900_000_000,
      resets_at: '2026-11-30T15:00:00Z',
      stopped: true,
    }
    const { bodies } = openHouse('/account/plan', {
      ...signedIn,
      'GET /billing/budgets': () => json({ items: [budget] }),
      'PUT /billing/budgets/misaki.cost': () => json({ ...budget, monthly: 3_000_000_000, stopped: false }),
    })
    expect(await screen.findByText(/超えるおそれがあったので/, {}, patiently)).toBeTruthy()
    press('上限を$3に上げる')
    await waitFor(
      () => expect(bodies['PUT /billing/budgets/misaki.cost']).toEqual([{ monthly: 3_000_000_000, alerts: [] }]),
      patiently,
    )
  }, 30_000)
})

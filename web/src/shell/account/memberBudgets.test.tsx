import { screen, waitFor } from '@testing-library/react'
import { describe, expect, test } from 'vitest'
import type { MemberBudget } from '../../api/billing'
import type { Role } from '../../api/types'
import { at, json, me, openHouse, prepareHouse, press, type } from '../testHouse'

prepareHouse()

const person = (user: string, display_name: string, role: Role) => ({
  user,
  display_name,
  email: null,
  login_name: null,
  role,
  joined_at: at,
})
const members = [
  person('usr_1', 'あおい', 'owner'),
  person('usr_2', 'いつき', 'admin'),
  person('usr_3', 'うみ', 'member'),
]
const used = (user: string, unit: string, amount: number, monthly: number | null): MemberBudget => ({
  user,
  unit,
  used: amount,
  monthly,
  resets_at: at,
})

function open(role: Role, permissions: string[], items: MemberBudget[]) {
  const who = me({}, role, 'team')
  return openHouse('/account/members', {
    'GET /auth/me': () => json({ ...who, permissions: [...who.permissions, ...permissions] }),
    'GET /members': () => json({ items: members }),
    'GET /invitations': () => json({ items: [] }),
    'GET /billing/members': () => json({ items }),
    'PUT /billing/members/usr_1/budgets/genai.cost': () => json(used('usr_1', 'genai.cost', 0, 2_500_000_000)),
    'DELETE /billing/members/usr_3/budgets/genai.chat': () => new Response(null, { status: 204 }),
  })
}

describe('limits of members', () => {
  test('are set by an owner in dollars, shown beside what is used, and taken away', async () => {
    const items = [used('usr_3', 'genai.chat', 3, 10), used('usr_1', 'genai.cost', 20_000_000, null)]
    const { bodies, calls } = open('owner', ['billing.manage'], items)
    const meter = await screen.findByRole('meter', { name: /うみ/ })
    expect(meter.getAttribute('aria-valuetext')).toBe('3（上限10）')
    expect(await screen.findByText('今月はまだ使っていません')).toBeTruthy()
    type('1か月の上限（米ドル）', 'much')
    press('上限を保存する')
    expect((await screen.findAllByText('金額を 1.50 のように入れてください')).length).toBeGreaterThan(0)
    type('1か月の上限（米ドル）', '2.5')
    press('上限を保存する')
    await waitFor(() =>
      expect(bodies['PUT /billing/members/usr_1/budgets/genai.cost']).toEqual([{ monthly: 2_500_000_000 }]),
    )
    press('うみのGenAI Platform · リクエストの上限をなくす')
    await waitFor(() => expect(calls).toContain('DELETE /billing/members/usr_3/budgets/genai.chat'))
  })

  test('an admin limits members alone', async () => {
    open('admin', ['billing.manage'], [])
    const whose = await screen.findByLabelText('だれの')
    expect([...whose.querySelectorAll('option')].map((one) => one.textContent)).toEqual(['うみ'])
  })

  test('somebody who manages nothing reads their own', async () => {
    open('member', [], [used('usr_1', 'genai.chat', 3, 10)])
    expect(await screen.findByRole('heading', { name: 'あなたの今月の利用' })).toBeTruthy()
    expect(screen.queryByLabelText('だれの')).toBeNull()
    expect(await screen.findByText('GenAI Platform · リクエスト 3（上限10）')).toBeTruthy()
  })
})

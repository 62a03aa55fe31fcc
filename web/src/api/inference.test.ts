import { describe, expect, test, vi } from 'vitest'
import { createAccessKeeper } from './inference'
import type { PlanView } from './types'

function planWith(token: string, expiresAt: number): PlanView {
  return {
    storefront: 'misaki',
    plan: { id: 'guest', version: 1, title: { ja: 'お試し', en: 'Guest' }, price_yen: 0 },
    status: 'active',
    expires_at: null,
    limits: { per_minute: 6, concurrent: 1 },
    features: {},
    quotas: [],
    inference: { url: 'http://inference.test', token, expires_at: new Date(expiresAt).toISOString() },
  }
}

function keeper() {
  let now = 1_000_000
  let made = 0
  const fetchPlan = vi.fn(async () => {
    made += 1
    return planWith(`t${made}`, now + 300_000)
  })
  const pass = (ms: number) => {
    now += ms
  }
  return { ...createAccessKeeper(fetchPlan, () => now), fetchPlan, pass }
}

describe('the inference token', () => {
  test('is kept until less than half a minute is left', async () => {
    const { access, pass, fetchPlan } = keeper()
    expect((await access(false)).token).toBe('t1')
    pass(269_000)
    expect((await access(false)).token).toBe('t1')
    pass(2_000)
    expect((await access(false)).token).toBe('t2')
    expect(fetchPlan).toHaveBeenCalledTimes(2)
  })

  test('is renewed on demand, once for all who ask at the same time', async () => {
    const { access, fetchPlan } = keeper()
    await access(false)
    const [a, b] = await Promise.all([access(true), access(true)])
    expect([a.token, b.token]).toEqual(['t2', 't2'])
    expect(fetchPlan).toHaveBeenCalledTimes(2)
  })

  test('of the former person is not kept when someone else came in meanwhile', async () => {
    const { access, forget } = keeper()
    const former = access(false)
    forget()
    expect((await former).token).toBe('t1')
    expect((await access(false)).token).toBe('t2')
  })

  test('comes with the plan', async () => {
    const { access, remember, fetchPlan } = keeper()
    remember(planWith('given', 1_000_000 + 300_000))
    expect((await access(false)).token).toBe('given')
    expect(fetchPlan).not.toHaveBeenCalled()
  })
})

import { screen, waitFor } from '@testing-library/react'
import { describe, expect, test } from 'vitest'
import { rewardTitle } from '../../i18n/rewardWords'
import { json, openHouse, prepareHouse, press, problem, me as someone } from '../testHouse'

prepareHouse()

const patiently = { timeout: 10_000 }
const exchange = {
  id: 'ticket',
  title: { ja: 'チケット1枚', en: 'A ticket' },
  points: 500,
  unit: 'narai.ticket',
  amount: 1,
  days: 90,
}
const points = {
  balance: 520,
  unit: 'house.point',
  earn: [{ event: 'invoice', points: 1, per_yen: 100, days: 180 }],
  exchanges: [exchange, { ...exchange, id: 'more', title: { ja: 'チケット10枚', en: 'Ten' }, points: 5000 }],
}
const programme = {
  id: 'friends',
  title: { ja: 'おともだち紹介', en: 'Friends' },
  trigger: 'invoice',
  most: 20,
  referrer: { unit: 'house.point', amount: 500, days: 180 },
  code: null,
}
const house = {
  'GET /auth/me': () => json(someone({ permissions: [...someone().permissions, 'billing.manage'] })),
  'GET /me/points': () => json(points),
  'GET /me/referrals': () => json({ programmes: [programme], invitations: [] }),
}

describe('points and invitations', () => {
  test('points become what there are enough of, and a code is made by one press', async () => {
    const { bodies } = openHouse('/account/rewards', {
      ...house,
      'POST /points/redeem': () => json({ balance: 20 }),
      'POST /referrals': () => json({}),
    })
    await screen.findByText('520ポイント', undefined, patiently)
    expect(screen.getByText('あと4,480ポイント')).toBeTruthy()
    press('500ポイントを「チケット1枚」に交換する')
    await screen.findByText('交換しました。すぐに使えます。', undefined, patiently)
    expect(bodies['POST /points/redeem']).toEqual([{ exchange: 'ticket' }])
    press('招待コードをつくる')
    await waitFor(() => expect(bodies['POST /referrals']).toEqual([{ programme: 'friends' }]), patiently)
  }, 30_000)

  test('an invitation that one came with is accepted by one press, and a refusal is said', async () => {
    let tries = 0
    const { bodies } = openHouse('/account/rewards?code=ABCDEFGH', {
      ...house,
      'POST /referrals/accept': () => {
        tries += 1
        return tries === 1 ? problem(409, 'referral_own') : json({})
      },
    })
    await screen.findByDisplayValue('ABCDEFGH', undefined, patiently)
    press('招待を受ける')
    await screen.findByRole('alert', undefined, patiently)
    press('招待を受ける')
    await screen.findByText('招待をお受けしました', undefined, patiently)
    expect(bodies['POST /referrals/accept']).toEqual([{ code: 'ABCDEFGH' }, { code: 'ABCDEFGH' }])
  }, 30_000)

  test('what came in without being bought says what for', () => {
    expect(rewardTitle('points/invoice', 'ja')).toBe('お支払いのポイント')
    expect(rewardTitle('referral/referrer', 'en')).toBe('For an invitation')
    expect(rewardTitle('roll-over', 'ja')).toBe('前の期間からの繰り越し')
    expect(rewardTitle('misaki/gone', 'ja')).toBe('misaki/gone')
  })
})

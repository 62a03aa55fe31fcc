import { fireEvent, screen, waitFor, within } from '@testing-library/react'
import { describe, expect, test } from 'vitest'
import type { Delivery, Hook } from '../../api/hooks'
import { at, json, me, openHouse, prepareHouse, press, problem, type } from '../testHouse'
import { hookDraftOf, isWebAddress, termsOf } from './hookView'

prepareHouse()

const hook: Hook = {
  id: 'hook_1',
  url: 'https://example.jp/hooks',
  event_types: ['quota.threshold'],
  description: '',
  enabled: true,
  off_reason: null,
  failing_since: null,
  old_secret_until: null,
  created_at: at,
}
const types = {
  items: [
    { name: 'quota.threshold', text: { ja: '枠が残り少ない', en: 'Quota is running low' } },
    { name: 'subscription.changed', text: { ja: '契約が変わった', en: 'Subscription changed' } },
  ],
}
const delivery: Delivery = {
  id: 'dlv_1',
  event_type: 'quota.threshold',
  event: 'evt_1',
  url: null,
  state: 'dead',
  attempts: [
    { number: 1, at, status: 500, milliseconds: 120, error: null, answer: 'oh no' },
    {
      number: 2,
      at: '2026-11-20T13:00:00Z',
      status: null,
      milliseconds: 10_000,
      error: 'timed out',
      answer: null,
    },
  ],
  created_at: at,
}

const routes = {
  'GET /auth/me': () => json(me({ permissions: ['usage.read', 'profile.manage', 'tenant.manage'] })),
  'GET /hooks': () => json({ items: [hook] }),
  'GET /hooks/event-types': () => json(types),
  'GET /hooks/hook_1/deliveries': () => json({ items: [delivery], next_cursor: null }),
}

describe('webhooks', () => {
  test('begin with an empty list; a new one’s secret is shown once', async () => {
    let items: Hook[] = []
    const { bodies, router } = openHouse('/account/hooks', {
      ...routes,
      'GET /hooks': () => json({ items }),
      'POST /hooks': () => {
        items = [hook]
        return json({ hook, secret: 'whsec_abc' }, 201)
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: '送り先を加える' }))
    const add = () => fireEvent.click(screen.getByRole('button', { name: '送り先を加える' }))
    type('送り先のURL', 'example.jp')
    fireEvent.click(screen.getByLabelText('選んだものだけ'))
    add()
    expect(screen.getAllByText('https:// ではじまるURLを入れてください。').length).toBeGreaterThan(0)
    expect(screen.getByText('お知らせすることを、ひとつは選んでください。')).toBeTruthy()
    expect(bodies['POST /hooks']).toBeUndefined()
    type('送り先のURL', ' https://example.jp/hooks ')
    fireEvent.click(await screen.findByLabelText(/枠が残り少ない/))
    add()
    expect(await screen.findByText('whsec_abc')).toBeTruthy()
    expect(bodies['POST /hooks']).toEqual([{ url: 'https://example.jp/hooks', event_types: ['quota.threshold'] }])
    expect(router.state.location.search).toEqual({ hook: 'hook_1' })
    press('控えました')
    expect(screen.queryByText('whsec_abc')).toBeNull()
  })

  test('keep the focus of whoever has no mouse, as the form comes and goes', async () => {
    let items: Hook[] = []
    openHouse('/account/hooks', {
      ...routes,
      'GET /hooks': () => json({ items }),
      'POST /hooks': () => {
        items = [hook]
        return json({ hook, secret: 'whsec_abc' }, 201)
      },
    })
    const opener = () => screen.findByRole('button', { name: '送り先を加える' })
    const focused = () => document.activeElement
    fireEvent.click(await opener())
    expect(focused()).toBe(screen.getByLabelText('送り先のURL'))
    press('やめる')
    expect(focused()).toBe(await opener())
    fireEvent.click(await opener())
    type('送り先のURL', 'https://example.jp/hooks')
    press('送り先を加える')
    await waitFor(() => expect(screen.queryByLabelText('送り先のURL')).toBeNull())
    expect(focused()).toBe(await opener())
  })

  test('show each delivery with what was tried, and send it again', async () => {
    let items = [delivery]
    const { bodies } = openHouse('/account/hooks?hook=hook_1', {
      ...routes,
      'GET /hooks/hook_1/deliveries': () => json({ items, next_cursor: null }),
      'POST /hooks/deliveries/dlv_1/replay': () => {
        items = [{ ...delivery, state: 'delivered' }]
        return json({}, 202)
      },
    })
    expect(await screen.findByText('届きませんでした')).toBeTruthy()
    // the page keeps its tab, whichever webhook is open
    expect(screen.getByRole('link', { name: 'Webhookの送り先' }).getAttribute('aria-current')).toBe('page')
    expect(await screen.findByText('枠が残り少ない')).toBeTruthy()
    expect(screen.getByText('2回送りました')).toBeTruthy()
    expect(screen.getByText('返事 500（120ミリ秒）')).toBeTruthy()
    expect(screen.getByText('返事なし（10000ミリ秒）')).toBeTruthy()
    press('evt_1 をもう一度送る')
    expect(await screen.findByText('届きました')).toBeTruthy()
    expect(bodies['POST /hooks/deliveries/dlv_1/replay']).toHaveLength(1)
  })

  test('are switched off, tested, given a new secret and deleted', async () => {
    let items = [hook]
    const { bodies, calls, router } = openHouse('/account/hooks?hook=hook_1', {
      ...routes,
      'GET /hooks': () => json({ items }),
      'POST /hooks/hook_1/test': () => json({}, 202),
      'PATCH /hooks/hook_1': () => {
        items = [{ ...hook, enabled: false, off_reason: 'owner' }]
        return json(items[0])
      },
      'POST /hooks/hook_1/secret': () => json({ secret: 'whsec_new', old_secret_until: '2026-11-21T12:00:00Z' }, 201),
      'DELETE /hooks/hook_1': () => {
        items = []
        return new Response(null, { status: 204 })
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: '試しに送る' }))
    expect(await screen.findByText(/試しのお知らせを送りました/)).toBeTruthy()
    press('署名の鍵を入れ替える')
    const roll = screen.getByRole('dialog', { name: '署名の鍵を入れ替えますか' })
    fireEvent.click(within(roll).getByRole('button', { name: '署名の鍵を入れ替える' }))
    expect(await screen.findByText('whsec_new')).toBeTruthy()
    expect(screen.getByText(/前の鍵は11月21日/)).toBeTruthy()
    press('止める')
    expect(await screen.findByRole('button', { name: '動かす' })).toBeTruthy()
    expect(bodies['PATCH /hooks/hook_1']).toEqual([{ enabled: false }])
    press('消す')
    const dialog = screen.getByRole('dialog', { name: 'この送り先を消しますか' })
    expect(calls).not.toContain('DELETE /hooks/hook_1')
    fireEvent.click(within(dialog).getByRole('button', { name: '消す' }))
    expect(await screen.findByRole('heading', { name: 'まだ送り先はありません' })).toBeTruthy()
    expect(router.state.location.search).toEqual({})
  })

  test('tell a refusal in words and keep what was typed', async () => {
    openHouse('/account/hooks', {
      ...routes,
      'POST /hooks': () =>
        problem(422, 'invalid', {
          errors: [{ pointer: '/url', code: 'private_address', text: { ja: '内側の住所です', en: 'private' } }],
        }),
    })
    fireEvent.click(await screen.findByRole('button', { name: '送り先を加える' }))
    type('送り先のURL', 'https://10.0.0.1/')
    fireEvent.click(screen.getByRole('button', { name: '送り先を加える' }))
    await waitFor(() => expect(screen.getAllByText('内側の住所です').length).toBeGreaterThan(0))
    expect((screen.getByLabelText('送り先のURL') as HTMLInputElement).value).toBe('https://10.0.0.1/')
  })
})

describe('what a webhook is asked to be', () => {
  test('goes out as it came in', () => {
    expect(termsOf(hookDraftOf(hook))).toEqual({ url: hook.url, event_types: hook.event_types })
    expect(termsOf(hookDraftOf({ ...hook, event_types: [] }))).toEqual({ url: hook.url, event_types: [] })
  })

  test.each([
    ['https://example.jp/a', true],
    [' http://localhost:3000 ', true],
    ['example.jp', false],
    ['javascript:alert(1)', false],
    ['', false],
  ])('%s is an address: %s', (text, good) => {
    expect(isWebAddress(text)).toBe(good)
  })
})

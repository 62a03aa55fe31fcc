import { act, fireEvent, screen, waitFor, within } from '@testing-library/react'
import { describe, expect, test, vi } from 'vitest'
import type { ApiKey, Me } from '../api/types'
import { at, json, me, openHouse, prepareHouse, press, problem, type } from './testHouse'

prepareHouse()

const key: ApiKey = {
  id: 'key_1',
  name: '夜の集計',
  hint: 'nrn_ab12…wxyz',
  storefront: 'genai',
  scopes: ['inference.use'],
  models: null,
  ip_ranges: null,
  daily_cap: null,
  daily_cost_nano_usd: null,
  expires_at: null,
  created_at: at,
  last_used_at: null,
  grace_until: null,
  status: 'active',
}

describe('signing in', () => {
  test('asks for the second factor, takes full-width digits, and goes on to where one wanted to go', async () => {
    const { bodies, pathname } = openHouse('/sign-in?next=%2Faccount%2Fprofile', {
      'POST /auth/login': () => json({ ticket: 'tick', methods: ['totp', 'recovery'] }, 202),
      'POST /auth/login/second': () => json(me()),
    })
    await screen.findByRole('heading', { level: 1, name: 'サインイン' })
    type('メールアドレス', 'a@example.jp')
    type('パスワード', 'correct horse')
    press('サインイン')
    await screen.findByRole('heading', { level: 1, name: 'もうひとつの確認' })
    const code = screen.getByLabelText('確認コード')
    expect(code.getAttribute('autocomplete')).toBe('one-time-code')
    type('確認コード', '１２３ ４５６')
    press('確かめて入る')
    await waitFor(() => expect(pathname()).toBe('/account/profile'))
    expect(bodies['POST /auth/login/second']).toEqual([{ ticket: 'tick', code: '123456' }])
  })

  test('a wrong password is told in a summary that has the focus, and the input stays', async () => {
    openHouse('/sign-in', {
      'POST /auth/login': () => problem(429, 'too_many_attempts', { retry_after: 840 }),
    })
    await screen.findByRole('heading', { level: 1, name: 'サインイン' })
    type('メールアドレス', 'a@example.jp')
    type('パスワード', 'wrong')
    press('サインイン')
    const summary = await screen.findByRole('alert')
    expect(document.activeElement).toBe(summary)
    expect(summary.textContent).toContain('約14分後')
    expect(screen.getByLabelText('メールアドレス')).toHaveProperty('value', 'a@example.jp')
    expect(screen.getByLabelText('メールアドレス').getAttribute('autocomplete')).toBe('username webauthn')
  })

  test('says the title of a page that came by a link, and nothing of the first', async () => {
    openHouse('/sign-in', {})
    await screen.findByRole('heading', { level: 1, name: 'サインイン' })
    const said = () => screen.getAllByRole('status').map((status) => status.textContent)
    expect(said()).not.toContain(document.title)
    fireEvent.click(screen.getByRole('link', { name: 'アカウントをつくる' }))
    await screen.findByRole('heading', { level: 1, name: 'アカウントをつくる' })
    await waitFor(() => expect(said()).toContain('アカウントをつくる | 暖簾 Noren'))
  })

  test.each(['https://elsewhere.example/', '//elsewhere.example', '/\t/elsewhere.example'])(
    'never goes on to %j',
    async (next) => {
      const { pathname } = openHouse(`/sign-in?next=${encodeURIComponent(next)}`, {
        'POST /auth/login': () => json(me()),
        'POST /auth/guest': () => json(me()),
      })
      await screen.findByRole('heading', { level: 1, name: 'サインイン' })
      expect(screen.getByRole('link', { name: 'アカウントをつくる' }).getAttribute('href')).toBe('/sign-up')
      type('メールアドレス', 'a@example.jp')
      type('パスワード', 'correct horse')
      press('サインイン')
      await waitFor(() => expect(pathname()).toBe('/misaki'))
    },
  )

  test('offers the issuers that the house trusts, and carries the way on', async () => {
    openHouse('/sign-in?next=%2Faccount', {
      'GET /auth/issuers': () => json({ items: [{ id: 'cognito', name: 'Cognito' }] }),
    })
    const link = await screen.findByRole('link', { name: 'Cognitoでサインイン' })
    expect(link.getAttribute('href')).toBe('/auth/oidc/cognito?next=%2Faccount')
  })

  test('a child comes in with three things, and finds a way out and nothing that costs', async () => {
    const child = me({ permissions: ['members.read'] }, 'child', 'family')
    const { bodies, pathname } = openHouse('/sign-in/child?family=k7q2m9xd', {
      'POST /auth/login/child': () => json(child),
    })
    await screen.findByRole('heading', { level: 1, name: 'はいる' })
    expect(screen.getByLabelText('おうちの コード')).toHaveProperty('value', 'k7q2m9xd')
    type('なまえ', 'あおい')
    type('ひみつの すうじ', '１２３４５６')
    press('はいる')
    await screen.findByRole('heading', { level: 1, name: 'あおいさん、こんにちは' })
    expect(pathname()).toBe('/account')
    expect(bodies['POST /auth/login/child']).toEqual([{ family: 'k7q2m9xd', name: 'あおい', pin: '123456' }])
    expect(screen.getByRole('button', { name: 'おわる' })).toBeTruthy()
    expect(screen.queryByRole('navigation', { name: '帳場の中' })).toBeNull()
    expect(document.body.textContent).not.toMatch(/[¥￥円]/)
  })
})

describe('signing up', () => {
  test('goes on at once, says where the letter went, and keeps the first key for one look', async () => {
    const fresh = me({ user: { ...me().user, email_verified: false } as Me['user'] })
    const { router, pathname } = openHouse('/sign-up?next=%2Faccount%2Fprofile', {
      'POST /auth/register': () =>
        json({ ...fresh, api_key: { id: 'key_1', name: 'first', secret: 'nrn_secret' } }, 201),
      'GET /keys': () => json({ items: [key] }),
    })
    await screen.findByRole('heading', { level: 1, name: 'アカウントをつくる' })
    type('メールアドレス', 'a@example.jp')
    type('パスワード', 'correct horse battery')
    press('アカウントをつくる')
    await screen.findByText('a@example.jp にお手紙を送りました')
    expect(pathname()).toBe('/account/profile')
    expect(screen.getByRole('link', { name: 'この体験版のポストを開く' }).getAttribute('href')).toBe('/sandbox/mailbox')
    expect(screen.getByRole('button', { name: 'お手紙をもう一度送る' })).toBeTruthy()
    // the key is for who came for the API
    expect(screen.queryByRole('link', { name: '最初のAPIキーを見る' })).toBeNull()
    await act(() => router.navigate({ to: '/genai/status' }))
    fireEvent.click(await screen.findByRole('link', { name: '最初のAPIキーを見る' }))
    expect(await screen.findByText('nrn_secret')).toBeTruthy()
    expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain('nrn_secret')
    press('控えました')
    expect(screen.queryByText('nrn_secret')).toBeNull()
    press('あとで')
    expect(screen.queryByText('a@example.jp にお手紙を送りました')).toBeNull()
    await router.navigate({ to: '/account/profile' })
    expect(screen.queryByText('a@example.jp にお手紙を送りました')).toBeNull()
  })

  test('explains a weak password beside the field', async () => {
    openHouse('/sign-up', {
      'POST /auth/register': () =>
        problem(422, 'invalid_input', {
          errors: [{ pointer: '/password', code: 'weak_password', text: { ja: 'よく使われています。', en: 'common' } }],
        }),
    })
    await screen.findByRole('heading', { level: 1, name: 'アカウントをつくる' })
    type('メールアドレス', 'a@example.jp')
    type('パスワード', 'password1')
    press('アカウントをつくる')
    expect(await screen.findByText(/関係のない言葉を/)).toBeTruthy()
    expect(screen.getByLabelText('パスワード').getAttribute('aria-invalid')).toBe('true')
  })
})

describe('links of letters', () => {
  test('an address is confirmed once, however often the page is drawn', async () => {
    const { bodies } = openHouse('/link/verify#tok', {
      'POST /auth/email/verify': () => json({ email: 'a@example.jp' }),
    })
    expect(await screen.findByRole('heading', { level: 1, name: 'アドレスを確認しました' })).toBeTruthy()
    expect(bodies['POST /auth/email/verify']).toEqual([{ token: 'tok' }])
    expect(window.location.hash).toBe('')
  })

  test('an old link offers a fresh one', async () => {
    const waiting = me({ user: { ...me().user, email_verified: false } as Me['user'] })
    const { calls } = openHouse('/link/verify#old', {
      'GET /auth/me': () => json(waiting),
      'POST /auth/email/verify': () => problem(410, 'link_expired'),
      'POST /auth/email/resend': () => json({}, 202),
    })
    await screen.findByRole('heading', { level: 1, name: 'このリンクはもう使えません' })
    fireEvent.click(await screen.findByRole('button', { name: '新しいリンクを送る' }))
    expect(await screen.findByText(/新しいリンクを送りました/)).toBeTruthy()
    expect(calls.filter((call) => call === 'POST /auth/email/verify')).toHaveLength(1)
  })

  test('a new password is set with the token, and everyone is signed out', async () => {
    const { bodies } = openHouse('/link/reset#tok', {
      'POST /auth/password/reset': () => new Response(null, { status: 204 }),
    })
    await screen.findByRole('heading', { level: 1, name: '新しいパスワードを決める' })
    expect(screen.getByLabelText('新しいパスワード').getAttribute('autocomplete')).toBe('new-password')
    type('新しいパスワード', 'correct horse battery')
    press('このパスワードにする')
    expect(await screen.findByRole('heading', { level: 1, name: 'パスワードを変えました' })).toBeTruthy()
    expect(bodies['POST /auth/password/reset']).toEqual([{ token: 'tok', password: 'correct horse battery' }])
  })

  test('an invitation for another address says which account it takes', async () => {
    openHouse('/link/invite#tok', {
      'GET /auth/me': () => json(me()),
      'POST /invitations/view': () =>
        json({
          tenant: { kind: 'family', name: '高橋家' },
          role: 'guardian',
          email: 'hanako@example.jp',
          stale: false,
        }),
      'POST /invitations/accept': () => problem(409, 'other_address'),
    })
    fireEvent.click(await screen.findByRole('button', { name: '招待を受ける' }))
    expect(await screen.findByText(/hanako@example.jp あてです。このアドレスのアカウントで/)).toBeTruthy()
    expect(screen.getByRole('link', { name: 'そのアカウントでサインイン' }).getAttribute('href')).toBe(
      '/sign-in?next=%2Flink%2Finvite',
    )
  })

  test('a stale invitation is one press away from a fresh link', async () => {
    const { bodies } = openHouse('/link/invite#old', {
      'POST /invitations/view': () =>
        json({ tenant: { kind: 'team', name: '分室' }, role: 'member', email: 'h@example.jp', stale: true }),
      'POST /invitations/refresh': () => json({}, 202),
    })
    fireEvent.click(await screen.findByRole('button', { name: '新しいリンクを送る' }))
    expect(await screen.findByText(/新しいリンクを送りました/)).toBeTruthy()
    expect(bodies['POST /invitations/refresh']).toEqual([{ token: 'old' }])
  })

  test('whoever forgot a password after typing their address need not type it again', async () => {
    const { bodies, pathname } = openHouse('/sign-in', { 'POST /auth/password/forgot': () => json({}, 202) })
    fireEvent.change(await screen.findByLabelText(/メールアドレス/), { target: { value: 'hanako@example.jp' } })
    fireEvent.click(screen.getByRole('link', { name: 'パスワードを忘れたとき' }))
    fireEvent.click(await screen.findByRole('button', { name: 'リンクを送る' }))
    expect(await screen.findByText(/hanako@example.jp/)).toBeTruthy()
    expect(pathname()).toBe('/forgot')
    expect(bodies['POST /auth/password/forgot']).toEqual([{ email: 'hanako@example.jp', locale: 'ja' }])
  })

  test('an issuer’s answer that a first tab has taken lets the second one in', async () => {
    let asked = 0
    const { pathname } = openHouse('/auth/callback?code=1&state=2', {
      'POST /auth/callback': () => {
        asked += 1
        return problem(401, 'unauthenticated')
      },
      'GET /auth/me': () => json(me()),
    })
    await waitFor(() => expect(pathname()).toBe('/account'))
    expect(asked).toBe(1)
  })
})

describe('a change that needs a proof', () => {
  test('opens the dialog by itself, and goes on where it was', async () => {
    let proved = false
    const { bodies, calls } = openHouse('/account/keys', {
      'GET /auth/me': () => json(me()),
      'GET /auth/factors': () => json({ password: true, totp: false, recovery_codes_left: 0, passkeys: [] }),
      'GET /keys': () => json({ items: [key] }),
      'POST /auth/step-up': () => {
        proved = true
        return json(me({ stepped_up_until: at }))
      },
      'POST /keys': () => (proved ? json({ key, secret: 'nrn_the_secret' }, 201) : problem(403, 'step_up_required')),
    })
    fireEvent.click(await screen.findByRole('button', { name: '鍵をつくる' }))
    type('鍵の名前', '朝の集計')
    press('鍵をつくる')
    const dialog = await screen.findByRole('dialog', { name: 'ご本人の確認' })
    fireEvent.change(await within(dialog).findByLabelText('パスワード'), { target: { value: 'correct horse' } })
    fireEvent.click(within(dialog).getByRole('button', { name: '確認する' }))
    expect(await screen.findByText('nrn_the_secret')).toBeTruthy()
    expect(screen.queryByRole('dialog')).toBeNull()
    expect(bodies['POST /auth/step-up']).toEqual([{ password: 'correct horse' }])
    expect(bodies['POST /keys']).toEqual([
      { name: '朝の集計', scopes: ['inference.use', 'usage.read'] },
      { name: '朝の集計', scopes: ['inference.use', 'usage.read'] },
    ])
    expect(calls.filter((call) => call === 'GET /auth/factors')).toHaveLength(1)
  })
})

describe('on a phone', () => {
  test('an address that waits for its confirmation takes one line, until it is opened', async () => {
    vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }))
    const waiting = me({ user: { ...me().user, email_verified: false } as Me['user'] })
    openHouse('/account/profile', { 'GET /auth/me': () => json(waiting) })
    const line = await screen.findByText('メールアドレスを確かめてください')
    const fold = line.closest('details') as HTMLDetailsElement
    expect(fold.open).toBe(false)
    expect(within(fold).getByText('お手紙をもう一度送る')).toBeTruthy()
  })
})

describe('the audit log', () => {
  test('says in words what was done and by whom, and keeps the codes for the details', async () => {
    const row = (n: number, action: string, actor: string) => ({
      id: `aud_${n}`,
      seq: n,
      at,
      actor,
      action,
      target: `ses_${n}`,
      before: null,
      after: null,
      request_id: 'req_1',
      network: '',
      hash: '',
    })
    openHouse('/account/audit', {
      'GET /auth/me': () => json(me()),
      'GET /audit': () =>
        json({ items: [row(2, 'payment.record', 'stripe'), row(1, 'session.start', 'usr_1')], next_cursor: null }),
    })
    expect(await screen.findByText('サインインした')).toBeTruthy()
    expect(screen.getByText('お支払いを記録した')).toBeTruthy()
    expect(screen.getByText('誰が あなた')).toBeTruthy()
    expect(screen.getByText('誰が 決済サービス')).toBeTruthy()
    for (const code of ['session.start', 'usr_1', 'ses_1'])
      expect(screen.getByText(code).closest('details')).not.toBeNull()
  })
})

describe('a form within a page', () => {
  test.each([false, true])(
    'keeps the focus of whoever has no mouse, as it comes and goes (keys before: %s)',
    async (some) => {
      let items = some ? [key] : []
      openHouse('/account/keys', {
        'GET /auth/me': () => json(me()),
        'GET /keys': () => json({ items }),
        'POST /keys': () => {
          items = [key]
          return json({ key, secret: 'nrn_the_secret' }, 201)
        },
      })
      const opener = () => screen.findByRole('button', { name: '鍵をつくる' })
      fireEvent.click(await opener())
      expect(document.activeElement).toBe(screen.getByLabelText('鍵の名前'))
      press('やめる')
      expect(document.activeElement).toBe(await opener())
      fireEvent.click(await opener())
      type('鍵の名前', '朝の集計')
      const form = screen.getByLabelText('鍵の名前').closest('form') as HTMLElement
      fireEvent.submit(form)
      await waitFor(() => expect(screen.queryByLabelText('鍵の名前')).toBeNull())
      expect(document.activeElement).toBe(await opener())
    },
  )
})

describe('a key that is there', () => {
  test('gets a new name and a cap, and only those are sent', async () => {
    let now = key
    const { bodies } = openHouse('/account/keys', {
      'GET /auth/me': () => json(me()),
      'GET /keys': () => json({ items: [now] }),
      'PATCH /keys/key_1': () => {
        now = { ...key, name: '朝の集計', daily_cap: 500 }
        return json(now)
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: '鍵「夜の集計」を変える' }))
    const dialog = screen.getByRole('dialog', { name: '鍵「夜の集計」を変える' })
    const field = (label: string) => within(dialog).getByLabelText(label)
    fireEvent.change(field('鍵の名前'), { target: { value: '朝の集計' } })
    fireEvent.change(field('1日の上限（回）'), { target: { value: 'たくさん' } })
    fireEvent.click(within(dialog).getByRole('button', { name: '保存する' }))
    expect(within(dialog).getAllByText('1以上の整数で入れてください。').length).toBeGreaterThan(0)
    fireEvent.change(field('1日の上限（回）'), { target: { value: '５００' } })
    fireEvent.click(within(dialog).getByRole('button', { name: '保存する' }))
    expect(await screen.findByText('1日500回まで')).toBeTruthy()
    expect(screen.queryByRole('dialog')).toBeNull()
    expect(bodies['PATCH /keys/key_1']).toEqual([{ name: '朝の集計', daily_cap: 500 }])
  })
})

describe('whoever asked to be deleted', () => {
  test('is told on every page, and calls it off with one press', async () => {
    let leaving: string | null = '2026-12-20T00:00:00Z'
    openHouse('/webgpt', {
      'GET /auth/me': () => json(me({ deletion_at: leaving })),
      'DELETE /account/deletion': () => {
        leaving = null
        return new Response(null, { status: 204 })
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: '消すのをやめる' }))
    await waitFor(() => expect(screen.queryByRole('button', { name: '消すのをやめる' })).toBeNull())
  })
})

describe('acting for a group', () => {
  test('the menu lists every tenant, and switching begins the pages anew', async () => {
    const own = me()
    const family = { id: 'tnt_family', kind: 'family', name: '高橋家', role: 'guardian' } as const
    const tenants = [own.tenant, family]
    const { bodies } = openHouse('/account/keys', {
      'GET /auth/me': () => json({ ...own, tenants }),
      'GET /keys': () => json({ items: [key] }),
      'POST /auth/tenant': () => json({ ...own, tenant: family, tenants }),
    })
    fireEvent.click(await screen.findByRole('button', { name: '立場と帳場: あおい' }))
    fireEvent.click(screen.getByRole('button', { name: /高橋家/ }))
    expect(await screen.findByRole('button', { name: '立場と帳場: 高橋家' })).toBeTruthy()
    expect(bodies['POST /auth/tenant']).toEqual([{ tenant: 'tnt_family' }])
    expect(await screen.findByRole('link', { name: '家族' })).toBeTruthy()
  })

  test('a page of another role says so, and stays out of the server’s way', async () => {
    const { calls } = openHouse('/account/keys', {
      'GET /auth/me': () =>
        json(me({ permissions: ['usage.read', 'profile.manage', 'members.read'] }, 'member', 'team')),
    })
    expect(await screen.findByRole('heading', { level: 1, name: 'このページは開けません' })).toBeTruthy()
    expect(calls).not.toContain('GET /keys')
  })
})

import { focusManager, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, RouterProvider } from '@tanstack/react-router'
import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { misakiAccess } from '../../api/inference'
import type { Chat, Me, Message, PlanView } from '../../api/types'
import { createHouseRouter } from '../../shell/router'

type Handler = (request: Request) => Response | Promise<Response>

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
const problem = (status: number, code: string, more: object = {}) =>
  new Response(
    JSON.stringify({
      type: `urn:noren:problem:${code}`,
      code,
      status,
      title: code,
      text: { ja: `${code}です`, en: code },
      ...more,
    }),
    { status, headers: { 'content-type': 'application/problem+json' } },
  )
const at = '2026-11-20T12:00:00Z'
const user = (text: string): Message => ({
  id: `u-${text}`,
  role: 'user',
  text,
  at,
  versions: [`u-${text}`],
  canned: null,
  run: null,
  feedback: null,
})
const assistant = (text: string, run: Message['run'] = null, canned: Message['canned'] = null): Message => ({
  id: `a-${text}`,
  role: 'assistant',
  text,
  at,
  versions: [`a-${text}`],
  canned,
  run,
  feedback: null,
})
const plan: PlanView = {
  storefront: 'misaki',
  plan: { id: 'guest', version: 1, title: { ja: 'お試し', en: 'Guest' }, price_yen: 0 },
  status: 'active',
  expires_at: null,
  limits: { per_minute: 6, concurrent: 1 },
  features: {},
  quotas: [{ unit: 'misaki.chat', granted: 10, available: 8, held: 0, used: 2, resets_at: at, every: 'day' }],
  inference: { url: 'http://inference.test', token: 't', expires_at: '2999-01-01T00:00:00Z' },
}
const phrases = {
  version: 1,
  phrases: [
    {
      id: 'hello',
      match: ['こんばんは'],
      chip: true,
      replies: [{ when: 'any', text: 'いらっしゃい、**「待ってた」**よ。' }],
    },
  ],
}
const guest: Me = {
  user: null,
  tenant: { id: 'tnt_1', kind: 'person', name: '', role: 'guest' },
  tenants: [{ id: 'tnt_1', kind: 'person', name: '', role: 'guest' }],
  guest: true,
  permissions: ['inference.use', 'usage.read', 'members.read'],
  signed_in_at: null,
  stepped_up_until: null,
  deletion_at: null,
}

const offer = (id: string, amount: number, version = 1) => ({
  id,
  version,
  title: { ja: '無料会員', en: 'Member' },
  price_yen: 0,
  limits: { per_minute: 10, concurrent: 1 },
  grants: [{ unit: 'misaki.chat', amount, every: 'day', roll_over: null }],
  features: {},
  highlights: [],
})

function openHouse(path: string, routes: Record<string, Handler>) {
  const calls: string[] = []
  const all: Record<string, Handler> = {
    'POST /auth/guest': () => json(guest, 201),
    'GET /billing/plan': () => json(plan),
    'GET /api/misaki/phrases': () => json(phrases),
    'GET /api/misaki/chats': () => json({ items: [], next_cursor: null }),
    ...routes,
  }
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input instanceof Request ? input : new URL(String(input), 'http://localhost'), init)
    const call = `${request.method} ${new URL(request.url).pathname}`
    calls.push(call)
    return all[call]?.(request) ?? problem(404, 'not_found')
  })
  // as the app itself: what is read anew when somebody comes back says so
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false } } })
  const history = createMemoryHistory({ initialEntries: [path] })
  const router = createHouseRouter(client, history)
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  )
  return { calls, router }
}

async function say(text: string) {
  const box = await screen.findByRole('textbox')
  fireEvent.change(box, { target: { value: text } })
  fireEvent.keyDown(box, { key: 'Enter', keyCode: 13 })
}

// The page is read in before the first test waits for it.
beforeAll(async () => {
  await import('./MisakiPage')
})
beforeEach(() => {
  misakiAccess.forget()
  sessionStorage.clear()
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe() {}
      disconnect() {}
    },
  )
  vi.stubGlobal('scrollTo', () => undefined)
  Element.prototype.scrollTo = () => undefined
})
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

describe('the bar', () => {
  test('opens for a guest in silence, and says what is left', async () => {
    const { calls } = openHouse('/misaki', {})
    expect(await screen.findByText('本日あと8回')).toBeTruthy()
    expect(calls.filter((call) => call === 'POST /auth/guest')).toHaveLength(1)
    expect(calls).not.toContain('GET /auth/me')
    expect(screen.getAllByRole('heading', { level: 1 })).toHaveLength(1)
  })

  test('names no day of a balance that holds more than the plan gives, and leads to what it is made of', async () => {
    const quotas = plan.quotas.map((quota) => ({ ...quota, granted: 110, available: 108 }))
    openHouse('/misaki', {
      'GET /billing/plan': () => json({ ...plan, quotas }),
      'GET /billing/plans': () => json({ items: [offer('guest', 10)] }),
    })
    const left = await screen.findByRole('link', { name: 'あと108回' })
    expect(left.getAttribute('href')).toBe('/account/ledger?unit=misaki.chat')
    expect(screen.queryByText(/本日あと/)).toBeNull()
  })

  test.each(['/misaki', '/misaki/passing'])(
    'what is said at %s before the door has opened waits for it',
    async (path) => {
      let open: (response: Response) => void = () => undefined
      let inside = false
      const { calls } = openHouse(path, {
        'POST /auth/guest': () =>
          new Promise((resolve) => {
            open = resolve
          }),
        'GET /billing/plan': () => (inside ? json(plan) : problem(401, 'unauthenticated')),
        'POST /misaki/messages': () =>
          json({ kind: 'canned', chat_id: 'chat_1', user: user('ねえ'), assistant: assistant('なあに') }),
        'POST /misaki/passing': () => json({ kind: 'canned', text: 'なあに', canned: { id: 'hello', rule: 'exact' } }),
      })
      await say('ねえ')
      await screen.findByText('ねえ')
      await waitFor(() => expect(calls).toContain('POST /auth/guest'))
      expect(calls).not.toContain('GET /billing/plan')
      inside = true
      open(json(guest, 201))
      expect(await screen.findByText('なあに')).toBeTruthy()
      expect(screen.queryByText('unauthenticatedです')).toBeNull()
    },
  )

  test('shows a prepared answer before the server has heard of it, and records it under one key', async () => {
    let answer: (response: Response) => void = () => undefined
    const keys: (string | null)[] = []
    openHouse('/misaki', {
      'POST /misaki/messages': (request) => {
        keys.push(request.headers.get('idempotency-key'))
        return new Promise((resolve) => {
          answer = resolve
        })
      },
    })
    fireEvent.click(await screen.findByRole('button', { name: 'こんばんは' }))
    expect((await screen.findByText('「待ってた」')).tagName).toBe('STRONG')
    expect(screen.getByText('定型')).toBeTruthy()
    await waitFor(() => expect(keys).toHaveLength(1))
    expect(keys[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    answer(
      json({
        kind: 'canned',
        chat_id: 'chat_1',
        user: user('こんばんは'),
        assistant: assistant('いらっしゃい、**「待ってた」**よ。', null, { id: 'hello', rule: 'exact' }),
      }),
    )
    await waitFor(() => expect(screen.getAllByText('「待ってた」')).toHaveLength(1))
    expect(screen.getAllByText('定型')).toHaveLength(1)
  })

  test('sends again under the same key, and keeps what was written', async () => {
    const keys: (string | null)[] = []
    openHouse('/misaki', {
      'POST /misaki/messages': (request) => {
        keys.push(request.headers.get('idempotency-key'))
        return keys.length === 1
          ? problem(503, 'upstream_unavailable', { request_id: 'req_7' })
          : json({ kind: 'canned', chat_id: 'chat_1', user: user('ねえ'), assistant: assistant('なあに') })
      },
    })
    await say('ねえ')
    expect(await screen.findByText('upstream_unavailableです')).toBeTruthy()
    expect(screen.getByText('req_7')).toBeTruthy()
    expect(screen.getByText('ねえ')).toBeTruthy()
    fireEvent.click(screen.getByRole('button', { name: 'もう一度送る' }))
    expect(await screen.findByText('なあに')).toBeTruthy()
    expect(keys).toHaveLength(2)
    expect(keys[0]).toBe(keys[1])
  })

  test('gives the text back to whoever wants to write it anew', async () => {
    openHouse('/misaki', { 'POST /misaki/messages': () => problem(429, 'rate_exceeded', { retry_after: 12 }) })
    await say('急ぎの話')
    expect(await screen.findByText('約12秒後に送れます。')).toBeTruthy()
    fireEvent.click(screen.getByRole('button', { name: '書き直す' }))
    expect(screen.getByRole('textbox')).toHaveProperty('value', '急ぎの話')
  })

  test('shows the way back in to whom another device has signed out, and keeps what was written', async () => {
    openHouse('/misaki', { 'POST /misaki/messages': () => problem(401, 'unauthenticated') })
    await say('つづきの話')
    const way = await within(await screen.findByRole('main')).findByRole('link', { name: 'サインイン' })
    expect(way.getAttribute('href')).toBe('/sign-in?next=%2Fmisaki')
    fireEvent.click(screen.getByRole('button', { name: '書き直す' }))
    expect(screen.getByRole('textbox')).toHaveProperty('value', 'つづきの話')
  })

  test('offers a way on when the allowance is used up, in the page and not over it', async () => {
    openHouse('/misaki', {
      'POST /misaki/messages': () =>
        problem(402, 'quota_exhausted', {
          suggestion: { plan: 'free', title: { ja: '無料会員', en: 'Member' }, url: '/sign-up' },
        }),
      'GET /billing/plans': () => json({ items: [offer('free', 30)] }),
    })
    await screen.findByText('本日あと8回')
    await say('もう少し')
    const way = await screen.findByRole('link', { name: '無料会員になる（1日30回）' })
    expect(screen.getByText(/^今日話せる分は、ぜんぶ話しちゃったね。11月20日.*になったら、また話そう。$/)).toBeTruthy()
    expect(screen.queryByText(/quota_exhaustedです/)).toBeNull()
    expect(way.getAttribute('href')).toBe('/sign-up?next=%2Fmisaki')
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  test.each([
    [402, 'quota_exhausted', {}, '今日話せる分は、ぜんぶ話しちゃったね。'],
    [429, 'rate_exceeded', { retry_after: 9 }, '続けて話せるのは、1分に6回までなの。'],
  ])(
    'a refusal with %i says why and leads to the plan that would allow it, and back',
    async (status, code, more, why) => {
      const { router } = openHouse('/misaki', {
        'POST /misaki/messages': () =>
          problem(status, code, {
            ...more,
            suggestion: { plan: 'paid', title: { ja: 'なじみ', en: 'Regular' }, url: '/plans/misaki?plan=paid' },
          }),
        'GET /auth/me': () => json(guest),
        'GET /billing/plans': () => json({ items: [] }),
      })
      await screen.findByText('本日あと8回')
      await say('もう少し')
      expect(await screen.findByText(new RegExp(why))).toBeTruthy()
      // the seconds of the server's sentence would stand still beside those that are counted down
      expect(screen.queryByText(new RegExp(`${code}です`))).toBeNull()
      const way = screen.getByRole('link', { name: '「なじみ」のプランを見る' })
      expect(way.getAttribute('href')).toBe('/plans/misaki?plan=paid&next=%2Fmisaki')
      expect(screen.queryByRole('dialog')).toBeNull()
      fireEvent.click(way)
      await waitFor(() => expect(router.state.location.pathname).toBe('/plans/misaki'))
    },
  )

  test('takes an answer up again after a reload, without doubling it', async () => {
    const run = { id: 'run_1', state: 'running' as const, reason: null, is_closed: false, model: null }
    const events = [
      ['started', { run_id: 'run_1', model: 'sandbox-mama' }],
      ['delta', { text: 'あたたかい' }],
      ['delta', { text: 'お茶をどうぞ。' }],
      ['ended', { state: 'completed', reason: null, tokens_in: 1, tokens_out: 2, cost_nano_usd: 0 }],
    ] as const
    const stream = events.map(([event, data], n) => `id: ${n + 1}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    const asked: string[] = []
    openHouse('/misaki/chat/chat_1', {
      'GET /api/misaki/chats/chat_1': () =>
        json({
          id: 'chat_1',
          title: 'お茶',
          created_at: at,
          updated_at: at,
          messages: [user('寒い'), assistant('あたた', run)],
        }),
      'GET /inference/run_1/events': (request) => {
        asked.push(new URL(request.url).search)
        return new Response(stream.join(''), { headers: { 'content-type': 'text/event-stream' } })
      },
    })
    expect(await screen.findByText('あたたかいお茶をどうぞ。', { selector: 'p' })).toBeTruthy()
    expect(asked).toEqual(['?starting_after=0'])
    expect(screen.getByText('サンドボックス')).toBeTruthy()
    expect(document.title).toContain('お茶')
  })

  test('tells a failed answer, keeps its part, and asks again on request', async () => {
    const sent: unknown[] = []
    const run = { id: 'run_1', state: 'failed' as const, reason: 'upstream_stalled', is_closed: false, model: 'm' }
    openHouse('/misaki/chat/chat_1', {
      'GET /api/misaki/chats/chat_1': () =>
        json({
          id: 'chat_1',
          title: null,
          created_at: at,
          updated_at: at,
          messages: [user('続けて'), { ...assistant('それでね、**「雨の', run), id: 'msg_a' }],
        }),
      'POST /misaki/messages/msg_a/again': async (request) => {
        sent.push(await request.json())
        return problem(503, 'upstream_unavailable')
      },
    })
    expect(await screen.findByText(/途中で黙って/)).toBeTruthy()
    // the emphasis that was open when it broke off is closed
    expect(await screen.findByText('「雨の', { selector: 'strong' })).toBeTruthy()
    fireEvent.click(screen.getByRole('button', { name: 'もう一度たのむ' }))
    await waitFor(() => expect(sent).toEqual([{ locale: 'ja' }]))
  })

  test('says that a conversation is not there', async () => {
    openHouse('/misaki/chat/chat_9', { 'GET /api/misaki/chats/chat_9': () => problem(404, 'chat_not_found') })
    expect(await screen.findByText('この会話は見つかりませんでした')).toBeTruthy()
  })

  test('learns what was said in another tab, when it is looked at again and when it speaks itself', async () => {
    let messages = [user('A1'), assistant('はい1')]
    const chat = (): Chat => ({
      id: 'chat_1',
      title: 'お茶',
      pinned: false,
      folder: null,
      created_at: at,
      updated_at: at,
      messages,
    })
    openHouse('/misaki/chat/chat_1', {
      'GET /api/misaki/chats/chat_1': () => json(chat()),
      'POST /misaki/messages': () => {
        const reply = { kind: 'canned', chat_id: 'chat_1', user: user('B1'), assistant: assistant('はいB') }
        messages = [...messages, user('A3'), reply.user, reply.assistant]
        return json(reply)
      },
    })
    expect(await screen.findByText('はい1')).toBeTruthy()
    messages = [...messages, user('A2'), assistant('はい2')]
    act(() => {
      focusManager.setFocused(false)
      focusManager.setFocused(true)
    })
    expect(await screen.findByText('はい2')).toBeTruthy()
    focusManager.setFocused(undefined)
    await say('B1')
    expect(await screen.findByText('A3')).toBeTruthy()
    expect(screen.getAllByText('B1')).toHaveLength(1)
  })

  const spent = (more: object = {}) =>
    problem(402, 'quota_exhausted', {
      suggestion: { plan: 'free', title: { ja: '無料会員', en: 'Member' }, url: '/sign-up' },
      ...more,
    })

  test('a text that was refused comes back to be written on when a phrase opens the conversation', async () => {
    const { router } = openHouse('/misaki', {
      'POST /misaki/messages': async (request) =>
        ((await request.json()) as { text: string }).text === 'こんばんは'
          ? json({ kind: 'canned', chat_id: 'chat_1', user: user('こんばんは'), assistant: assistant('いらっしゃい') })
          : spent(),
      'GET /api/misaki/chats/chat_1': () =>
        json({
          id: 'chat_1',
          title: null,
          created_at: at,
          updated_at: at,
          messages: [user('こんばんは'), assistant('いらっしゃい')],
        }),
    })
    await say('断られた話')
    expect(await screen.findByText('今日は、ここまでにしておこうか。')).toBeTruthy()
    await say('こんばんは')
    await waitFor(() => expect(router.state.location.pathname).toBe('/misaki/chat/chat_1'))
    expect(screen.getByRole('textbox')).toHaveProperty('value', '断られた話')
    // what is answered stands at the end, and no refusal below it
    expect(screen.queryByText('今日は、ここまでにしておこうか。')).toBeNull()
  })

  test('what is still on its way goes along into the conversation that another line has opened', async () => {
    let refuse: (response: Response) => void = () => undefined
    let sent = 0
    const { router } = openHouse('/misaki', {
      'POST /misaki/messages': () => {
        sent += 1
        if (sent > 1)
          return json({ kind: 'canned', chat_id: 'chat_1', user: user('ねえ'), assistant: assistant('なあに') })
        return new Promise((resolve) => {
          refuse = resolve
        })
      },
      'GET /api/misaki/chats/chat_1': () =>
        json({
          id: 'chat_1',
          title: null,
          created_at: at,
          updated_at: at,
          messages: [user('ねえ'), assistant('なあに')],
        }),
    })
    // a phrase does not keep the next line waiting
    fireEvent.click(await screen.findByRole('button', { name: 'こんばんは' }))
    await say('ねえ')
    await waitFor(() => expect(router.state.location.pathname).toBe('/misaki/chat/chat_1'))
    refuse(problem(503, 'upstream_unavailable'))
    expect(await screen.findByText('upstream_unavailableです')).toBeTruthy()
  })

  test('no refusal leads to the plan that somebody has by now', async () => {
    let mine = plan
    openHouse('/misaki', {
      'GET /billing/plan': () => json(mine),
      'POST /misaki/messages': () => spent(),
    })
    await screen.findByText('本日あと8回')
    await say('もう少し')
    expect(await screen.findByText('今日は、ここまでにしておこうか。')).toBeTruthy()
    mine = { ...plan, plan: { ...plan.plan, id: 'free', title: { ja: '無料会員', en: 'Member' } } }
    act(() => {
      focusManager.setFocused(false)
      focusManager.setFocused(true)
    })
    expect(await screen.findByText('プランが変わりましたね。')).toBeTruthy()
    focusManager.setFocused(undefined)
    expect(screen.queryByRole('link', { name: /無料会員/ })).toBeNull()
    expect(screen.queryByText('今日は、ここまでにしておこうか。')).toBeNull()
    expect(screen.getByRole('button', { name: 'もう一度送る' })).toBeTruthy()
  })
})

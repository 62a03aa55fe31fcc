import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, RouterProvider } from '@tanstack/react-router'
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { misakiAccess } from '../../api/inference'
import type { Me, Message, PlanView } from '../../api/types'
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
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
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
          suggestion: { plan: 'free', title: { ja: '無料でつくる', en: 'Create one' }, url: '/sign-up' },
        }),
    })
    await say('もう少し')
    const way = await screen.findByRole('link', { name: '無料でつくる' })
    expect(way.getAttribute('href')).toBe('/sign-up?next=%2Fmisaki')
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  test.each([
    [402, 'quota_exhausted', {}],
    [429, 'rate_exceeded', { retry_after: 9 }],
  ])('a refusal with %i says why and leads to the plan that would allow it, and back', async (status, code, more) => {
    const { router } = openHouse('/misaki', {
      'POST /misaki/messages': () =>
        problem(status, code, {
          ...more,
          suggestion: { plan: 'paid', title: { ja: 'なじみ', en: 'Regular' }, url: '/plans/misaki?plan=paid' },
        }),
      'GET /auth/me': () => json(guest),
      'GET /billing/plans': () => json({ items: [] }),
    })
    await say('もう少し')
    expect((await screen.findAllByText(new RegExp(`${code}です`)))[0]).toBeTruthy()
    const way = screen.getByRole('link', { name: '「なじみ」のプランを見る' })
    expect(way.getAttribute('href')).toBe('/plans/misaki?plan=paid&next=%2Fmisaki')
    expect(screen.queryByRole('dialog')).toBeNull()
    fireEvent.click(way)
    await waitFor(() => expect(router.state.location.pathname).toBe('/plans/misaki'))
  })

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
})

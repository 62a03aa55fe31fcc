import { act, cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react'
import { beforeEach, expect, test, vi } from 'vitest'
import type { HistoryItem } from '../../api/genai'
import type { Talk } from '../../api/talks'
import { json, me, openHouse, prepareHouse, press, problem } from '../../shell/testHouse'
import { entry, figures, item, models, plan } from './fixtures'

prepareHouse()

// The house's line to a page that listens; a test speaks on it.
class Line {
  static readonly CLOSED = 2
  static all: Line[] = []
  readyState = 1
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  private readonly hearers: ((event: { data: string }) => void)[] = []
  constructor(readonly url: string) {
    Line.all.push(this)
  }
  addEventListener(_: string, hearer: (event: { data: string }) => void) {
    this.hearers.push(hearer)
  }
  close() {
    this.readyState = 2
  }
  static tell(news: HistoryItem) {
    for (const line of Line.all)
      if (line.readyState === 1) for (const hearer of line.hearers) hearer({ data: JSON.stringify(news) })
  }
}

beforeEach(() => {
  Line.all = []
  sessionStorage.clear()
  vi.stubGlobal('EventSource', Line)
})

const signedIn = {
  'GET /auth/me': () => json(me()),
  'GET /billing/plan': () => json(plan),
  'GET /genai/models': () => json({ items: models }),
  'GET /keys': () => json({ items: [] }),
  'GET /history': () => json({ items: [], next_cursor: null }),
  'GET /genai/talks': () => json({ items: [], next_cursor: null }),
}

test('the console asks a stranger in, and brings them back', async () => {
  openHouse('/genai/requests', {})
  await screen.findByRole('heading', { name: 'サインインすると使えます' })
  expect(screen.getByRole('link', { name: 'アカウントをつくる' }).getAttribute('href')).toContain(
    encodeURIComponent('/genai/requests'),
  )
})

test('the quickstart puts a new key into the code, and turns green when the request has arrived', async () => {
  const { bodies } = openHouse('/genai/quickstart', {
    ...signedIn,
    'POST /keys': () => json({ key: { id: 'key_1' }, secret: 'nrn_fresh' }, 201),
  })
  await screen.findByText('リクエストを待っています')
  expect(screen.getByText(/\$NOREN_API_KEY/)).toBeTruthy()
  press('この場で鍵をつくる')
  await waitFor(() => expect(screen.getByText(/Bearer nrn_fresh/)).toBeTruthy())
  expect(bodies['POST /keys']).toEqual([{ name: 'はじめての鍵', scopes: ['inference.use', 'usage.read'] }])
  expect(screen.getByText(/http:\/\/inference\.test\/inference/)).toBeTruthy()
  act(() => Line.tell(item('run_1', { status: 'processing' })))
  await screen.findByText('届きました。処理しています')
  act(() => Line.tell(item('run_1', { status: 'completed' })))
  await screen.findByText('届きました')
  expect(document.querySelector('[data-arrived="true"]')).not.toBeNull()
})

test('what came before the quickstart was opened is no arrival', async () => {
  openHouse('/genai/quickstart', {
    ...signedIn,
    'GET /history': () => json({ items: [item('run_0')], next_cursor: null }),
  })
  await screen.findByText(/すでにリクエストが届いています/)
  expect(document.querySelector('[data-arrived="true"]')).toBeNull()
})

test('the list changes as the house tells, and a request under way is cancelled', async () => {
  const { calls } = openHouse('/genai/requests', {
    ...signedIn,
    'GET /history': () => json({ items: [item('run_1')], next_cursor: null }),
    'POST /inference/run_2/cancel': () => json(item('run_2', { status: 'cancelled' })),
  })
  await screen.findAllByRole('link', { name: 'hello' })
  act(() => Line.tell(item('run_2', { status: 'processing', created_at: '2026-11-20T10:00:00Z' })))
  await waitFor(() =>
    expect(document.querySelector<HTMLElement>('tr[data-id="run_2"]')?.dataset['status']).toBe('processing'),
  )
  press('run_2を取り消す')
  await waitFor(() => expect(calls).toContain('POST /inference/run_2/cancel'))
})

test('filters go to the house and stand in the address', async () => {
  const asked: string[] = []
  const { router } = openHouse('/genai/requests', {
    ...signedIn,
    'GET /history': (request) => {
      asked.push(new URL(request.url).search)
      return json({ items: [], next_cursor: null })
    },
  })
  await screen.findByText('まだリクエストはありません')
  fireEvent.change(screen.getByLabelText('状態'), { target: { value: 'failed' } })
  await screen.findByText('合うリクエストはありません')
  expect(router.state.location.search).toEqual({ status: 'failed' })
  expect(asked.at(-1)).toContain('status=failed')
})

test('a text that does not open is told from one that is gone, and a search that found nothing yet goes on', async () => {
  openHouse('/genai/requests?q=x', {
    ...signedIn,
    'GET /history': (request) =>
      new URL(request.url).searchParams.has('cursor')
        ? json({
            items: [
              item('run_1', { prompt_excerpt: null, is_closed: true }),
              item('run_2', { prompt_excerpt: null, is_stored: false }),
            ],
            next_cursor: null,
          })
        : json({ items: [], next_cursor: 'more' }),
  })
  await screen.findByText('ここまでには見つかりませんでした。続きも探せます。')
  expect(screen.queryByText('合うリクエストはありません')).toBeNull()
  press('つづきを見る')
  await screen.findByText('本文を開けません')
  expect(screen.getByText('本文は消えています')).toBeTruthy()
})

test('texts of several requests are deleted on a second press only', async () => {
  const { bodies } = openHouse('/genai/requests', {
    ...signedIn,
    'GET /history': () => json({ items: [item('run_1'), item('run_2')], next_cursor: null }),
    'POST /history/delete': () => json({ deleted: 2 }),
  })
  await screen.findAllByRole('link', { name: 'hello' })
  fireEvent.click(screen.getByLabelText('終わったものをすべて選ぶ'))
  press('2件の本文を消す')
  expect(bodies['POST /history/delete']).toBeUndefined()
  fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: '消す' }))
  await screen.findByText(/2件の本文を消しました/)
  expect(bodies['POST /history/delete']).toEqual([{ ids: ['run_1', 'run_2'] }])
})

test('a model that the plan lacks says which plan opens it, and nothing is sent', async () => {
  openHouse('/genai/playground?model=big', {
    ...signedIn,
    'GET /billing/plans': () => json({ items: [{ id: 'pro', title: { ja: 'プロ', en: 'Pro' } }] }),
    'POST /inference/quote': () => problem(402, 'model_not_in_plan'),
  })
  await screen.findByText('このモデルは「プロ」プランから使えます。')
  fireEvent.change(screen.getByLabelText('メッセージ'), { target: { value: 'hi' } })
  expect(screen.getByRole('button', { name: '送信' }).hasAttribute('disabled')).toBe(true)
})

test('the playground streams what the run tells, with its tokens and cost', async () => {
  const events =
    'id: 1\nevent: started\ndata: {"run_id":"run_1","model":"small"}\n\n' +
    'id: 2\nevent: delta\ndata: {"text":"こんにちは"}\n\n' +
    'id: 3\nevent: ended\ndata: {"state":"completed","reason":null,"tokens_in":7,"tokens_out":9,"cost_nano_usd":2000}\n\n'
  const { bodies } = openHouse('/genai/playground', {
    ...signedIn,
    'POST /inference/quote': () =>
      json({ input_tokens: 7, max_output_tokens: 512, cost_upper_bound_nano_usd: 3_000_000 }),
    'POST /inference': () => json(item('run_1', { status: 'queued' }), 202),
    'GET /inference/run_1/events': () => new Response(events, { headers: { 'content-type': 'text/event-stream' } }),
  })
  fireEvent.change(await screen.findByLabelText('メッセージ'), { target: { value: ' やあ ' } })
  await screen.findByText('入力 7 tokens、出力は最大 512、費用は最大 $0.003')
  fireEvent.keyDown(screen.getByLabelText('メッセージ'), { key: 'Enter', ctrlKey: true })
  await screen.findByText('こんにちは', { selector: 'p' })
  await screen.findByText(/入力 7 · 出力 9 tokens/)
  expect(bodies['POST /inference']).toEqual([
    { model: 'small', messages: [{ role: 'user', content: 'やあ' }], max_tokens: 512 },
  ])
})

const talk = (id: string, more: Partial<Talk> = {}): Talk => ({
  id,
  title: null,
  excerpt: 'やあ',
  model: 'small',
  created_at: '2026-11-20T09:00:00Z',
  updated_at: '2026-11-20T09:00:00Z',
  ...more,
})
const told = (text: string) =>
  new Response(
    `id: 1\nevent: delta\ndata: {"text":"${text}"}\n\n` +
      'id: 2\nevent: ended\ndata: {"state":"completed","reason":null,"tokens_in":7,"tokens_out":9,"cost_nano_usd":1}\n\n',
    { headers: { 'content-type': 'text/event-stream' } },
  )

test('what is asked at the playground becomes a talk, and a new chat begins empty', async () => {
  let runs = 0
  const { bodies, router } = openHouse('/genai/playground', {
    ...signedIn,
    'POST /inference/quote': () => json({ input_tokens: 7, max_output_tokens: 1, cost_upper_bound_nano_usd: 1 }),
    'POST /inference': () => {
      runs += 1
      return json(item(`run_${runs}`, { status: 'queued' }), 202)
    },
    'GET /inference/run_1/events': () => told('一つ目'),
    'GET /inference/run_2/events': () => told('二つ目'),
    'POST /genai/talks': () => json(talk('talk_1'), 201),
    'POST /genai/talks/talk_1/runs': () => json(talk('talk_1')),
  })
  const say = async (text: string) => {
    fireEvent.change(await screen.findByLabelText('メッセージ'), { target: { value: text } })
    await waitFor(() => expect(screen.getByRole('button', { name: '送信' }).hasAttribute('disabled')).toBe(false))
    press('送信')
  }
  await say('やあ')
  await screen.findByText('一つ目', { selector: 'p' })
  await waitFor(() => expect(router.state.location.search).toEqual({ talk: 'talk_1' }))
  expect(screen.getByText('一つ目', { selector: 'p' })).toBeTruthy()
  await say('では')
  await screen.findByText('二つ目', { selector: 'p' })
  await waitFor(() => expect(bodies['POST /genai/talks/talk_1/runs']).toHaveLength(1))
  expect(bodies['POST /genai/talks']).toMatchObject([{ run_id: 'run_1', place: 0 }])
  expect(bodies['POST /genai/talks/talk_1/runs']).toMatchObject([{ run_id: 'run_2', place: 0 }])
  expect(bodies['POST /inference']?.[1]).toMatchObject({ messages: [{}, {}, {}] })
  press('新しい会話')
  await screen.findByText('モデルにひと言、送ってみてください。')
  expect(router.state.location.search).toEqual({})
})

test('a talk is opened again with what is kept of it and its settings, and goes on', async () => {
  const turn = (id: string, asked: string | null, text: string | null, place = 0) => ({
    id: `turn_${id}`,
    asked,
    answers: [{ ...item(id, { model: 'small', completed_at: '2026-11-20T09:00:01Z' }), place, text }],
  })
  const { bodies } = openHouse('/genai/playground?talk=talk_1', {
    ...signedIn,
    'GET /genai/talks': () => json({ items: [talk('talk_1'), talk('talk_2', { excerpt: null })], next_cursor: null }),
    'GET /genai/talks/talk_1': () =>
      json({ ...talk('talk_1'), turns: [turn('run_1', null, null), turn('run_2', 'やあ', 'はい')] }),
    'GET /history/run_2': () =>
      json({
        ...item('run_2', { model: 'small' }),
        messages: [{ role: 'system', text: '簡潔に', images: 0, documents: 0, tool_calls: [] }],
        parameters: { max_tokens: 64 },
        text: 'はい',
        tool_calls: [],
        finish_reason: 'stop',
        timeline: [],
        webhook: null,
      }),
    'POST /inference/quote': () => json({ input_tokens: 7, max_output_tokens: 1, cost_upper_bound_nano_usd: 1 }),
    'POST /inference': () => json(item('run_3', { status: 'queued' }), 202),
    'GET /inference/run_3/events': () => told('続き'),
    'POST /genai/talks/talk_1/runs': () => problem(409, 'talk_full'),
  })
  await screen.findByText('はい', { selector: 'p' })
  expect(screen.getByText('答えは残っていません。')).toBeTruthy()
  expect(screen.getByText(/続きを聞くときモデルに伝わりません/)).toBeTruthy()
  expect(await screen.findByRole('link', { name: /（本文は残っていません）/ })).toBeTruthy()
  await waitFor(() => expect(screen.getByLabelText<HTMLTextAreaElement>('システムプロンプト').value).toBe('簡潔に'))
  fireEvent.change(screen.getByLabelText('メッセージ'), { target: { value: '続けて' } })
  await waitFor(() => expect(screen.getByRole('button', { name: '送信' }).hasAttribute('disabled')).toBe(false))
  press('送信')
  await screen.findByText('続き', { selector: 'p' })
  expect(bodies['POST /inference']).toEqual([
    {
      model: 'small',
      max_tokens: 64,
      messages: [
        { role: 'system', content: '簡潔に' },
        { role: 'user', content: 'やあ' },
        { role: 'assistant', content: 'はい' },
        { role: 'user', content: '続けて' },
      ],
    },
  ])
  await screen.findByText(/この問答は履歴に入りませんでした.*talk_fullです/)
})

test('a question that was not answered says why in words, and is put back to be sent again', async () => {
  const { bodies } = openHouse('/genai/playground', {
    ...signedIn,
    'POST /inference/quote': () => json({ input_tokens: 7, max_output_tokens: 1, cost_upper_bound_nano_usd: 1 }),
    'POST /inference': () => json(item('run_1', { status: 'queued' }), 202),
    'GET /inference/run_1/events': () =>
      new Response(
        'id: 1\nevent: ended\ndata: {"state":"failed","reason":"upstream_failed","tokens_in":0,"tokens_out":0,"cost_nano_usd":0}\n\n',
        { headers: { 'content-type': 'text/event-stream' } },
      ),
  })
  const box = await screen.findByLabelText<HTMLTextAreaElement>('メッセージ')
  fireEvent.change(box, { target: { value: 'やあ' } })
  await waitFor(() => expect(screen.getByRole('button', { name: '送信' }).hasAttribute('disabled')).toBe(false))
  press('送信')
  await screen.findByText(/モデルが答えを返せませんでした。/)
  expect(screen.getByText('upstream_failed', { selector: 'code' })).toBeTruthy()
  expect(box.value).toBe('')
  press('質問を戻して、もう一度送る')
  expect(box.value).toBe('やあ')
  expect(document.activeElement).toBe(box)
  press('送信')
  await waitFor(() => expect(bodies['POST /inference']).toHaveLength(2))
  expect(bodies['POST /inference']?.[1]).toEqual(bodies['POST /inference']?.[0])
})

test('the playground keeps what was set and half written over a reload and a way elsewhere', async () => {
  const routes = {
    ...signedIn,
    'GET /genai/models': () => json({ items: [...models, { ...models[0], name: 'other' }] }),
    'POST /inference/quote': () => json({ input_tokens: 7, max_output_tokens: 1, cost_upper_bound_nano_usd: 1 }),
  }
  const { router } = openHouse('/genai/playground?model=small', routes)
  fireEvent.change(await screen.findByLabelText('メッセージ'), { target: { value: '書きかけ' } })
  fireEvent.change(screen.getByLabelText('システムプロンプト'), { target: { value: '簡潔に' } })
  fireEvent.change(screen.getByLabelText('温度（temperature）'), { target: { value: '0.2' } })
  fireEvent.change(screen.getByLabelText('モデル'), { target: { value: 'other' } })
  const value = (label: string) => screen.getByLabelText<HTMLInputElement>(label).value
  const shown = () => ['メッセージ', 'システムプロンプト', '温度（temperature）', 'モデル'].map(value)
  const all = ['書きかけ', '簡潔に', '0.2', 'other']
  expect(shown()).toEqual(all)
  await act(() => router.navigate({ to: '/genai/requests' }))
  await screen.findByText('まだリクエストはありません')
  act(() => router.history.back())
  await screen.findByLabelText('メッセージ')
  expect(shown()).toEqual(all)
  cleanup()
  openHouse('/genai/playground', routes)
  await screen.findByLabelText('メッセージ')
  expect(shown()).toEqual(all)
  cleanup()
  // whoever comes for another model gets that one
  openHouse('/genai/playground?model=big', routes)
  await screen.findByLabelText('メッセージ')
  expect(shown()).toEqual(['書きかけ', '簡潔に', '0.2', 'big'])
  press('新しい会話')
  await waitFor(() => expect(value('メッセージ')).toBe(''))
  cleanup()
  // and nobody else's session reads it
  openHouse('/genai/playground', { ...routes, 'GET /auth/me': () => json(me({}, 'owner', 'team')) })
  await screen.findByLabelText('メッセージ')
  expect(shown()).toEqual(['', '', '', 'small'])
})

test('the prices by model ask a stranger in instead of failing', async () => {
  openHouse('/genai/catalog', { 'GET /genai/models': () => problem(401, 'unauthenticated') })
  await screen.findByRole('heading', { name: 'サインインすると使えます' })
  expect(screen.queryByText('unauthenticatedです')).toBeNull()
})

test('a talk is named and deleted, and the one that is shown makes room for a new one', async () => {
  let items = [talk('talk_1'), talk('talk_2', { title: '別の話' })]
  const { bodies, calls, router } = openHouse('/genai/playground?talk=talk_1', {
    ...signedIn,
    'GET /genai/talks': () => json({ items, next_cursor: null }),
    'GET /genai/talks/talk_1': () => json({ ...talk('talk_1'), turns: [] }),
    'PATCH /genai/talks/talk_1': () => {
      items = [talk('talk_1', { title: '暖簾の話' }), talk('talk_2')]
      return json(items[0])
    },
    'DELETE /genai/talks/talk_1': () => {
      items = items.slice(1)
      return new Response(null, { status: 204 })
    },
  })
  await screen.findByRole('link', { name: /別の話/ })
  press('「やあ」に名前を付ける')
  fireEvent.change(screen.getByLabelText('名前'), { target: { value: ' 暖簾の話 ' } })
  press('保存する')
  await screen.findByRole('link', { name: /暖簾の話/ })
  expect(bodies['PATCH /genai/talks/talk_1']).toEqual([{ title: '暖簾の話' }])
  press('「暖簾の話」を消す')
  expect(calls).not.toContain('DELETE /genai/talks/talk_1')
  fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: '消す' }))
  await waitFor(() => expect(screen.queryByRole('link', { name: /暖簾の話/ })).toBeNull())
  await waitFor(() => expect(router.state.location.search).toEqual({}))
})

test('statistics show their totals, and the same in a table', async () => {
  openHouse('/genai/statistics?by=model', {
    ...signedIn,
    'GET /statistics': () =>
      json({ totals: figures, zone: 'Asia/Tokyo', groups: [{ name: 'small', id: null, ...figures }] }),
    'GET /rate-limit': () => json({ storefront: 'genai', policies: [] }),
  })
  await screen.findByText('66.7 %')
  expect(screen.getByRole('list', { name: /リクエスト。合計3、最大はsmallの3/ })).toBeTruthy()
  fireEvent.click(screen.getByLabelText('表'))
  expect(screen.getByRole('cell', { name: 'small' })).toBeTruthy()
})

test('statistics that are cut say so, and what is left of them', async () => {
  const others = { groups: 12, ...figures, requests: 41 }
  openHouse('/genai/statistics?by=tag', {
    ...signedIn,
    'GET /statistics': () =>
      json({ totals: figures, zone: 'Asia/Tokyo', groups: [{ name: 'small', id: null, ...figures }], others }),
    'GET /rate-limit': () => json({ storefront: 'genai', policies: [] }),
  })
  await screen.findByText('リクエストの多い1件を表示しています。残りは「その他」にまとめました。')
  expect(screen.getByRole('list', { name: /最大はその他12件の41/ })).toBeTruthy()
  fireEvent.click(screen.getByLabelText('表'))
  const row = screen.getByRole('cell', { name: 'その他12件' }).closest('tr') as HTMLElement
  expect(within(row).getByRole('cell', { name: '41' })).toBeTruthy()
})

test('a refusal is told in its own words', async () => {
  openHouse('/genai/requests/run_9', { ...signedIn, 'GET /history/run_9': () => problem(404, 'run_not_found') })
  await screen.findByText('run_not_foundです')
})

test.each([
  [[{ role: 'user', text: 'hello', images: 0, documents: 0, tool_calls: [] }], 1],
  [[{ role: 'user', text: 'hello', images: 0, documents: 2, tool_calls: [] }], 1],
  [null, 0],
])('a request is sent again only where its text opens: %j', async (messages, buttons) => {
  openHouse('/genai/requests/run_1', {
    ...signedIn,
    'GET /history/run_1': () => json(entry('run_1', { is_closed: messages === null, messages })),
  })
  await screen.findByRole('button', { name: '本文を消す' })
  expect(screen.queryAllByRole('button', { name: 'もう一度送る' })).toHaveLength(buttons)
  expect(screen.queryAllByText(/文書2件/)).toHaveLength(messages?.[0]?.documents ? 1 : 0)
})

test('of the tokens of a request it is told which came from a cache, which were put there, and which were thoughts', async () => {
  const tokens = { input: 1200, output: 800, cached: 300, written: 100, thought: 512 }
  openHouse('/genai/requests/run_1', { ...signedIn, 'GET /history/run_1': () => json(entry('run_1', { tokens })) })
  const shown = (name: string) => screen.getByText(name, { selector: 'dt' }).nextElementSibling?.textContent
  await screen.findByText('1,200 / 800')
  expect([shown('うちキャッシュ'), shown('うちキャッシュへの書き込み'), shown('出力のうち思考')]).toEqual([
    '300',
    '100',
    '512',
  ])
})

test('how long texts are kept is chosen for all, and for one key apart', async () => {
  const key = { id: 'key_1', name: 'nightly', status: 'active' }
  let rules = { tenant: { keep: 'always', days: null as number | null }, keys: [] as object[] }
  const { bodies, calls } = openHouse('/genai/settings/retention', {
    ...signedIn,
    'GET /auth/me': () => json(me({ permissions: ['usage.read', 'tenant.manage', 'keys.manage'] })),
    'GET /keys': () => json({ items: [key, { id: 'key_2', name: 'gone', status: 'revoked' }] }),
    'GET /genai/retention': () => json(rules),
    'PUT /genai/retention': async (request) => {
      rules = { ...rules, tenant: { days: null, ...((await request.json()) as { keep: string }) } }
      return json(rules)
    },
    'PUT /genai/retention/key_1': async (request) => {
      rules = { ...rules, keys: [{ key: { id: 'key_1', name: 'nightly' }, days: null, ...(await request.json()) }] }
      return json(rules)
    },
    'DELETE /genai/retention/key_1': () => {
      rules = { ...rules, keys: [] }
      return new Response(null, { status: 204 })
    },
  })
  await screen.findByText('全体と同じ')
  expect(screen.queryByText('gone')).toBeNull()
  fireEvent.click(screen.getByRole('radio', { name: /日数を決める/ }))
  fireEvent.change(screen.getByLabelText('日数'), { target: { value: '0' } })
  press('保存する')
  expect((await screen.findAllByText('1〜3650の日数を入れてください。')).length).toBeGreaterThan(0)
  fireEvent.change(screen.getByLabelText('日数'), { target: { value: '９０' } })
  press('保存する')
  await screen.findByText('保存しました。')
  press('「nightly」の残す長さを変える')
  const dialog = await screen.findByRole('dialog')
  fireEvent.click(within(dialog).getByRole('radio', { name: /残さない/ }))
  fireEvent.click(within(dialog).getByRole('button', { name: '保存する' }))
  press(
    await waitFor(
      () => screen.getByRole('button', { name: '「nightly」を全体に合わせる' }).getAttribute('aria-label') ?? '',
    ),
  )
  await screen.findByText('全体と同じ')
  expect(bodies['PUT /genai/retention']).toEqual([{ keep: 'days', days: 90 }])
  expect(bodies['PUT /genai/retention/key_1']).toEqual([{ keep: 'none' }])
  expect(calls).toContain('DELETE /genai/retention/key_1')
})

import { describe, expect, test } from 'vitest'
import type { HistoryEntry, HistoryItem } from '../../api/genai'
import { askAgain } from './again'
import { item } from './fixtures'
import { duration, percent, perMillion } from './format'
import { belongs, withNews } from './live'
import { askOf, conversation, emptySettings, faultsOf, played, type Turn, turnsOf, underWay } from './play'
import { readPresets, withPreset } from './presets'
import { overall } from './StatusBoard'
import { filterOf, requestsSearch } from './search'
import { everyStep, spanFrom } from './spans'

describe('a playground', () => {
  const asked = (turns: readonly Turn[], id: string, text: string, models = ['a', 'b']) =>
    played(turns, { type: 'asked', id, text, models, at: 0 })
  const ended = (turns: readonly Turn[], turn: string, column: number, text: string) =>
    played(played(turns, { type: 'grown', turn, column, text }), {
      type: 'ended',
      turn,
      column,
      state: 'completed',
      reason: null,
      tokens: { input: 1, output: 2 },
      costNano: 3,
      at: 9,
    })

  test('tells each model only what that model has answered itself', () => {
    let turns = asked([], '1', 'one')
    turns = ended(turns, '1', 0, 'A1')
    expect(underWay(turns)).toHaveLength(1)
    turns = ended(turns, '1', 1, 'B1')
    expect(underWay(turns)).toHaveLength(0)
    turns = ended(asked(turns, '2', 'two', ['a']), '2', 0, 'A2')
    expect(conversation(' be brief ', turns, 0, 'three').map(({ content }) => content)).toEqual([
      'be brief',
      'one',
      'A1',
      'two',
      'A2',
      'three',
    ])
    expect(conversation('', turns, 1, '').map(({ content }) => content)).toEqual(['one', 'B1'])
  })

  test('keeps the columns of what was kept, and tells no model of what is gone', () => {
    const answer = (id: string, place: number, text: string | null) => ({
      ...item(id, { model: id, completed_at: '2026-11-20T09:00:01Z' }),
      place,
      text,
    })
    const turns = turnsOf({
      id: 'talk_1',
      title: null,
      excerpt: null,
      model: 'a',
      created_at: '',
      updated_at: '',
      turns: [
        { id: '1', asked: 'one', answers: [answer('b', 1, 'B1')] },
        { id: '2', asked: null, answers: [answer('b', 1, 'B2'), answer('a', 0, 'A2')] },
        { id: '3', asked: 'three', answers: [answer('a', 0, 'A3'), answer('b', 1, null)] },
      ],
    })
    expect(turns.map(({ answers }) => answers.map(({ text }) => text))).toEqual([
      ['', 'B1'],
      ['A2', 'B2'],
      ['A3', ''],
    ])
    expect(turns[2]?.answers[1]?.gone).toBe(true)
    expect(conversation('', turns, 0, '').map(({ content }) => content)).toEqual(['three', 'A3'])
    expect(conversation('', turns, 1, '').map(({ content }) => content)).toEqual(['one', 'B1'])
  })

  test('sends only what was set', () => {
    const said = [{ role: 'user' as const, content: 'hi' }]
    expect(askOf({ ...emptySettings, maxTokens: '' }, 'a', said)).toEqual({ model: 'a', messages: said })
    expect(
      askOf({ ...emptySettings, maxTokens: '１２８', temperature: '0', topP: '0.9', stop: 'x\n\ny' }, 'a', said),
    ).toMatchObject({ max_tokens: 128, temperature: 0, top_p: 0.9, stop: ['x', 'y'] })
  })

  test('finds figures that are out of range', () => {
    expect(faultsOf(emptySettings)).toEqual([])
    expect(faultsOf({ ...emptySettings, maxTokens: '1.5', temperature: '3', topP: 'x' })).toEqual([
      'maxTokens',
      'temperature',
      'topP',
    ])
  })
})

describe('presets', () => {
  test('come back as they were, and what is none is left out', () => {
    const preset = { name: 'short', settings: { ...emptySettings, models: ['a'], temperature: '0.2' } }
    expect(readPresets(JSON.stringify([preset]))).toEqual([preset])
    for (const raw of [null, 'x', '{}', '[1, null, {"name": ""}, {"name": "a", "settings": 3}]']) {
      expect(readPresets(raw)).toEqual([])
    }
  })
  test('of one name are one, the newest first', () => {
    const of = (name: string, system: string) => ({ name, settings: { ...emptySettings, system } })
    const all = withPreset(withPreset([of('a', '1')], of('b', '2')), of('a', '3'))
    expect(all.map(({ name, settings }) => name + settings.system)).toEqual(['a3', 'b2'])
  })
})

describe('the live list', () => {
  const pages = (items: HistoryItem[], next: string | null = null) => ({
    pages: [{ items, next_cursor: next }],
    pageParams: [null] as (string | null)[],
  })
  const ids = (result: ReturnType<typeof pages>) => result.pages.flatMap((page) => page.items.map(({ id }) => id))

  test('puts what is new first and replaces what moved on', () => {
    const first = withNews(
      pages([item('r1')]),
      item('r2', { created_at: '2026-11-20T10:00:00Z', status: 'queued' }),
      {},
    )
    expect(ids(first)).toEqual(['r2', 'r1'])
    const later = withNews(first, item('r2', { created_at: '2026-11-20T10:00:00Z' }), {})
    expect(ids(later)).toEqual(['r2', 'r1'])
    expect(later.pages[0]?.items[0]?.status).toBe('completed')
    expect(withNews(later, item('r2', { status: 'processing' }), {})).toBe(later)
  })
  test('leaves to a later page what is older than its end', () => {
    const old = item('r0', { created_at: '2026-11-19T00:00:00Z' })
    expect(ids(withNews(pages([item('r1')], 'more'), old, {}))).toEqual(['r1'])
    expect(ids(withNews(pages([item('r1')]), old, {}))).toEqual(['r1', 'r0'])
  })
  test('lets in only what the filters let in', () => {
    const one = item('r1', { model: 'a', key: { id: 'key_1', name: 'n' }, tags: ['t'] })
    expect(belongs(one, {})).toBe(true)
    expect(belongs(one, { model: 'a', status: 'completed', key: 'key_1', tag: 't' })).toBe(true)
    for (const filter of [
      { model: 'b' },
      { status: 'failed' as const },
      { key: 'key_2' },
      { tag: 'x' },
      { q: 'hello' },
    ])
      expect(belongs(one, filter)).toBe(false)
    expect(belongs(one, { from: '2026-11-20T09:00:00Z', to: '2026-11-20T09:00:01Z' })).toBe(true)
    expect(belongs(one, { to: '2026-11-20T09:00:00Z' })).toBe(false)
  })
})

describe('a request is sent again', () => {
  const entry = (more: Partial<HistoryEntry>): HistoryEntry => ({
    ...item('r1'),
    messages: [{ role: 'user', text: 'hi', images: 0, documents: 0, tool_calls: [] }],
    parameters: { max_tokens: 5, temperature: null, other: 1 },
    text: null,
    tool_calls: null,
    finish_reason: null,
    timeline: [],
    webhook: null,
    ...more,
  })
  test('with what was set, and never without what was said', () => {
    expect(askAgain(entry({}))).toEqual({ model: 'a', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 })
    expect(askAgain(entry({ messages: null }))).toBeNull()
    const said = { role: 'user', text: 'x', images: 0, documents: 0, tool_calls: [] }
    for (const more of [{ images: 1 }, { documents: 1 }, { role: 'tool' }])
      expect(askAgain(entry({ messages: [{ ...said, ...more }] }))).toBeNull()
  })
})

describe('figures', () => {
  test('are short and never round to a lie', () => {
    expect(percent(0.9996)).toBe('99.9 %')
    expect(percent(1)).toBe('100 %')
    expect(percent(null)).toBe('–')
    expect(perMillion(150_000)).toBe('$0.15')
    expect(perMillion(20_000)).toBe('$0.020')
    expect(perMillion(0)).toBe('$0.00')
    expect([840, 3200, 95_000].map((ms) => duration(ms, 'en'))).toEqual(['840 ms', '3.2 s', '95 s'])
  })
  test('of a time axis have every step', () => {
    expect(everyStep(['2026-02-27', '2026-03-02'], 'day')).toEqual([
      '2026-02-27',
      '2026-02-28',
      '2026-03-01',
      '2026-03-02',
    ])
    expect(everyStep(['2026-11-20T23:00:00+09:00', '2026-11-21T01:00:00+09:00'], 'hour')).toEqual([
      '2026-11-20T23:00:00+09:00',
      '2026-11-21T00:00:00+09:00',
      '2026-11-21T01:00:00+09:00',
    ])
    expect(everyStep(['b', 'a'], 'model')).toEqual(['b', 'a'])
    expect(everyStep([], 'day')).toEqual([])
  })
  test('begin at a full minute', () => {
    expect(spanFrom('1h', Date.parse('2026-11-20T09:30:45Z'))).toEqual({ from: '2026-11-20T08:30:00.000Z' })
  })
  test('say the worst of a house', () => {
    expect(overall([])).toBe('unknown')
    expect(overall([{ health: 'up' }, { health: 'unknown' }])).toBe('up')
    expect(overall([{ health: 'up' }, { health: 'slow' }, { health: 'down' }])).toBe('down')
  })
})

test('filters stand in the address, and what is none is named as absent', () => {
  expect(requestsSearch({ status: 'done', from: '20261120', model: 'a', q: ' ', key: 7 })).toEqual({
    model: 'a',
    status: undefined,
    key: '7',
    tag: undefined,
    from: undefined,
    to: undefined,
    q: undefined,
  })
  const { from, to } = filterOf({ from: '2026-11-20', to: '2026-11-20' })
  expect(Date.parse(to ?? '') - Date.parse(from ?? '')).toBe(86_400_000)
})

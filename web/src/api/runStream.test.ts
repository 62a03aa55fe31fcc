import { describe, expect, test, vi } from 'vitest'
import { ApiError, Unreachable } from './problem'
import { backoff, type RunStreamOptions, readRun } from './runStream'
import type { RunEvent } from './types'

const all: RunEvent[] = [
  { id: 1, event: 'started', data: { run_id: 'run_1', model: 'sandbox-mama' } },
  ...['い', 'ら', 'っ', 'しゃい', '。'].map((text, at): RunEvent => ({ id: at + 2, event: 'delta', data: { text } })),
  { id: 7, event: 'ended', data: { state: 'completed', reason: null, tokens_in: 1, tokens_out: 5, cost_nano_usd: 0 } },
]
const wire = (events: readonly RunEvent[]) =>
  events.map(({ id, event, data }) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join('')

interface Seen {
  url: string
  lastEventId: string | null
  token: string | null
}

type Reply = Response | Error | ((seen: Seen) => Response)

function streamOf(text: string | Uint8Array, cut: 'closed' | 'broken' | 'silent' = 'closed'): Response {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  let sent = false
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (!sent) {
        sent = true
        if (bytes.length > 0) controller.enqueue(bytes)
        if (cut === 'silent') return new Promise(() => undefined)
        if (bytes.length > 0) return
      }
      if (cut === 'broken') controller.error(new TypeError('network error'))
      else controller.close()
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

function scripted(replies: Reply[], more: Partial<RunStreamOptions> = {}) {
  const seen: Seen[] = []
  const waits: number[] = []
  const asked: boolean[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const headers = new Headers(init?.headers)
    const now: Seen = {
      url: String(input),
      lastEventId: headers.get('last-event-id'),
      token: headers.get('authorization'),
    }
    seen.push(now)
    const reply = replies.shift()
    if (!reply) throw new Error('more connections than expected')
    if (reply instanceof Error) throw reply
    const response = typeof reply === 'function' ? reply(now) : reply
    const { signal } = init ?? {}
    if (!signal || !response.body) return response
    // As in a browser: aborting breaks a body that is being read.
    const pipe = new TransformStream<Uint8Array, Uint8Array>()
    response.body.pipeTo(pipe.writable, { signal }).catch(() => undefined)
    return new Response(pipe.readable, { status: response.status, headers: response.headers })
  }
  const events = readRun({
    runId: 'run_1',
    access: async (fresh) => {
      asked.push(fresh)
      return { url: 'http://inference.test', token: fresh ? 'new' : 'old' }
    },
    fetch,
    wait: async (ms) => {
      waits.push(ms)
    },
    random: () => 0.5,
    ...more,
  })
  return { events, seen, waits, asked }
}

async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const found: RunEvent[] = []
  for await (const event of events) found.push(event)
  return found
}

const refusal = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: `urn:noren:problem:${code}`, code, status, title: code }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })

describe('reading a run', () => {
  test('ends with its end, in one connection', async () => {
    const { events, seen, waits } = scripted([streamOf(wire(all))])
    expect(await collect(events)).toEqual(all)
    expect(seen).toEqual([
      { url: 'http://inference.test/inference/run_1/events?starting_after=0', lastEventId: '0', token: 'Bearer old' },
    ])
    expect(waits).toEqual([])
  })

  test('goes on where a cut broke it, at every event', async () => {
    for (let cut = 0; cut < all.length; cut += 1) {
      for (const how of ['closed', 'broken'] as const) {
        const { events, seen } = scripted([streamOf(wire(all.slice(0, cut)), how), streamOf(wire(all.slice(cut)))])
        expect(await collect(events), `${how} after ${cut} events`).toEqual(all)
        expect(seen[1]?.lastEventId).toBe(String(cut))
        expect(seen[1]?.url).toContain(`starting_after=${cut}`)
      }
    }
  })

  test('goes on when the cut falls in the middle of an event, at every byte', async () => {
    const bytes = new TextEncoder().encode(wire(all))
    for (let at = 0; at < bytes.length - 1; at += 1) {
      const { events } = scripted([
        streamOf(bytes.slice(0, at)),
        ({ lastEventId }) => streamOf(wire(all.filter((event) => event.id > Number(lastEventId)))),
      ])
      expect(await collect(events), `cut at byte ${at}`).toEqual(all)
    }
  })

  test('passes an event on once, even if the server repeats it', async () => {
    const { events } = scripted([streamOf(wire(all.slice(0, 4))), streamOf(wire(all))])
    expect(await collect(events)).toEqual(all)
  })

  test('starts where it is told to', async () => {
    const { events, seen } = scripted([streamOf(wire(all.slice(3)))], { startingAfter: 3 })
    expect(await collect(events)).toEqual(all.slice(3))
    expect(seen[0]?.lastEventId).toBe('3')
  })

  test('asks for a new token when the old one is refused', async () => {
    const { events, asked, seen, waits } = scripted([refusal(401, 'unauthenticated'), streamOf(wire(all))])
    expect(await collect(events)).toEqual(all)
    expect(asked).toEqual([false, true])
    expect(seen.map(({ token }) => token)).toEqual(['Bearer old', 'Bearer new'])
    expect(waits).toEqual([])
  })

  test('does not ask for tokens for ever', async () => {
    const { events } = scripted([refusal(401, 'unauthenticated'), refusal(401, 'unauthenticated')])
    await expect(collect(events)).rejects.toMatchObject({ problem: { code: 'unauthenticated' } })
  })

  test('tells a run that does not exist at once', async () => {
    const { events } = scripted([refusal(404, 'run_not_found')])
    await expect(collect(events)).rejects.toBeInstanceOf(ApiError)
  })

  test('waits as long as a busy server asks, and longer each time otherwise', async () => {
    const { events, waits } = scripted([
      refusal(429, 'rate_exceeded', { 'retry-after': '3' }),
      new TypeError('offline'),
      refusal(503, 'upstream_unavailable'),
      streamOf(wire(all)),
    ])
    expect(await collect(events)).toEqual(all)
    expect(waits).toEqual([3000, backoff(1, () => 0.5), backoff(2, () => 0.5)])
  })

  test('starts again from short waits once something arrived', async () => {
    const { events, waits } = scripted([
      new TypeError('offline'),
      new TypeError('offline'),
      streamOf(wire(all.slice(0, 2))),
      streamOf(wire(all.slice(2))),
    ])
    await collect(events)
    expect(waits).toEqual([0, 1, 0].map((attempt) => backoff(attempt, () => 0.5)))
  })

  test('takes silence beyond the missed pings for a cut', async () => {
    const { events } = scripted([streamOf(wire(all.slice(0, 2)), 'silent'), streamOf(wire(all.slice(2)))], {
      silenceMs: 20,
    })
    expect(await collect(events)).toEqual(all)
  })

  test('gives up after ten tries without a word', async () => {
    const { events, waits } = scripted(Array.from({ length: 11 }, () => new TypeError('offline')))
    await expect(collect(events)).rejects.toBeInstanceOf(Unreachable)
    expect(waits).toHaveLength(10)
  })

  test('stops when it is told to', async () => {
    const stop = new AbortController()
    const { events, seen } = scripted([streamOf(wire(all.slice(0, 2)), 'silent')], { signal: stop.signal })
    const first = await events.next()
    expect(first.value).toEqual(all[0])
    stop.abort()
    await expect(collect(events)).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toHaveLength(1)
  })
})

describe('the wait between tries', () => {
  test('grows, has a ceiling, and is spread', () => {
    expect(backoff(0, () => 0)).toBe(100)
    expect(backoff(0, () => 1)).toBe(400)
    expect(backoff(3, () => 1)).toBe(3200)
    expect(backoff(30, () => 1)).toBe(15_000)
    const spread = vi.fn(() => 0.25)
    backoff(2, spread)
    expect(spread).toHaveBeenCalledOnce()
  })
})

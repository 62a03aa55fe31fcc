import { ApiError, toProblem, Unreachable } from './problem'
import { createSseParser } from './sse'
import type { RunEvent } from './types'

export interface Access {
  url: string
  token: string
}

export interface RunStreamOptions {
  runId: string
  // Events after this number; 0 reads the run from its first event.
  startingAfter?: number
  access: (fresh: boolean) => Promise<Access>
  signal?: AbortSignal
  fetch?: typeof globalThis.fetch
  wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
  random?: () => number
  // The server pings each 15 s; three missed pings mean that the line is dead even if nothing said so.
  silenceMs?: number
  onConnection?: (state: 'open' | 'waiting') => void
}

const GIVE_UP_AFTER = 10
const LONGEST_WAIT = 15_000

// Full jitter keeps a house full of tabs from returning in the same instant.
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_WAIT, 400 * 2 ** attempt)
  return ceiling / 4 + random() * ((ceiling * 3) / 4)
}

// Coming back online, or back to the tab, ends the wait early.
export function waitOrWake(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => () => {
      clearTimeout(timer)
      window.removeEventListener('online', wake)
      document.removeEventListener('visibilitychange', seen)
      signal?.removeEventListener('abort', abort)
      act()
    }
    const wake = finish(resolve)
    const seen = () => {
      if (document.visibilityState === 'visible') wake()
    }
    const abort = finish(() => reject(new DOMException('aborted', 'AbortError')))
    const timer = setTimeout(wake, ms)
    window.addEventListener('online', wake)
    document.addEventListener('visibilitychange', seen)
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort)
  })
}

function toRunEvent(id: number, event: string, data: string): RunEvent | null {
  if (event !== 'started' && event !== 'aside' && event !== 'delta' && event !== 'withdrawn' && event !== 'ended')
    return null
  return { id, event, data: JSON.parse(data) } as RunEvent
}

type Cut = { kind: 'cut' } | { kind: 'unauthorised' } | { kind: 'busy'; afterMs: number | null }

// Reads one run to its end. The run lives on the server, so a cut line is taken up again where it broke, and an
// event that arrives twice is passed on once.
export async function* readRun(options: RunStreamOptions): AsyncGenerator<RunEvent, void, undefined> {
  const { runId, access, signal, random = Math.random, wait = waitOrWake, onConnection } = options
  const request = options.fetch ?? globalThis.fetch
  const silenceMs = options.silenceMs ?? 45_000
  let last = options.startingAfter ?? 0
  let failures = 0
  let fresh = false

  async function* connection(): AsyncGenerator<RunEvent, Cut, undefined> {
    const line = new AbortController()
    const hangUp = () => line.abort()
    signal?.addEventListener('abort', hangUp)
    let watchdog = setTimeout(hangUp, silenceMs)
    try {
      const { url, token } = await access(fresh)
      const response = await request(`${url}/inference/${runId}/events?starting_after=${last}`, {
        headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, 'last-event-id': String(last) },
        signal: line.signal,
        cache: 'no-store',
      })
      if (response.status === 401 && !fresh) return { kind: 'unauthorised' }
      if (response.status === 429 || response.status >= 500) {
        const seconds = Number(response.headers.get('retry-after'))
        return { kind: 'busy', afterMs: seconds > 0 ? seconds * 1000 : null }
      }
      if (!response.ok || !response.body) {
        const body: unknown = await response.json().catch(() => null)
        throw new ApiError(toProblem(body, response))
      }
      fresh = false
      onConnection?.('open')
      const ready: RunEvent[] = []
      const feed = createSseParser((message) => {
        const event = toRunEvent(Number(message.id), message.event, message.data)
        if (event) ready.push(event)
      })
      const reader = response.body.getReader()
      for (;;) {
        const { done, value } = await reader.read()
        clearTimeout(watchdog)
        watchdog = setTimeout(hangUp, silenceMs)
        if (value) feed(value)
        yield* ready.splice(0)
        if (done) return { kind: 'cut' }
      }
    } catch (error) {
      if (signal?.aborted || error instanceof ApiError) throw error
      return { kind: 'cut' }
    } finally {
      clearTimeout(watchdog)
      signal?.removeEventListener('abort', hangUp)
      line.abort()
    }
  }

  for (;;) {
    signal?.throwIfAborted()
    const events = connection()
    let step = await events.next()
    while (!step.done) {
      const event = step.value
      if (event.id > last) {
        last = event.id
        failures = 0
        yield event
        if (event.event === 'ended') {
          await events.return({ kind: 'cut' })
          return
        }
      }
      step = await events.next()
    }
    const cut = step.value
    if (cut.kind === 'unauthorised') {
      fresh = true
      continue
    }
    if (failures >= GIVE_UP_AFTER) throw new Unreachable('run stream')
    onConnection?.('waiting')
    await wait((cut.kind === 'busy' && cut.afterMs) || backoff(failures, random), signal)
    failures += 1
  }
}

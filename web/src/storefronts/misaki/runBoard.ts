import { useSyncExternalStore } from 'react'
import { type Access, type RunStreamOptions, readRun } from '../../api/runStream'
import type { Bilingual, EndedData, RunEvent } from '../../api/types'

export interface LiveRun {
  text: string
  model: string | null
  started: boolean
  // What she says while a model warms up; it is no part of the answer.
  aside: Bilingual | null
  // What was durable before is not to be shown any more.
  withdrawn: boolean
  line: 'open' | 'waiting' | 'lost'
  stopping: boolean
}

export interface RunEnd {
  runId: string
  text: string
  model: string | null
  ended: EndedData
}

type Reader = (options: RunStreamOptions) => AsyncIterable<RunEvent>

const fresh: LiveRun = {
  text: '',
  model: null,
  started: false,
  aside: null,
  withdrawn: false,
  line: 'open',
  stopping: false,
}

// Thirty redraws a second are plenty for reading.
const REDRAW_MS = 33

// Follows runs for as long as they last, whatever page is shown meanwhile: the answer goes on behind a closed drawer
// and is there when someone comes back to it.
export function createRunBoard(access: (fresh: boolean) => Promise<Access>, read: Reader = readRun) {
  const runs = new Map<string, LiveRun>()
  const stops = new Map<string, AbortController>()
  const listeners = new Set<() => void>()
  let redraw: ReturnType<typeof setTimeout> | null = null

  function tell(): void {
    if (redraw !== null) clearTimeout(redraw)
    redraw = null
    for (const listener of listeners) listener()
  }

  function change(runId: string, part: Partial<LiveRun>, soon = false): void {
    runs.set(runId, { ...(runs.get(runId) ?? fresh), ...part })
    if (!soon) tell()
    else redraw ??= setTimeout(tell, REDRAW_MS)
  }

  async function follow(runId: string, onEnd: (end: RunEnd) => void): Promise<void> {
    if (stops.has(runId)) return
    const stop = new AbortController()
    stops.set(runId, stop)
    // Always from the first event: the text is rebuilt and replaces what was shown, so nothing is doubled.
    let text = ''
    let model: string | null = null
    change(runId, { line: 'open' })
    try {
      const events = read({
        runId,
        startingAfter: 0,
        access,
        signal: stop.signal,
        onConnection: (line) => change(runId, { line }),
      })
      for await (const event of events) {
        if (stop.signal.aborted) return
        if (event.event === 'started') {
          model = event.data.model
          change(runId, { model, started: true })
        } else if (event.event === 'aside') {
          change(runId, { aside: event.data.text })
        } else if (event.event === 'withdrawn') {
          text = ''
          change(runId, { text, withdrawn: true })
        } else if (event.event === 'delta') {
          text += event.data.text
          change(runId, { text, started: true }, true)
        } else {
          onEnd({ runId, text, model, ended: event.data })
          runs.delete(runId)
          tell()
        }
      }
    } catch {
      if (!stop.signal.aborted) change(runId, { line: 'lost' })
    } finally {
      if (stops.get(runId) === stop) stops.delete(runId)
    }
  }

  return {
    follow,
    get: (runId: string) => runs.get(runId) ?? null,
    markStopping: (runId: string, stopping: boolean) => change(runId, { stopping }),
    // Someone else came in: the former person's answers are none of their business.
    reset() {
      for (const stop of stops.values()) stop.abort()
      stops.clear()
      runs.clear()
      tell()
    },
    subscribe(listener: () => void) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

export type RunBoard = ReturnType<typeof createRunBoard>

export function useLiveRun(board: RunBoard, runId: string | null): LiveRun | null {
  return useSyncExternalStore(board.subscribe, () => (runId === null ? null : board.get(runId)))
}

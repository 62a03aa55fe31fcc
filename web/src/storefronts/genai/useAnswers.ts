import { useCallback, useEffect, useReducer, useRef } from 'react'
import { type Ask, cancelInference, startInference } from '../../api/genai'
import { genaiAccess } from '../../api/inference'
import { readRun } from '../../api/runStream'
import { played, type Turn, underWay } from './play'

// Thirty redraws a second are plenty for reading.
const REDRAW_MS = 33

// The turns of a playground and the runs that answer them. A run belongs to the server: leaving the page does not end it,
// and its record has the whole answer.
export function useAnswers() {
  const [turns, tell] = useReducer(played, [] as Turn[])
  const leaving = useRef<AbortController | null>(null)
  const latest = useRef(turns)
  latest.current = turns
  useEffect(() => {
    const controller = new AbortController()
    leaving.current = controller
    return () => controller.abort()
  }, [])

  const follow = useCallback(async (turn: number, column: number, ask: Ask) => {
    const signal = leaving.current?.signal
    try {
      const { id } = await startInference(ask)
      tell({ type: 'accepted', turn, column, runId: id })
      let text = ''
      let shown = 0
      const events = readRun({ runId: id, access: genaiAccess.access, ...(signal ? { signal } : {}) })
      for await (const event of events) {
        if (event.event === 'delta') {
          text += event.data.text
          if (Date.now() - shown < REDRAW_MS) continue
          shown = Date.now()
          tell({ type: 'grown', turn, column, text })
        } else if (event.event === 'ended') {
          const { state, reason, tokens_in, tokens_out, cost_nano_usd } = event.data
          tell({ type: 'grown', turn, column, text })
          tell({
            type: 'ended',
            turn,
            column,
            state,
            reason,
            tokens: { input: tokens_in, output: tokens_out },
            costNano: cost_nano_usd,
            at: Date.now(),
          })
        }
      }
    } catch (error) {
      if (!signal?.aborted) tell({ type: 'refused', turn, column, error, at: Date.now() })
    }
  }, [])

  const send = useCallback(
    (text: string, asks: readonly Ask[]) => {
      const id = Date.now()
      tell({ type: 'asked', id, text, models: asks.map(({ model }) => model), at: id })
      for (const [column, ask] of asks.entries()) void follow(id, column, ask)
    },
    [follow],
  )

  const stop = useCallback(() => {
    for (const { runId } of underWay(latest.current)) {
      // The end comes as an event of the run; a refusal means that it has ended already.
      if (runId !== null) void cancelInference(runId).catch(() => undefined)
    }
  }, [])

  const empty = useCallback(() => tell({ type: 'emptied' }), [])
  return { turns, send, stop, empty, busy: underWay(turns).length > 0 }
}

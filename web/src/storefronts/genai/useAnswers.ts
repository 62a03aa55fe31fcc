import { useCallback, useEffect, useReducer, useRef } from 'react'
import { type Ask, cancelInference, startInference } from '../../api/genai'
import { genaiAccess } from '../../api/inference'
import { readRun } from '../../api/runStream'
import { newKey } from '../../api/uuid'
import { played, type Turn, underWay } from './play'

// Thirty redraws a second are plenty for reading.
const REDRAW_MS = 33

// The turns of a playground, from those that were there already, and the runs that answer them. A run belongs to the server:
// leaving the page does not end it, and its record has the whole answer.
export function useAnswers(before: Turn[], onAccepted: (turn: string, column: number, runId: string) => void) {
  const [turns, tell] = useReducer(played, before)
  const leaving = useRef<AbortController | null>(null)
  const latest = useRef(turns)
  latest.current = turns

  const read = useCallback(async (turn: string, column: number, runId: string) => {
    const signal = leaving.current?.signal
    let text = ''
    let shown = 0
    const events = readRun({ runId, access: genaiAccess.access, ...(signal ? { signal } : {}) })
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
  }, [])

  const follow = useCallback(
    async (turn: string, column: number, runId: () => Promise<string>) => {
      const signal = leaving.current?.signal
      try {
        await read(turn, column, await runId())
      } catch (error) {
        if (!signal?.aborted) tell({ type: 'refused', turn, column, error, at: Date.now() })
      }
    },
    [read],
  )

  useEffect(() => {
    const controller = new AbortController()
    leaving.current = controller
    for (const { id, answers } of latest.current) {
      for (const [column, { runId, endedAt }] of answers.entries()) {
        if (runId !== null && endedAt === null) void follow(id, column, async () => runId)
      }
    }
    return () => controller.abort()
  }, [follow])

  const send = useCallback(
    (text: string, asks: readonly Ask[]) => {
      const turn = newKey()
      tell({ type: 'asked', id: turn, text, models: asks.map(({ model }) => model), at: Date.now() })
      for (const [column, ask] of asks.entries()) {
        void follow(turn, column, async () => {
          const { id } = await startInference(ask)
          tell({ type: 'accepted', turn, column, runId: id })
          onAccepted(turn, column, id)
          return id
        })
      }
    },
    [follow, onAccepted],
  )

  const stop = useCallback(() => {
    for (const { runId } of underWay(latest.current)) {
      // The end comes as an event of the run; a refusal means that it has ended already.
      if (runId !== null) void cancelInference(runId).catch(() => undefined)
    }
  }, [])

  return { turns, send, stop, busy: underWay(turns).length > 0 }
}

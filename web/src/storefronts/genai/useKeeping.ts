import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useRef, useState } from 'react'
import { beginTalk, goOnWithTalk } from '../../api/talks'
import { talksQuery } from './queries'

// Puts each run of a conversation into its talk; the first one begins it. The runs themselves are durable without that.
export function useKeeping(opened: string | null, onBegun: (talk: string) => void) {
  const client = useQueryClient()
  const [problem, setProblem] = useState<unknown>(null)
  const talk = useRef<Promise<string> | null>(opened === null ? null : Promise.resolve(opened))
  const told = useRef(onBegun)
  told.current = onBegun

  const keep = useCallback(
    (turn: string, place: number, run_id: string) => {
      const run = { run_id, turn, place }
      const put = async () => {
        if (talk.current !== null) {
          await goOnWithTalk(await talk.current, run)
          return
        }
        const begun = beginTalk(run).then(({ id }) => id)
        talk.current = begun
        try {
          told.current(await begun)
        } catch (error) {
          talk.current = null
          throw error
        }
      }
      put()
        .then(() => setProblem(null), setProblem)
        .finally(() => client.invalidateQueries({ queryKey: talksQuery.queryKey }))
    },
    [client],
  )
  return { keep, problem }
}

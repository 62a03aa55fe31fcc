import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { getBatches } from '../../api/batches'
import {
  type Grouping,
  getHistory,
  getHistoryEntry,
  getModels,
  getRetention,
  getStatistics,
  getStatus,
  type HistoryFilter,
  type Span,
} from '../../api/genai'
import { getTalk, getTalks } from '../../api/talks'
import { entryKey, historyKey } from './live'

export const modelsQuery = queryOptions({ queryKey: ['genai', 'models'], queryFn: getModels, staleTime: 60_000 })

export const retentionQuery = queryOptions({ queryKey: ['genai', 'retention'], queryFn: getRetention })

// As long as something goes on, the list is looked at again and again.
export const batchesQuery = infiniteQueryOptions({
  queryKey: ['genai', 'batches'],
  queryFn: ({ pageParam }) => getBatches(pageParam),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => (page.has_more ? page.last_id : null),
  refetchInterval: ({ state }) => {
    const open = ['validating', 'in_progress', 'finalizing', 'cancelling']
    return state.data?.pages.some(({ data }) => data.some(({ status }) => open.includes(status))) ? 2_000 : false
  },
})

export const statusQuery = queryOptions({
  queryKey: ['genai', 'status'],
  queryFn: getStatus,
  refetchInterval: 30_000,
})

export function historyQuery(filter: HistoryFilter) {
  return infiniteQueryOptions({
    queryKey: [...historyKey, filter],
    queryFn: ({ pageParam }) => getHistory(filter, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}

export function entryQuery(id: string) {
  return queryOptions({ queryKey: [...entryKey, id], queryFn: () => getHistoryEntry(id) })
}

export function statisticsQuery(by: Grouping, span: Span) {
  return queryOptions({ queryKey: ['genai', 'statistics', by, span], queryFn: () => getStatistics(by, span) })
}

export const talksQuery = infiniteQueryOptions({
  queryKey: ['genai', 'talks'],
  queryFn: ({ pageParam }) => getTalks(pageParam),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
})

// Read anew whenever it is opened; what happens to it afterwards is known where it is shown.
export function talkQuery(id: string) {
  return queryOptions({
    queryKey: ['genai', 'talk', id],
    queryFn: () => getTalk(id),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  })
}

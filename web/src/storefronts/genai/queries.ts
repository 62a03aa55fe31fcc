import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
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
import { entryKey, historyKey } from './live'

export const modelsQuery = queryOptions({ queryKey: ['genai', 'models'], queryFn: getModels, staleTime: 60_000 })

export const retentionQuery = queryOptions({ queryKey: ['genai', 'retention'], queryFn: getRetention })

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

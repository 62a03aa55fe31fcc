import { type InfiniteData, type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { HistoryEntry, HistoryFilter, HistoryItem } from '../../api/genai'
import type { Page } from '../../api/types'

type Pages = InfiniteData<Page<HistoryItem>, string | null>

const over = ['completed', 'failed', 'cancelled']

export function isOver({ status }: Pick<HistoryItem, 'status'>): boolean {
  return over.includes(status)
}

function laterThan(item: HistoryItem, from: string | undefined, to: string | undefined): boolean {
  const at = Date.parse(item.created_at)
  return (from === undefined || at >= Date.parse(from)) && (to === undefined || at < Date.parse(to))
}

// Whether a request belongs into a list. Only the house can search the whole text, so a new request does not enter such a list.
export function belongs(item: HistoryItem, filter: HistoryFilter): boolean {
  return (
    filter.q === undefined &&
    (filter.model === undefined || filter.model === item.model) &&
    (filter.status === undefined || filter.status === item.status) &&
    (filter.key === undefined || filter.key === item.key?.id) &&
    (filter.tag === undefined || item.tags.includes(filter.tag)) &&
    laterThan(item, filter.from, filter.to)
  )
}

// A request that moved on replaces what the list had of it; one that is new comes first. What has ended does not begin again.
export function withNews(pages: Pages, item: HistoryItem, filter: HistoryFilter): Pages {
  const known = pages.pages.flatMap(({ items }) => items).find(({ id }) => id === item.id)
  if (known && isOver(known) && !isOver(item)) return pages
  if (known) {
    return {
      ...pages,
      pages: pages.pages.map((page) => ({
        ...page,
        items: page.items.map((one) => (one.id === item.id ? item : one)),
      })),
    }
  }
  const [first, ...rest] = pages.pages
  if (!first || !belongs(item, filter)) return pages
  // One that is older than the list's end comes with a later page by itself.
  const last = pages.pages.at(-1)
  const oldest = last?.items.at(-1)
  if (last?.next_cursor && oldest && item.created_at < oldest.created_at) return pages
  const items = [item, ...first.items].toSorted((a, b) => b.created_at.localeCompare(a.created_at))
  return { ...pages, pages: [{ ...first, items }, ...rest] }
}

export const historyKey = ['genai', 'history'] as const
export const entryKey = ['genai', 'entry'] as const

export function tell(client: QueryClient, item: HistoryItem): void {
  for (const [key] of client.getQueriesData<Pages>({ queryKey: historyKey })) {
    const filter = (key[2] ?? {}) as HistoryFilter
    client.setQueryData<Pages>(key, (pages) => pages && withNews(pages, item, filter))
  }
  client.setQueryData<HistoryEntry>([...entryKey, item.id], (entry) => entry && { ...entry, ...item })
  if (isOver(item)) {
    void client.invalidateQueries({ queryKey: [...entryKey, item.id] })
    void client.invalidateQueries({ queryKey: ['rate-limits', 'genai'] })
  }
}

const AGAIN_MS = 5000

export type Line = 'open' | 'waiting'

// Hears of every change of the tenant's requests while a page is open. After a cut the lists are read anew, since nobody
// tells what happened meanwhile.
export function useLive(): Line {
  const client = useQueryClient()
  const [line, setLine] = useState<Line>('waiting')
  useEffect(() => {
    if (typeof EventSource === 'undefined') return
    let source: EventSource | null = null
    let again: ReturnType<typeof setTimeout> | undefined
    let cut = false
    const open = () => {
      source = new EventSource('/history/events')
      source.onopen = () => {
        setLine('open')
        if (cut) void client.invalidateQueries({ queryKey: historyKey })
        cut = false
      }
      source.addEventListener('inference', (event) => {
        tell(client, JSON.parse((event as MessageEvent<string>).data) as HistoryItem)
      })
      source.onerror = () => {
        cut = true
        setLine('waiting')
        // A browser takes up a line that broke, but gives up on one that was refused.
        if (source?.readyState !== EventSource.CLOSED) return
        source.close()
        again = setTimeout(() => {
          void client.invalidateQueries({ queryKey: historyKey })
          open()
        }, AGAIN_MS)
      }
    }
    open()
    return () => {
      clearTimeout(again)
      source?.close()
    }
  }, [client])
  return line
}

// The time by this device, once a second while something counts.
export function useNow(running: boolean): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!running) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [running])
  return now
}

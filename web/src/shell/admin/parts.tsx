import { type QueryKey, useInfiniteQuery } from '@tanstack/react-query'
import type { ComponentProps, ReactNode } from 'react'
import type { Page as Slice } from '../../api/types'
import { adminWords } from '../../i18n/adminWords'
import { useWords } from '../../i18n/text'
import { Choose as Filter } from '../../ui/Choose'
import { Skeleton } from '../../ui/Skeleton'
import { Table as Rows, type TableProps } from '../../ui/Table'
import { Failed, More } from '../account/parts'
import styles from './admin.module.css'

// A list that comes in pieces.
export function usePieces<T>(queryKey: QueryKey, get: (cursor: string | null) => Promise<Slice<T>>) {
  const query = useInfiniteQuery({
    queryKey: ['admin', ...queryKey],
    queryFn: ({ pageParam }) => get(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
  return { query, rows: query.data?.pages.flatMap((page) => page.items) }
}

interface Props<T> extends Omit<TableProps<T>, 'acts'> {
  acts?: (row: T) => ReactNode
}

export function Table<T>({ acts, ...table }: Props<T>) {
  const words = useWords(adminWords)
  return <Rows {...table} acts={acts && { head: words.acts, of: acts }} />
}

interface PiecesProps<T> extends Omit<Props<T>, 'rows'> {
  pieces: ReturnType<typeof usePieces<T>>
  empty: ReactNode
}

export function Pieces<T>({ pieces: { query, rows }, empty, ...table }: PiecesProps<T>) {
  if (rows === undefined) {
    if (query.error) return <Failed error={query.error} retry={() => query.refetch()} />
    return <Skeleton height="20rem" />
  }
  if (rows.length === 0) return empty
  return (
    <>
      <Table rows={rows} {...table} />
      {query.error && <Failed error={query.error} retry={() => query.fetchNextPage()} />}
      <More query={query} />
    </>
  )
}

// One filter of a desk; what is chosen stands in the address.
export function Choose(props: Omit<ComponentProps<typeof Filter>, 'any'>) {
  const words = useWords(adminWords)
  return <Filter {...props} any={words.any} />
}

export function Filters({ children }: { children: ReactNode }) {
  const words = useWords(adminWords)
  return (
    <fieldset className={styles['filters']}>
      <legend className="visually-hidden">{words.filters}</legend>
      {children}
    </fieldset>
  )
}

// The server may know words that this page does not; they are shown as they are.
export function named(words: object, word: string): string {
  const found = (words as Record<string, unknown>)[word]
  return typeof found === 'string' ? found : word
}

// An id is for taking along, so it can be marked with one click; the whole of it stays in the text.
export function Id({ children }: { children: string }) {
  return <code className={styles['id']}>{children}</code>
}

export const storefronts = ['misaki', 'webgpt', 'genai', 'narai'] as const

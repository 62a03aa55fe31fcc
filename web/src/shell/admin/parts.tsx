import { type QueryKey, useInfiniteQuery } from '@tanstack/react-query'
import { type ReactNode, useId } from 'react'
import type { Page as Slice } from '../../api/types'
import { adminWords } from '../../i18n/adminWords'
import { useWords } from '../../i18n/text'
import { cx } from '../../ui/css'
import { Noren } from '../../ui/Noren'
import { Skeleton } from '../../ui/Skeleton'
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

export interface Column<T> {
  id: string
  head: string
  figure?: boolean
  // Long text, such as an error: a line of its own on a phone.
  long?: boolean
  cell: (row: T) => ReactNode
}

interface TableProps<T> {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  keyOf: (row: T) => string
  acts?: (row: T) => ReactNode
}

// Dense rows on a desk; on a phone each row is a card whose figures carry their headings.
export function Table<T>({ label, columns, rows, keyOf, acts }: TableProps<T>) {
  const words = useWords(adminWords)
  return (
    // A table that is wider than its place is scrolled by keyboard too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
    <section className={styles['scroll']} aria-label={label} tabIndex={0}>
      <table className={styles['table']}>
        <thead>
          <tr>
            {columns.map(({ id, head, figure }) => (
              <th key={id} scope="col" className={cx(figure && styles['figure'])}>
                {head}
              </th>
            ))}
            {acts && (
              <th scope="col">
                <span className="visually-hidden">{words.acts}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ id, head, figure, long, cell }) => (
                <td key={id} data-label={head} className={cx(figure && styles['figure'], long && styles['long'])}>
                  {cell(row)}
                </td>
              ))}
              {acts && (
                <td className={styles['acts']}>
                  <span>{acts(row)}</span>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

export function Empty({ title, text, children }: { title: string; text: string; children?: ReactNode }) {
  return (
    <div className={styles['empty']}>
      <Noren characters="空" size="small" />
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  )
}

interface PiecesProps<T> extends Omit<TableProps<T>, 'rows'> {
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

interface ChooseProps {
  label: string
  value: string | undefined
  options: readonly { value: string; text: string }[]
  onChange: (value: string | undefined) => void
}

// One filter of a table; what is chosen stands in the address.
export function Choose({ label, value, options, onChange }: ChooseProps) {
  const words = useWords(adminWords)
  const id = useId()
  const known = value === undefined || options.some((option) => option.value === value)
  const all = known ? options : [...options, { value, text: value }]
  return (
    <div className={styles['choose']}>
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value ?? ''} onChange={(event) => onChange(event.target.value || undefined)}>
        <option value="">{words.any}</option>
        {all.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </div>
  )
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

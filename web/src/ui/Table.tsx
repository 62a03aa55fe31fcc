import type { ReactNode } from 'react'
import { cx } from './css'
import styles from './table.module.css'

export interface Column<T> {
  id: string
  head: string
  figure?: boolean
  // Long text, such as an error: a line of its own on a phone.
  long?: boolean
  // Speaks for itself on a phone, where other cells carry their headings.
  bare?: boolean
  cell: (row: T) => ReactNode
}

export interface TableProps<T> {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  keyOf: (row: T) => string
  // A sum below the rows.
  foot?: T
  acts?: { head: string; of: (row: T) => ReactNode } | undefined
}

// Dense rows on a desk; on a phone each row is a card whose cells carry their headings.
export function Table<T>({ label, columns, rows, keyOf, foot, acts }: TableProps<T>) {
  const cells = (row: T) =>
    columns.map(({ id, head, figure, long, bare, cell }) => (
      <td
        key={id}
        data-label={head}
        className={cx(figure && styles['figure'], long && styles['long'], bare && styles['bare'])}
      >
        {cell(row)}
      </td>
    ))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
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
                <span className="visually-hidden">{acts.head}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {cells(row)}
              {acts && (
                <td className={styles['acts']}>
                  <span>{acts.of(row)}</span>
                </td>
              )}
            </tr>
          ))}
        </tbody>
        {foot && (
          <tfoot>
            <tr>{cells(foot)}</tr>
          </tfoot>
        )}
      </table>
    </section>
  )
}

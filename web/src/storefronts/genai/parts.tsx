import { Link } from '@tanstack/react-router'
import { type ReactNode, useId, useState } from 'react'
import type { Health, RequestStatus } from '../../api/genai'
import { requestWords } from '../../i18n/genaiRecordWords'
import { genaiWords } from '../../i18n/genaiWords'
import { useWords } from '../../i18n/text'
import { usePageTitle } from '../../shell/page'
import { Button, buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { Segments } from '../../ui/Segments'
import styles from './genai.module.css'
import { type Call, KEY_VARIABLE, type Language, languageNames, languages, snippet } from './snippets'

export function Page({
  title,
  lead,
  beside,
  children,
}: {
  title: string
  lead?: ReactNode
  beside?: ReactNode
  children: ReactNode
}) {
  usePageTitle(title)
  return (
    <div className={styles['page']}>
      <header className={styles['head']}>
        <div>
          <h1>{title}</h1>
          {lead && <p>{lead}</p>}
        </div>
        {beside}
      </header>
      {children}
    </div>
  )
}

export function State({ state }: { state: RequestStatus }) {
  const words = useWords(requestWords)
  return (
    <span className={styles['state']} data-state={state}>
      <i aria-hidden="true" />
      {words[state]}
    </span>
  )
}

export function HealthMark({ health }: { health: Health }) {
  const words = useWords(genaiWords)
  return (
    <span className={styles['state']} data-state={health}>
      <i aria-hidden="true" />
      {words[health]}
    </span>
  )
}

export function Empty({
  mark,
  title,
  text,
  children,
}: {
  mark: string
  title: string
  text?: string
  children?: ReactNode
}) {
  return (
    <div className={styles['empty']}>
      <Noren characters={mark} cloth="genai" size="small" />
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {children}
    </div>
  )
}

export interface Column<T> {
  id: string
  head: string
  figure?: boolean
  // Speaks for itself on a phone, where other figures carry their headings.
  bare?: boolean
  cell: (row: T) => ReactNode
}

interface TableProps<T> {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  keyOf: (row: T) => string
  foot?: T
}

export function Table<T>({ label, columns, rows, keyOf, foot }: TableProps<T>) {
  const cells = (row: T) =>
    columns.map(({ id, head, figure, bare, cell }) => (
      <td key={id} data-label={head} className={cx(figure && styles['figure'], bare && styles['bare'])}>
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
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>{cells(row)}</tr>
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

interface ChooseProps {
  label: string
  value: string | undefined
  options: readonly { value: string; text: string }[]
  onChange: (value: string | undefined) => void
  any?: string
}

export function Choose({ label, value, options, onChange, any }: ChooseProps) {
  const id = useId()
  const known = value === undefined || options.some((option) => option.value === value)
  const all = known ? options : [...options, { value, text: value }]
  return (
    <div className={styles['choose']}>
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value ?? ''} onChange={(event) => onChange(event.target.value || undefined)}>
        {any !== undefined && <option value="">{any}</option>}
        {all.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </div>
  )
}

export function CopyButton({ text }: { text: string }) {
  const words = useWords(genaiWords)
  const [copied, setCopied] = useState<string | null>(null)
  const done = copied === text
  async function take() {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(text)
    } catch {
      // The text stands beside the button and can be marked by hand.
    }
  }
  return (
    <>
      <Button small onClick={take}>
        <Icon name={done ? 'check' : 'copy'} size={16} />
        {done ? words.copied : words.copyCode}
      </Button>
      <span className="visually-hidden" role="status">
        {done ? words.copied : ''}
      </span>
    </>
  )
}

export function Code({ text, label }: { text: string; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard
    <section className={styles['source']} aria-label={label} lang="en" tabIndex={0}>
      <pre>
        <code>{text}</code>
      </pre>
    </section>
  )
}

// One request in four languages.
export function Snippets({ call, note }: { call: Call; note?: string | undefined }) {
  const words = useWords(genaiWords)
  const [language, setLanguage] = useState<Language>('curl')
  const text = snippet(language, call)
  const said = note ?? (call.key === null ? words.keyInVariable(KEY_VARIABLE) : undefined)
  return (
    <div className={styles['code']}>
      <div className={styles['codeHead']}>
        <Segments
          label={words.language}
          value={language}
          options={languages.map((value) => ({ value, text: languageNames[value] }))}
          onChange={setLanguage}
        />
        <CopyButton text={text} />
      </div>
      <Code text={text} label={words.code(languageNames[language])} />
      {said && <p className={styles['soft']}>{said}</p>}
    </div>
  )
}

export function RequestLink({ id, children }: { id: string; children: ReactNode }) {
  return (
    <Link to="/genai/requests/$requestId" params={{ requestId: id }} className={buttonClass({ small: true })}>
      {children}
    </Link>
  )
}

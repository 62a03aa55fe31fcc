import { Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import type { Health, RequestStatus } from '../../api/genai'
import { requestWords } from '../../i18n/genaiRecordWords'
import { genaiWords } from '../../i18n/genaiWords'
import { useWords } from '../../i18n/text'
import { usePageTitle } from '../../shell/page'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
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

import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { houseQuery, lettersQuery } from '../api/queries'
import type { Letter } from '../api/types'
import { dayAndTime } from '../i18n/format'
import { mailboxWords } from '../i18n/linkWords'
import { useLocale } from '../i18n/locale'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { buttonClass } from '../ui/Button'
import { Noren } from '../ui/Noren'
import { Notice } from '../ui/Notice'
import { Segments } from '../ui/Segments'
import { Skeleton } from '../ui/Skeleton'
import { Failed } from './account/parts'
import styles from './mailbox.module.css'
import { NoPage } from './NotFound'
import { usePageTitle } from './page'

function LetterView({ letter }: { letter: Letter }) {
  const words = useWords(mailboxWords)
  const locale = useLocale()
  const [form, setForm] = useState<'html' | 'text'>('html')
  return (
    <article className={styles['letter']} aria-label={letter.subject}>
      <h2>{letter.subject}</h2>
      <p className={styles['head']}>
        <span>
          {words.to} <b>{letter.to}</b>
        </span>
        <time dateTime={letter.at}>{dayAndTime(letter.at, locale)}</time>
      </p>
      {letter.links.length > 0 && (
        <nav aria-label={words.links}>
          <ul className={styles['links']}>
            {/* Plain links: the page is loaded anew, and takes its fragment out of the address bar first. */}
            {letter.links.map((link) => (
              <li key={link}>{/^https?:\/\//.test(link) ? <a href={link}>{link}</a> : <code>{link}</code>}</li>
            ))}
          </ul>
        </nav>
      )}
      <Segments
        label={words.form}
        value={form}
        onChange={setForm}
        options={[
          { value: 'html', text: words.html },
          { value: 'text', text: words.text },
        ]}
      />
      {form === 'html' ? (
        <iframe className={styles['sheet']} title={letter.subject} sandbox="" srcDoc={letter.html} />
      ) : (
        <pre className={styles['plain']}>{letter.text}</pre>
      )}
    </article>
  )
}

export default function MailboxPage() {
  const words = useWords(mailboxWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const house = useQuery(houseQuery)
  const letters = useQuery({ ...lettersQuery, enabled: house.data?.demo === true })
  const [chosen, setChosen] = useState<string | null>(null)
  usePageTitle(words.title)
  if (house.data && !house.data.demo) return <NoPage />
  const items = letters.data ?? []
  const letter = items.find(({ id }) => id === chosen) ?? items[0]
  return (
    <div className={styles['page']}>
      <h1>{words.title}</h1>
      <Notice tone="info" title={words.standIn} />
      {(letters.isPending || house.isPending) && <Skeleton height="16rem" />}
      {letters.error && <Failed error={letters.error} retry={() => letters.refetch()} />}
      {letters.data && !letter && (
        <div className={styles['empty']}>
          <Noren characters="手紙" />
          <h2>{words.empty}</h2>
          <p>{words.emptyText}</p>
          <Link to="/sign-up" className={buttonClass({ look: 'primary' })}>
            {shell.signUp}
          </Link>
        </div>
      )}
      {letter && (
        <div className={styles['pair']}>
          <nav aria-label={words.letters}>
            <ul className={styles['list']}>
              {items.map((item) => (
                <li key={item.id}>
                  <button
                    type="button"
                    aria-current={item.id === letter.id || undefined}
                    onClick={() => setChosen(item.id)}
                  >
                    <b>{item.subject}</b>
                    <span>{item.to}</span>
                    <time dateTime={item.at}>{dayAndTime(item.at, locale)}</time>
                  </button>
                </li>
              ))}
            </ul>
          </nav>
          <LetterView key={letter.id} letter={letter} />
        </div>
      )}
    </div>
  )
}

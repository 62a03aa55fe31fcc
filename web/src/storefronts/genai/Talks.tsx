import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useRef, useState } from 'react'
import { describeProblem } from '../../api/problem'
import { deleteTalk, renameTalk, type Talk } from '../../api/talks'
import { dayAndTime } from '../../i18n/format'
import { talkWords } from '../../i18n/genaiTalkWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Failed } from '../../shell/account/parts'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import genai from './genai.module.css'
import styles from './play.module.css'
import { talksQuery } from './queries'

interface DoProps {
  title: string
  act: string
  look: 'primary' | 'danger'
  onAct: () => Promise<unknown>
  onDone: () => void
  onClose: () => void
  children: ReactNode
}

// One thing that is done to a talk, after which the dialog is over.
function DoDialog({ title, act, look, onAct, onDone, onClose, children }: DoProps) {
  const words = useWords(talkWords)
  const locale = useLocale()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  async function go() {
    setBusy(true)
    try {
      await onAct()
      onDone()
    } catch (problem) {
      setError(problem)
      setBusy(false)
    }
  }
  return (
    <Dialog title={title} closeLabel={words.cancel} onClose={onClose}>
      <form
        className={styles['fields']}
        onSubmit={(event) => {
          event.preventDefault()
          void go()
        }}
      >
        {children}
        {error !== null && <Notice tone="bad" role="alert" title={describeProblem(error, locale).summary} />}
        <div className={genai['row']}>
          <Button look={look} type="submit" disabled={busy}>
            {act}
          </Button>
          <Button look="plain" onClick={onClose}>
            {words.cancel}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

interface AboutProps {
  talk: Talk
  onDone: () => void
  onClose: () => void
}

function RenameDialog({ talk, onDone, onClose }: AboutProps) {
  const words = useWords(talkWords)
  const [title, setTitle] = useState(talk.title ?? '')
  return (
    <DoDialog
      title={words.renameTitle}
      act={words.save}
      look="primary"
      onAct={() => renameTalk(talk.id, title.trim() === '' ? null : title.trim())}
      onDone={onDone}
      onClose={onClose}
    >
      <Field
        label={words.name}
        hint={words.nameHint}
        value={title}
        maxLength={100}
        onChange={(event) => setTitle(event.target.value)}
      />
    </DoDialog>
  )
}

interface Props {
  // The one that is shown beside the list.
  shown: string | null
  open: boolean
  // The one that was shown is no more.
  onGone: () => void
}

// The conversations that somebody had at the playground, to be opened again, named and deleted.
export function Talks({ shown, open, onGone }: Props) {
  const words = useWords(talkWords)
  const locale = useLocale()
  const client = useQueryClient()
  const query = useInfiniteQuery(talksQuery)
  const list = useRef<HTMLElement>(null)
  const [chosen, setChosen] = useState<{ talk: Talk; what: 'rename' | 'remove' } | null>(null)
  const [said, setSaid] = useState('')
  const talks = query.data?.pages.flatMap(({ items }) => items) ?? []
  const nameOf = ({ title, excerpt }: Talk) => title ?? excerpt ?? words.unnamed

  async function done(text: string) {
    setChosen(null)
    setSaid(text)
    await client.invalidateQueries({ queryKey: talksQuery.queryKey })
  }

  return (
    <details className={styles['settings']} open={open}>
      <summary>{words.title}</summary>
      <nav ref={list} tabIndex={-1} className={styles['talks']} aria-label={words.list}>
        {query.isPending && <Skeleton height="5rem" />}
        {query.error && <Failed error={query.error} retry={() => query.refetch()} />}
        {query.data && talks.length === 0 && <p className={genai['soft']}>{words.none}</p>}
        <ul>
          {talks.map((talk) => (
            <li key={talk.id} className={styles['talk']}>
              <Link
                to="/genai/playground"
                search={{ talk: talk.id }}
                aria-current={talk.id === shown ? 'page' : undefined}
              >
                <span lang={talk.title === null && talk.excerpt === null ? undefined : ''}>{nameOf(talk)}</span>
                <small>
                  {dayAndTime(talk.updated_at, locale)} · {talk.model}
                </small>
              </Link>
              <Button
                small
                icon
                look="plain"
                aria-label={words.rename(nameOf(talk))}
                title={words.rename(nameOf(talk))}
                onClick={() => setChosen({ talk, what: 'rename' })}
              >
                <Icon name="pen" size={16} />
              </Button>
              <Button
                small
                icon
                look="plain"
                aria-label={words.remove(nameOf(talk))}
                title={words.remove(nameOf(talk))}
                onClick={() => setChosen({ talk, what: 'remove' })}
              >
                <Icon name="trash" size={16} />
              </Button>
            </li>
          ))}
        </ul>
        {query.hasNextPage && (
          <Button small look="plain" disabled={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
            {words.more}
          </Button>
        )}
      </nav>
      <span className="visually-hidden" role="status">
        {said}
      </span>
      {chosen?.what === 'rename' && (
        <RenameDialog talk={chosen.talk} onDone={() => void done(words.renamed)} onClose={() => setChosen(null)} />
      )}
      {chosen?.what === 'remove' && (
        <DoDialog
          title={words.removeTitle}
          act={words.removeIt}
          look="danger"
          onAct={() => deleteTalk(chosen.talk.id)}
          onDone={() => {
            if (chosen.talk.id === shown) onGone()
            // The button that had the focus goes with its row.
            void done(words.removed).then(() => list.current?.focus())
          }}
          onClose={() => setChosen(null)}
        >
          <p lang="">{nameOf(chosen.talk)}</p>
          <p>{words.removeText}</p>
        </DoDialog>
      )}
    </details>
  )
}

import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { describeProblem } from '../../api/problem'
import { accountWords } from '../../i18n/accountWords'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { Summary } from '../form'
import { usePageTitle } from '../page'
import styles from './account.module.css'

export function Failed({ error, retry }: { error: unknown; retry: () => unknown }) {
  const shell = useWords(shellWords)
  const problem = describeProblem(error, useLocale())
  return (
    <Notice
      tone="bad"
      role="status"
      title={problem.summary}
      request={problem.requestId ? { label: shell.requestId, id: problem.requestId } : null}
      actions={
        problem.code === 'unauthenticated' ? (
          <Link to="/sign-in" search={{ next: window.location.pathname }} className={buttonClass({ small: true })}>
            {shell.signIn}
          </Link>
        ) : (
          <Button small onClick={retry}>
            <Icon name="retry" size={16} />
            {shell.retry}
          </Button>
        )
      }
    />
  )
}

export function Page({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) {
  usePageTitle(title)
  return (
    <div className={styles['page']}>
      <header>
        <h1>{title}</h1>
        {lead && <p>{lead}</p>}
      </header>
      {children}
    </div>
  )
}

interface Loaded<T> {
  data: T | undefined
  error: unknown
  isPending: boolean
  refetch: () => unknown
}

// Something that is fetched: its place is kept while it comes, and a failure can be tried again.
export function Fetched<T>({
  query,
  height = '10rem',
  children,
}: {
  query: Loaded<T>
  height?: string
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Failed error={query.error} retry={() => query.refetch()} />
  return <Skeleton height={height} />
}

interface Deed {
  mutate: () => void
  error: unknown
  isPending: boolean
}

// For what cannot be undone: says what will happen, and does it on a second press.
export function Confirm(props: { title: string; text: string; act: string; run: Deed; onClose: () => void }) {
  const form = useWords(formWords)
  return (
    <Dialog title={props.title} closeLabel={form.close} onClose={props.onClose}>
      <p>{props.text}</p>
      <Summary error={props.run.error} />
      <div className={styles['row']}>
        <Button look="danger" disabled={props.run.isPending} onClick={() => props.run.mutate()}>
          {props.act}
        </Button>
        <Button look="plain" onClick={props.onClose}>
          {form.cancel}
        </Button>
      </div>
    </Dialog>
  )
}

interface Paged {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
}

export function More({ query }: { query: Paged }) {
  const words = useWords(accountWords)
  if (!query.hasNextPage) return null
  return (
    <div className={styles['row']}>
      <Button small disabled={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
        {query.isFetchingNextPage ? words.loadingMore : words.more}
      </Button>
    </div>
  )
}

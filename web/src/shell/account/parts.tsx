import { describeProblem } from '../../api/problem'
import { accountWords } from '../../i18n/accountWords'
import { useLocale } from '../../i18n/locale'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
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
        <Button small onClick={retry}>
          <Icon name="retry" size={16} />
          {shell.retry}
        </Button>
      }
    />
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

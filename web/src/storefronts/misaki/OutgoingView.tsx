import { Link, useRouterState } from '@tanstack/react-router'
import { describeProblem } from '../../api/problem'
import type { Quota } from '../../api/types'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { quotaResets } from '../../i18n/quota'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Announcer } from './Announcer'
import { Persona, Prose, UserBubble, Waiting } from './MessageView'
import styles from './message.module.css'
import type { Outgoing } from './useConversation'

interface Props {
  item: Outgoing
  quota: Quota | null
  onResend: (key: string) => void
  onRewrite: (item: Outgoing) => void
}

function Refused({ item, quota, onResend, onRewrite }: Props) {
  const words = useWords(misakiWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const here = useRouterState({ select: (state) => state.location.pathname })
  const problem = describeProblem(item.error, locale)
  const spent = problem.code === 'quota_exhausted'
  const { suggestion } = problem
  return (
    <Notice
      tone={spent ? 'info' : 'bad'}
      role="status"
      title={spent ? words.quotaTitle : problem.summary}
      request={!spent && problem.requestId ? { label: shell.requestId, id: problem.requestId } : null}
      actions={
        <>
          {suggestion && (
            <Link to={suggestion.url} search={{ next: here }} className={buttonClass({ look: 'primary', small: true })}>
              {suggestion.title}
            </Link>
          )}
          <Button small onClick={() => onResend(item.key)}>
            <Icon name="retry" size={16} />
            {words.sendAgain}
          </Button>
          <Button small look="plain" onClick={() => onRewrite(item)}>
            {words.rewrite}
          </Button>
        </>
      }
    >
      {spent && (
        <p>
          {problem.summary}
          {quota?.resets_at && ` ${quotaResets(quota, locale)}${locale === 'ja' ? '。' : '.'}`}
        </p>
      )}
      {spent && <p>{words.quotaMore}</p>}
      {!spent && problem.retryAfter !== null && <p>{words.waitSeconds(count(problem.retryAfter, locale))}</p>}
    </Notice>
  )
}

// What was written but is not on record yet: shown at once, with a prepared answer where there is one.
export function OutgoingView(props: Props) {
  const { item } = props
  const words = useWords(misakiWords)
  return (
    <>
      <UserBubble text={item.text} />
      {item.canned && (
        <article className={styles['assistant']} aria-label={words.persona}>
          <Persona />
          <div className={styles['body']}>
            <Prose text={item.canned.reply} partial={false} />
            <footer className={styles['meta']}>
              <span title={words.cannedWhy}>
                <Badge>{words.canned}</Badge>
              </span>
            </footer>
          </div>
        </article>
      )}
      {!item.canned && item.state === 'sending' && (
        <article className={styles['assistant']} aria-label={words.persona}>
          <Persona />
          <div className={styles['body']}>
            <Waiting words={words.sending} />
          </div>
        </article>
      )}
      {item.state === 'failed' && <Refused {...props} />}
    </>
  )
}

// A prepared answer is complete when it appears, so it is announced as one.
export function CannedAnnouncer({ items }: { items: readonly Outgoing[] }) {
  const latest = items.findLast((item) => item.canned)?.canned?.reply ?? ''
  return <Announcer text={latest} done />
}

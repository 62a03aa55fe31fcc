import { Link, useRouterState } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { describeProblem, type ProblemView } from '../../api/problem'
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
import { Persona, Prose, UserBubble, Waiting } from './MessageView'
import styles from './message.module.css'
import type { Outgoing } from './room'

interface Props {
  item: Outgoing
  quota: Quota | null
  onResend: (key: string) => void
  onRewrite: (item: Outgoing) => void
}

// Counts down from what the refusal asked to wait, so that nobody has to guess.
function useWait(seconds: number | null): number {
  const [left, setLeft] = useState(seconds ?? 0)
  useEffect(() => {
    setLeft(seconds ?? 0)
    if (seconds === null) return
    const timer = setInterval(() => setLeft((now) => Math.max(0, now - 1)), 1000)
    return () => clearInterval(timer)
  }, [seconds])
  return left
}

// The way to what would have been allowed: an account for a guest, else the plan itself among the others.
function Way({ suggestion }: { suggestion: NonNullable<ProblemView['suggestion']> }) {
  const words = useWords(misakiWords)
  const here = useRouterState({ select: (state) => state.location.pathname })
  const look = buttonClass({ look: 'primary', small: true })
  if (suggestion.url.startsWith('/sign-up')) {
    return (
      <Link to="/sign-up" search={{ next: here }} className={look}>
        {suggestion.title}
      </Link>
    )
  }
  return (
    <Link
      to="/plans/$storefront"
      params={{ storefront: 'misaki' }}
      search={{ plan: suggestion.plan, next: here }}
      className={look}
    >
      {words.seePlan(suggestion.title)}
    </Link>
  )
}

function Refused({ item, quota, onResend, onRewrite }: Props) {
  const words = useWords(misakiWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const here = useRouterState({ select: (state) => state.location.pathname })
  const problem = describeProblem(item.error, locale)
  const spent = problem.code === 'quota_exhausted'
  const { suggestion, topup } = problem
  // A quota says when it returns by its date; a wait of seconds is counted down.
  const wait = useWait(spent ? null : problem.retryAfter)
  return (
    <Notice
      tone={spent ? 'info' : 'bad'}
      role="status"
      title={spent ? words.quotaTitle : problem.summary}
      request={!spent && problem.requestId ? { label: shell.requestId, id: problem.requestId } : null}
      actions={
        <>
          {problem.code === 'unauthenticated' && (
            <Link to="/sign-in" search={{ next: here }} className={buttonClass({ look: 'primary', small: true })}>
              {shell.signIn}
            </Link>
          )}
          {suggestion && <Way suggestion={suggestion} />}
          {topup && (
            <Link to={topup.url} className={buttonClass({ small: true })}>
              {topup.title}
            </Link>
          )}
          <Button small onClick={() => onResend(item.key)}>
            <Icon name="retry" size={16} />
            {words.sendAgain}
          </Button>
          <Button small look="plain" onClick={() => onRewrite(item)}>
            {item.again === null ? words.rewrite : words.dismiss}
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
      {wait > 0 && <p>{words.waitSeconds(count(wait, locale))}</p>}
      {!spent && suggestion && <p>{words.fasterPlan}</p>}
    </Notice>
  )
}

// What was written but is not on record yet: shown at once, with a prepared answer where there is one.
export function OutgoingView(props: Props) {
  const { item } = props
  const words = useWords(misakiWords)
  return (
    <>
      {item.again === null && <UserBubble text={item.text} />}
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
  return (
    <div className="visually-hidden" role="status">
      {items.findLast((item) => item.canned)?.canned?.reply.replaceAll('**', '')}
    </div>
  )
}

import { useQuery } from '@tanstack/react-query'
import { Link, useRouterState } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { describeProblem, type ProblemView } from '../../api/problem'
import type { PlanView } from '../../api/types'
import { count, day, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { CHAT_UNIT, chatQuota } from '../../i18n/quota'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { grantAmount } from '../../shell/billing/offers'
import { offersQuery } from '../../shell/billing/queries'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Persona, Prose, UserBubble, Waiting } from './MessageView'
import styles from './message.module.css'
import type { Outgoing } from './room'

interface Props {
  item: Outgoing
  plan: PlanView | null
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
  const locale = useLocale()
  const here = useRouterState({ select: (state) => state.location.pathname })
  const { data: offers } = useQuery(offersQuery('misaki'))
  const look = buttonClass({ look: 'primary', small: true })
  if (suggestion.url.startsWith('/sign-up')) {
    const grants = offers?.find(({ id }) => id === suggestion.plan)?.grants
    const grant = grants?.find(({ unit }) => unit === CHAT_UNIT)
    return (
      <Link to="/sign-up" search={{ next: here }} className={look}>
        {words.become(suggestion.title, grant ? grantAmount(grant, locale) : '')}
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

function Again({ item, onResend, onRewrite }: Pick<Props, 'item' | 'onResend' | 'onRewrite'>) {
  const words = useWords(misakiWords)
  return (
    <>
      <Button small onClick={() => onResend(item.key)}>
        <Icon name="retry" size={16} />
        {words.sendAgain}
      </Button>
      <Button small look="plain" onClick={() => onRewrite(item)}>
        {item.again === null ? words.rewrite : words.dismiss}
      </Button>
    </>
  )
}

// What was used up, and from when on there is more, in her words.
function Spent({ plan, summary }: { plan: PlanView | null; summary: string }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const quota = chatQuota(plan?.quotas)
  const known = { day: words.quotaSpentDay, month: words.quotaSpentMonth } as Record<string, string>
  const when = quota?.every === 'day' ? dayAndTime : day
  return (
    <>
      <p>
        {known[quota?.every ?? ''] ?? summary}
        {quota?.resets_at && `${locale === 'ja' ? '' : ' '}${words.quotaBack(when(quota.resets_at, locale))}`}
      </p>
      <p>{words.quotaMore}</p>
    </>
  )
}

function Refused({ item, plan, onResend, onRewrite }: Props) {
  const words = useWords(misakiWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const here = useRouterState({ select: (state) => state.location.pathname })
  const problem = describeProblem(item.error, locale)
  const spent = problem.code === 'quota_exhausted'
  const { suggestion, topup } = problem
  // A quota says when it returns by its date; a wait of seconds is counted down.
  const wait = useWait(spent ? null : problem.retryAfter)
  const again = <Again item={item} onResend={onResend} onRewrite={onRewrite} />
  // What was refused on another plan leads to a plan no more.
  if ((spent || suggestion) && item.plan && plan && item.plan !== plan.plan.id) {
    return (
      <Notice tone="info" role="status" title={words.planChanged} actions={again}>
        <p>{words.planChangedText}</p>
      </Notice>
    )
  }
  // The server's sentence names the seconds that it was asked at, and they would stand still beside those that run.
  const hurried = plan ? words.rateExceeded(count(plan.limits.per_minute, locale)) : words.rateExceededPlain
  const summary = problem.code === 'rate_exceeded' ? hurried : problem.summary
  return (
    <Notice
      tone={spent ? 'info' : 'bad'}
      role="status"
      title={spent ? words.quotaTitle : summary}
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
          {again}
        </>
      }
    >
      {spent && <Spent plan={plan} summary={problem.summary} />}
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

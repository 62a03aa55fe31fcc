import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { resultWords } from '../../i18n/billingWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { Failed } from '../account/parts'
import house from '../house.module.css'
import { usePageTitle } from '../page'
import styles from './billing.module.css'
import { forgetPlans, planOfQuery } from './queries'
import { hasArrived } from './shops'

const route = getRouteApi('/house/billing/result')

const ASK_EVERY_MS = 1500
const WAIT_MS = 30_000

// The address says how someone came back from the payment page, which is no proof of anything: the house's own answer
// about the plan decides what this page says.
export default function ResultPage() {
  const words = useWords(resultWords)
  const locale = useLocale()
  const client = useQueryClient()
  const { outcome, storefront = 'misaki', plan: wanted = null } = route.useSearch()
  const [waiting, setWaiting] = useState(outcome !== 'cancel')
  const [round, setRound] = useState(0)
  const query = useQuery({
    ...planOfQuery(storefront),
    // What was known before leaving says nothing about now.
    staleTime: 0,
    refetchOnMount: 'always',
    refetchInterval: ({ state }) => (waiting && !hasArrived(state.data, wanted) ? ASK_EVERY_MS : false),
  })
  // The answer from before the visit to the payment page may still lie in memory.
  const fresh = query.isFetchedAfterMount ? query.data : undefined
  const done = hasArrived(fresh, wanted)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round waits anew
  useEffect(() => {
    if (!waiting || done) return
    const timer = setTimeout(() => setWaiting(false), WAIT_MS)
    return () => clearTimeout(timer)
  }, [waiting, done, round])
  useEffect(() => {
    if (done) void forgetPlans(client)
  }, [done, client])
  usePageTitle(words.title)

  const again = () => {
    setWaiting(true)
    setRound((n) => n + 1)
    void query.refetch()
  }
  const ways = (
    <div className={styles['ways']}>
      <Link to="/account/plan" search={{ storefront }} className={buttonClass({ look: done ? 'quiet' : 'plain' })}>
        {words.toPlan}
      </Link>
    </div>
  )
  if (done && fresh) {
    return (
      <div className={house['centre']} role="status">
        <Noren characters="御礼" cloth={storefront} />
        <h1>{words.done(fresh.plan.title[locale])}</h1>
        <p>{words.doneText}</p>
        <Link to={`/${storefront}`} className={buttonClass({ look: 'primary' })}>
          {words.toShop}
        </Link>
        {ways}
      </div>
    )
  }
  if (waiting) {
    return (
      <div className={house['centre']} role="status">
        <Noren characters="帳場" cloth={storefront} swaying />
        <h1>{words.waiting}</h1>
        <p>{words.waitingText}</p>
      </div>
    )
  }
  if (query.error && !fresh) {
    return (
      <div className={house['centre']}>
        <h1>{words.title}</h1>
        <Failed error={query.error} retry={again} />
      </div>
    )
  }
  if (!fresh) {
    return (
      <div className={house['centre']} role="status">
        <Noren characters="帳場" cloth={storefront} swaying />
        <h1>{words.title}</h1>
      </div>
    )
  }
  if (outcome === 'cancel') {
    return (
      <div className={house['centre']}>
        <Noren characters="帳場" cloth={storefront} />
        <h1>{words.canceled}</h1>
        <p>{words.canceledText(fresh.plan.title[locale])}</p>
        <Link
          to="/plans/$storefront"
          params={{ storefront }}
          search={{ plan: wanted ?? undefined }}
          className={buttonClass({ look: 'primary' })}
        >
          {words.toPlans}
        </Link>
        {ways}
      </div>
    )
  }
  return (
    <div className={house['centre']} role="status">
      <Noren characters="帳場" cloth={storefront} />
      <h1>{words.late}</h1>
      <p>{words.lateText}</p>
      <Button look="primary" onClick={again}>
        <Icon name="retry" size={16} />
        {words.again}
      </Button>
      {ways}
    </div>
  )
}

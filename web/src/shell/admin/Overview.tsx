import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type Cron, getCrons, getJobStatistics, getReady, getStripeEvents, type JobStatistics } from '../../api/admin'
import { describeProblem } from '../../api/problem'
import { houseQuery } from '../../api/queries'
import { adminWords, overviewDeskWords } from '../../i18n/adminWords'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Icon } from '../../ui/Icon'
import { Skeleton } from '../../ui/Skeleton'
import account from '../account/account.module.css'
import { Failed, Fetched, Page } from '../account/parts'
import styles from './admin.module.css'
import { Statistics } from './Statistics'

// What is looked at again by itself, so that an open page tells the truth.
const AGAIN = 15_000

export const readyQuery = { queryKey: ['admin', 'ready'], queryFn: getReady, refetchInterval: AGAIN, retry: false }
export const statisticsQuery = {
  queryKey: ['admin', 'statistics'],
  queryFn: getJobStatistics,
  refetchInterval: AGAIN,
}
export const cronsQuery = { queryKey: ['admin', 'crons'], queryFn: getCrons }
const deadEventsQuery = {
  queryKey: ['admin', 'events', 'dead', 'count'],
  queryFn: () => getStripeEvents({ state: 'dead' }, null),
  refetchInterval: AGAIN,
}

function Well({ well, children }: { well: boolean; children: string }) {
  return (
    <p className={styles['big']} data-well={well}>
      <Icon name={well ? 'check' : 'warn'} />
      {children}
    </p>
  )
}

function Health() {
  const words = useWords(overviewDeskWords)
  const locale = useLocale()
  const ready = useQuery(readyQuery)
  const house = useQuery(houseQuery)
  return (
    <section className={account['card']}>
      <h2>{words.health}</h2>
      {ready.isPending && <Skeleton height="1.75rem" />}
      {ready.data && !ready.error && (
        <Well well={ready.data.ready}>{ready.data.ready ? words.ready : words.notReady}</Well>
      )}
      {ready.error && (
        <>
          <Well well={false}>{words.notReady}</Well>
          <p className={account['soft']}>{describeProblem(ready.error, locale).summary}</p>
        </>
      )}
      {house.data && <p className={account['soft']}>{words.version(house.data.version)}</p>}
    </section>
  )
}

function DeadLetters({ statistics }: { statistics: readonly JobStatistics[] }) {
  const words = useWords(overviewDeskWords)
  const locale = useLocale()
  const events = useQuery(deadEventsQuery)
  const jobs = statistics.reduce((sum, { dead }) => sum + dead, 0)
  const stuck = events.data?.items.length ?? 0
  const many = (n: number, more: boolean) => (more ? words.atLeast : words.pieces)(count(n, locale))
  return (
    <section className={account['card']}>
      <h2>{words.dead}</h2>
      {events.isPending && <Skeleton height="1.75rem" />}
      {events.error && <Failed error={events.error} retry={() => events.refetch()} />}
      {events.data && jobs + stuck === 0 && <Well well>{words.noDead}</Well>}
      <ul className={styles['figures']}>
        {jobs > 0 && (
          <li>
            <Link to="/admin/desk/jobs" search={{ state: 'dead' }}>
              {words.deadJobs}
            </Link>
            <b>{many(jobs, false)}</b>
          </li>
        )}
        {stuck > 0 && (
          <li>
            <Link to="/admin/desk/events" search={{ state: 'dead' }}>
              {words.deadEvents}
            </Link>
            <b>{many(stuck, events.data?.next_cursor != null)}</b>
          </li>
        )}
      </ul>
    </section>
  )
}

// The nightly check of the books is a scheduled job; one that finds a difference, or is cut short too often, is dead.
export function verifyOf(crons: readonly Cron[], statistics: readonly JobStatistics[]) {
  const cron = crons.find(({ name }) => /verify/.test(name))
  const dead = statistics.some((line) => /verify/.test(line.kind) && line.dead > 0)
  return cron ? { last: cron.last_run_at, next: cron.next_run_at, dead } : null
}

function Books({ statistics }: { statistics: readonly JobStatistics[] }) {
  const words = useWords(overviewDeskWords)
  const locale = useLocale()
  const crons = useQuery(cronsQuery)
  return (
    <section className={account['card']}>
      <h2>{words.verify}</h2>
      <Fetched query={crons} height="1.75rem">
        {(items) => {
          const verify = verifyOf(items, statistics)
          if (!verify) return <p className={account['soft']}>{words.verifyMissing}</p>
          return (
            <>
              {verify.dead && (
                <>
                  <Well well={false}>{words.verifyDead}</Well>
                  <Link to="/admin/desk/jobs" search={{ state: 'dead' }}>
                    {words.look}
                  </Link>
                </>
              )}
              {verify.last && !verify.dead && <Well well>{words.verified(dayAndTime(verify.last, locale))}</Well>}
              {verify.last && verify.dead && <p>{words.verified(dayAndTime(verify.last, locale))}</p>}
              {!verify.last && <p>{words.verifyNever}</p>}
              {verify.next && <p className={account['soft']}>{words.verifyNext(dayAndTime(verify.next, locale))}</p>}
            </>
          )
        }}
      </Fetched>
    </section>
  )
}

export function Overview() {
  const words = useWords(overviewDeskWords)
  const admin = useWords(adminWords)
  const statistics = useQuery(statisticsQuery)
  return (
    <Page title={admin.overview} lead={words.lead}>
      <div className={styles['tiles']}>
        <Health />
        <Fetched query={statistics}>{(items) => <DeadLetters statistics={items} />}</Fetched>
        {statistics.data && <Books statistics={statistics.data} />}
      </div>
      <section className={account['card']}>
        <h2>{words.queue}</h2>
        <Fetched query={statistics}>{(items) => <Statistics items={items} />}</Fetched>
      </section>
    </Page>
  )
}

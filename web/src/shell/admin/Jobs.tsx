import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { type Cron, deleteJob, getJobs, type Job, jobStates, retryJob } from '../../api/admin'
import { adminWords, jobDeskWords } from '../../i18n/adminWords'
import { dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Confirm, Fetched, Page } from '../account/parts'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { cronsQuery, statisticsQuery } from './Overview'
import { Choose, Filters, Id, named, Pieces, Table, usePieces } from './parts'
import { Statistics } from './Statistics'

const tones: Record<Job['state'], 'plain' | 'accent' | 'warn'> = {
  ready: 'plain',
  scheduled: 'plain',
  running: 'accent',
  failed: 'warn',
  dead: 'warn',
  done: 'plain',
  cancelled: 'plain',
}
// What is over, or in somebody's hands, is left alone.
const closed: readonly Job['state'][] = ['running', 'done', 'cancelled']

function Crons({ items }: { items: readonly Cron[] }) {
  const words = useWords(jobDeskWords)
  const locale = useLocale()
  if (items.length === 0) return <p className={account['soft']}>{words.noCrons}</p>
  const time = (at: string | null) => (at ? <time dateTime={at}>{dayAndTime(at, locale)}</time> : words.never)
  const columns: Column<Cron>[] = [
    { id: 'name', head: words.cron, cell: ({ name }) => name },
    {
      id: 'schedule',
      head: words.schedule,
      cell: ({ schedule, zone }) => (
        <span className={styles['two']}>
          <code>{schedule}</code>
          <small>{zone}</small>
        </span>
      ),
    },
    {
      id: 'catch-up',
      head: words.catchUp,
      cell: ({ catch_up }) => (catch_up === 'run_once' ? words.catchUpYes : words.catchUpNo),
    },
    { id: 'last', head: words.last, cell: ({ last_run_at }) => time(last_run_at) },
    { id: 'next', head: words.next, cell: ({ next_run_at }) => time(next_run_at) },
  ]
  return <Table label={words.crons} columns={columns} rows={items} keyOf={({ name }) => name} />
}

function List() {
  const words = useWords(jobDeskWords)
  const admin = useWords(adminWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const queryClient = useQueryClient()
  const search = useSearch({ from: '/house/admin/desk/jobs' })
  const statistics = useQuery(statisticsQuery)
  const pieces = usePieces(['jobs', search], (cursor) => getJobs(search, cursor))
  const [removing, setRemoving] = useState<Job | null>(null)
  const again = () => queryClient.invalidateQueries({ queryKey: ['admin'] })
  const retry = useGuarded({ mutationFn: retryJob, onSuccess: again })
  const remove = useGuarded({
    mutationFn: deleteJob,
    onSuccess: () => {
      setRemoving(null)
      return again()
    },
  })
  const choose = (part: typeof search) => navigate({ to: '/admin/desk/jobs', search: { ...search, ...part } })
  const columns: Column<Job>[] = [
    {
      id: 'kind',
      head: words.kind,
      cell: ({ id, kind, dedupe_key }) => (
        <span className={styles['two']}>
          {kind}
          <Id>{id}</Id>
          {dedupe_key && <small>{dedupe_key}</small>}
        </span>
      ),
    },
    { id: 'state', head: admin.state, cell: ({ state }) => <Badge tone={tones[state]}>{named(words, state)}</Badge> },
    { id: 'attempt', head: words.attempt, figure: true, cell: (job) => words.attemptOf(job.attempt, job.max_attempts) },
    {
      id: 'run',
      head: words.runAt,
      cell: ({ run_at, lease_until, progress }) => (
        <span className={styles['two']}>
          <time dateTime={run_at}>{dayAndTime(run_at, locale)}</time>
          {lease_until && <small>{words.lease(dayAndTime(lease_until, locale))}</small>}
          {progress !== null && <small>{words.progress(progress)}</small>}
        </span>
      ),
    },
    { id: 'error', head: admin.error, long: true, cell: ({ last_error }) => last_error },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.list}</h2>
      <Filters>
        <Choose
          label={admin.state}
          value={search.state}
          options={jobStates.map((value) => ({ value, text: words[value] }))}
          onChange={(state) => choose({ state })}
        />
        <Choose
          label={words.kind}
          value={search.kind}
          options={(statistics.data ?? []).map(({ kind }) => ({ value: kind, text: kind }))}
          onChange={(kind) => choose({ kind })}
        />
      </Filters>
      <Summary error={retry.error} />
      <Pieces
        pieces={pieces}
        label={words.list}
        columns={columns}
        keyOf={({ id }) => id}
        acts={(job) =>
          !closed.includes(job.state) && (
            <>
              {job.state === 'dead' && (
                <Button
                  small
                  disabled={retry.isPending}
                  aria-label={words.retryOf(job.id)}
                  onClick={() => retry.mutate(job.id)}
                >
                  {words.retry}
                </Button>
              )}
              <Button small look="plain" aria-label={words.removeOf(job.id)} onClick={() => setRemoving(job)}>
                {words.remove}
              </Button>
            </>
          )
        }
        empty={
          search.state || search.kind ? (
            <Empty title={words.empty} text={words.emptyText}>
              <Link to="/admin/desk/jobs">{admin.clear}</Link>
            </Empty>
          ) : (
            <Empty title={words.none} text={words.noneText} />
          )
        }
      />
      {removing && (
        <Confirm
          title={words.removeTitle(removing.kind)}
          text={words.removeText}
          act={words.remove}
          run={{ ...remove, mutate: () => remove.mutate(removing.id) }}
          onClose={() => setRemoving(null)}
        />
      )}
    </section>
  )
}

export function Jobs() {
  const words = useWords(jobDeskWords)
  const admin = useWords(adminWords)
  const statistics = useQuery(statisticsQuery)
  const crons = useQuery(cronsQuery)
  return (
    <Page title={admin.jobs} lead={words.lead}>
      <section className={account['card']}>
        <h2>{words.statistics}</h2>
        <Fetched query={statistics}>{(items) => <Statistics items={items} />}</Fetched>
      </section>
      <List />
      <section className={account['card']}>
        <h2>{words.crons}</h2>
        <Fetched query={crons}>{(items) => <Crons items={items} />}</Fetched>
      </section>
    </Page>
  )
}

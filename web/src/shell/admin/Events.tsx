import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import {
  eventStates,
  getStripeEvents,
  type Reconciliation,
  reconcile,
  replayStripeEvent,
  type StripeEvent,
} from '../../api/admin'
import { adminWords, eventDeskWords } from '../../i18n/adminWords'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import { Notice } from '../../ui/Notice'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Page } from '../account/parts'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { Choose, Filters, Id, named, Pieces, usePieces } from './parts'

function Report({ found }: { found: Reconciliation }) {
  const words = useWords(eventDeskWords)
  const locale = useLocale()
  const fine = found.missed.length + found.repaired.length === 0
  return (
    <section className={account['card']} aria-label={words.report}>
      <Notice tone="info" role="status" icon="check" title={words.report}>
        <p>
          {words.looked(count(found.events, locale), count(found.subscriptions, locale))} {fine && words.fine}
        </p>
      </Notice>
      {found.missed.length > 0 && (
        <>
          <h2>{words.missed}</h2>
          <ul>
            {found.missed.map((id) => (
              <li key={id}>
                <Id>{id}</Id>
              </li>
            ))}
          </ul>
        </>
      )}
      {found.repaired.length > 0 && (
        <>
          <h2>{words.repaired}</h2>
          <ul>
            {found.repaired.map(({ subscription, before, after }) => (
              <li key={subscription}>
                <Id>{subscription}</Id> {before ?? words.unknown} → {after}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

export function Events() {
  const words = useWords(eventDeskWords)
  const admin = useWords(adminWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const queryClient = useQueryClient()
  const { state } = useSearch({ from: '/house/admin/desk/events' })
  const pieces = usePieces(['events', state ?? ''], (cursor) => getStripeEvents({ state }, cursor))
  const again = () => queryClient.invalidateQueries({ queryKey: ['admin', 'events'] })
  const replay = useGuarded({ mutationFn: replayStripeEvent, onSuccess: again })
  const comparison = useGuarded({ mutationFn: () => reconcile(), onSuccess: again })
  const columns: Column<StripeEvent>[] = [
    {
      id: 'type',
      head: words.type,
      cell: ({ id, type }) => (
        <span className={styles['two']}>
          {type}
          <Id>{id}</Id>
        </span>
      ),
    },
    {
      id: 'state',
      head: admin.state,
      cell: (event) => <Badge tone={event.state === 'dead' ? 'warn' : 'plain'}>{named(words, event.state)}</Badge>,
    },
    { id: 'attempts', head: words.attempts, figure: true, cell: ({ attempts }) => count(attempts, locale) },
    {
      id: 'at',
      head: words.at,
      cell: ({ received_at }) => <time dateTime={received_at}>{dayAndTime(received_at, locale)}</time>,
    },
    { id: 'error', head: admin.error, long: true, cell: ({ last_error }) => last_error },
  ]
  return (
    <Page title={admin.events} lead={words.lead}>
      <div className={account['row']}>
        <Button disabled={comparison.isPending} onClick={() => comparison.mutate()}>
          {comparison.isPending ? words.reconciling : words.reconcile}
        </Button>
      </div>
      <Summary error={comparison.error ?? replay.error} />
      {comparison.data && !comparison.isPending && <Report found={comparison.data} />}
      <section className={account['card']}>
        <Filters>
          <Choose
            label={admin.state}
            value={state}
            options={eventStates.map((value) => ({ value, text: words[value] }))}
            onChange={(next) => navigate({ to: '/admin/desk/events', search: { state: next } })}
          />
        </Filters>
        {replay.isSuccess && <Notice tone="info" role="status" icon="check" title={words.replayed} />}
        <Pieces
          pieces={pieces}
          label={admin.events}
          columns={columns}
          keyOf={({ id }) => id}
          acts={(event) =>
            event.state !== 'queued' &&
            event.state !== 'working' && (
              <Button
                small
                disabled={replay.isPending}
                aria-label={words.replayOf(event.id)}
                onClick={() => replay.mutate(event.id)}
              >
                {words.replay}
              </Button>
            )
          }
          empty={
            <Empty title={state ? words.empty : words.none} text={words.emptyText}>
              {state && <Link to="/admin/desk/events">{admin.clear}</Link>}
            </Empty>
          }
        />
      </section>
    </Page>
  )
}

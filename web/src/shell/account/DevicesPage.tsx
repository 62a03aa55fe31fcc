import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { revokeOtherSessions, revokeSession } from '../../api/identity'
import { sessionsQuery } from '../../api/queries'
import type { DeviceSession } from '../../api/types'
import { dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { deviceWords } from '../../i18n/securityWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Summary } from '../form'
import styles from './account.module.css'
import area from './area.module.css'
import { deviceName } from './deviceName'
import { Fetched, Page } from './parts'

// A device that has not been back was last seen when it came.
const seen = (session: DeviceSession) => session.last_seen_at ?? session.created_at

function List({ sessions }: { sessions: readonly DeviceSession[] }) {
  const words = useWords(deviceWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const refresh = () => queryClient.invalidateQueries({ queryKey: sessionsQuery.queryKey })
  const revoke = useMutation({ mutationFn: revokeSession, onSettled: refresh })
  const revokeOthers = useMutation({ mutationFn: revokeOtherSessions, onSettled: refresh })
  const sorted = sessions.toSorted((a, b) => Number(b.current) - Number(a.current) || seen(b).localeCompare(seen(a)))
  return (
    <section className={styles['card']}>
      <Summary error={revoke.error ?? revokeOthers.error} />
      <ul className={area['things']}>
        {sorted.map((session) => {
          const name = deviceName(session.user_agent, locale) ?? (session.user_agent || words.unknown)
          return (
            <li key={session.id}>
              <div className={area['thing']}>
                <span className={area['title']}>
                  <b>{name}</b>
                  {session.current && <Badge tone="accent">{words.here}</Badge>}
                  {session.kind === 'api' && <Badge>{words.app}</Badge>}
                </span>
                <span className={area['facts']}>
                  <span>{words.since(dayAndTime(session.created_at, locale))}</span>
                  <span>{words.seen(dayAndTime(seen(session), locale))}</span>
                  {session.network && <span>{words.network(session.network)}</span>}
                </span>
              </div>
              {!session.current && (
                <Button
                  small
                  disabled={revoke.isPending}
                  aria-label={words.revokeOf(name)}
                  onClick={() => revoke.mutate(session.id)}
                >
                  {words.revoke}
                </Button>
              )}
            </li>
          )
        })}
      </ul>
      <p role="status" className={area['good']}>
        {revoke.isSuccess || revokeOthers.isSuccess ? words.revoked : ''}
      </p>
      {sessions.length > 1 ? (
        <div>
          <Button small disabled={revokeOthers.isPending} onClick={() => revokeOthers.mutate()}>
            {words.revokeOthers}
          </Button>
        </div>
      ) : (
        <p className={styles['soft']}>{words.only}</p>
      )}
    </section>
  )
}

export default function DevicesPage() {
  const words = useWords(deviceWords)
  const sessions = useQuery(sessionsQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <Fetched query={sessions}>{(items) => <List sessions={items} />}</Fetched>
    </Page>
  )
}

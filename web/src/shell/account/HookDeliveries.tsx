import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { type Delivery, getDeliveries, replayDelivery } from '../../api/hooks'
import { dayAndTime } from '../../i18n/format'
import { hookWords } from '../../i18n/hookWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { eventTypesQuery } from './HookForm'
import { Fetched, More } from './parts'

// While something is on its way, the list looks again by itself.
const SOON = 3000

export function HookDeliveries({ hook }: { hook: string }) {
  const words = useWords(hookWords)
  const query = useInfiniteQuery({
    queryKey: ['hooks', hook, 'deliveries'],
    queryFn: ({ pageParam }) => getDeliveries(hook, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: ({ state }) =>
      state.data?.pages[0]?.items.some((item) => item.state === 'waiting') ? SOON : false,
  })
  const replay = useGuarded({ mutationFn: replayDelivery, onSuccess: () => query.refetch() })
  return (
    <>
      <h3>{words.deliveries}</h3>
      <Summary error={replay.error} />
      <Fetched query={query}>
        {(data) => {
          const items = data.pages.flatMap((page) => page.items)
          if (items.length === 0) return <p className={styles['soft']}>{words.noDeliveries}</p>
          return (
            <ol className={area['things']}>
              {items.map((item) => (
                <li key={item.id}>
                  <DeliveryLine item={item} />
                  {item.state !== 'waiting' && (
                    <div className={area['acts']}>
                      <Button
                        small
                        disabled={replay.isPending}
                        aria-label={words.replayOf(item.event)}
                        onClick={() => replay.mutate(item.id)}
                      >
                        {words.replay}
                      </Button>
                    </div>
                  )}
                </li>
              ))}
            </ol>
          )
        }}
      </Fetched>
      <More query={query} />
    </>
  )
}

const tones = { waiting: 'plain', delivered: 'accent', dead: 'warn' } as const

function DeliveryLine({ item }: { item: Delivery }) {
  const words = useWords(hookWords)
  const locale = useLocale()
  const { data: types } = useQuery(eventTypesQuery)
  const title = types?.find(({ name }) => name === item.event_type)?.text[locale] ?? item.event_type
  return (
    <div className={area['thing']}>
      <span className={area['title']}>
        <b>{title}</b>
        <Badge tone={tones[item.state]}>{words[item.state]}</Badge>
      </span>
      <span className={area['facts']}>
        <time dateTime={item.created_at}>{dayAndTime(item.created_at, locale)}</time>
        <code>{item.event}</code>
        {item.url !== null && <code>{item.url}</code>}
      </span>
      {item.attempts.length > 0 && (
        <details className={area['details']}>
          <summary>{words.attempts(item.attempts.length)}</summary>
          <ol>
            {item.attempts.map((attempt) => (
              <li key={attempt.number} className={area['facts']}>
                <time dateTime={attempt.at}>{dayAndTime(attempt.at, locale)}</time>
                <span>
                  {attempt.status === null
                    ? words.silent(attempt.milliseconds)
                    : words.answered(attempt.status, attempt.milliseconds)}
                </span>
                {attempt.error && <span>{attempt.error}</span>}
                {attempt.answer && <code>{attempt.answer}</code>}
              </li>
            ))}
          </ol>
        </details>
      )}
    </div>
  )
}

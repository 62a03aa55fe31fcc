import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { cancelInference, deleteHistoryEntry, type HistoryEntry, type TimelineEntry } from '../../api/genai'
import { describeProblem } from '../../api/problem'
import { count, dollarsFromNano } from '../../i18n/format'
import { requestWords } from '../../i18n/genaiRecordWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Confirm, Fetched } from '../../shell/account/parts'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { sendAgain } from './again'
import { Gate } from './Console'
import { duration } from './format'
import styles from './genai.module.css'
import { entryKey, historyKey, isOver, useLive } from './live'
import { Code, Page, State } from './parts'
import { entryQuery } from './queries'
import { Time } from './Requests'
import record from './record.module.css'

// The server may know words that this page does not; they are shown as they are.
function named(words: object, word: string): string {
  const found = (words as Record<string, unknown>)[word]
  return typeof found === 'string' ? found : word
}

function Timeline({ entries }: { entries: readonly TimelineEntry[] }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  const first = entries[0]
  return (
    <ol className={record['timeline']}>
      {entries.map((entry) => (
        <li key={entry.at + entry.what} data-what={entry.what}>
          <b>{named(words, entry.what)}</b>
          <Time at={entry.at} />
          {first && entry !== first && (
            <span className={styles['soft']}>
              {words.after(duration(Date.parse(entry.at) - Date.parse(first.at), locale))}
            </span>
          )}
          {entry.detail && <span className={styles['mono']}>{entry.detail}</span>}
        </li>
      ))}
    </ol>
  )
}

function Told({ webhook }: { webhook: NonNullable<HistoryEntry['webhook']> }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  return (
    <>
      <p className={styles['mono']}>{webhook.url}</p>
      <p className={styles['soft']}>{webhook.events.join(', ') || words.bothEnds}</p>
      {webhook.deliveries.length === 0 && <p className={styles['soft']}>{words.notTold}</p>}
      {webhook.deliveries.map((delivery) => (
        <ol key={delivery.id} className={record['timeline']} aria-label={words.tries}>
          <li data-what={delivery.state === 'dead' ? 'failed' : delivery.state}>
            <b>{words[delivery.state]}</b>
            <span className={styles['mono']}>{delivery.event_type}</span>
          </li>
          {delivery.attempts.map((attempt) => (
            <li key={attempt.number}>
              <b>{attempt.status ?? words.silent}</b>
              <Time at={attempt.at} />
              <span className={styles['soft']}>{duration(attempt.milliseconds, locale)}</span>
              {attempt.error && <span className={styles['mono']}>{attempt.error}</span>}
            </li>
          ))}
        </ol>
      ))}
    </>
  )
}

function Figures({ entry }: { entry: HistoryEntry }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  const { tokens } = entry
  const parameters = Object.entries(entry.parameters ?? {}).filter(([, value]) => value !== null)
  const facts: [string, ReactNode][] = [
    ['ID', entry.id],
    [words.model, entry.model],
    ...(entry.model_used !== null && entry.model_used !== entry.model
      ? [[words.modelUsed, entry.model_used] as [string, ReactNode]]
      : []),
    [words.time, duration(entry.processing_time_ms, locale)],
    [words.tokens, `${count(tokens.input, locale)} / ${count(tokens.output, locale)}`],
    ...(tokens.cached > 0 ? [[words.cachedTokens, count(tokens.cached, locale)] as [string, ReactNode]] : []),
    ...(tokens.written > 0 ? [[words.writtenTokens, count(tokens.written, locale)] as [string, ReactNode]] : []),
    ...(tokens.thought > 0 ? [[words.thoughtTokens, count(tokens.thought, locale)] as [string, ReactNode]] : []),
    [words.cost, `${dollarsFromNano(entry.cost_nano_usd, locale)}${entry.is_cached ? ` (${words.cached})` : ''}`],
    [words.key, entry.key?.name ?? words.playground],
    [words.door, entry.door],
    ...(entry.finish_reason ? [[words.finish, entry.finish_reason] as [string, ReactNode]] : []),
    ...(entry.tags.length > 0 ? [[words.tags, entry.tags.join(', ')] as [string, ReactNode]] : []),
  ]
  return (
    <>
      <dl className={record['facts']}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {parameters.length > 0 && (
        <div className={styles['code']}>
          <Code text={JSON.stringify(Object.fromEntries(parameters), null, 2)} label={words.parameters} />
        </div>
      )}
    </>
  )
}

function Texts({ entry }: { entry: HistoryEntry }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  if (!entry.is_stored) {
    return (
      <Notice tone="info" title={words.textGone}>
        <p>{words.textGoneText}</p>
      </Notice>
    )
  }
  const closed = entry.is_closed && (
    <Notice tone="bad" title={words.textClosed}>
      <p>{words.textClosedText}</p>
    </Notice>
  )
  if (closed && !entry.messages && entry.text === null) return closed
  return (
    <>
      {closed}
      <h2>{words.input}</h2>
      {entry.messages?.map((message, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: what was said does not change its order
        <div key={at}>
          <p className={styles['soft']}>
            {named(words, message.role)}
            {message.images > 0 && ` · ${words.images(count(message.images, locale))}`}
            {message.documents > 0 && ` · ${words.documents(count(message.documents, locale))}`}
          </p>
          <p className={styles['plain']} lang="">
            {message.text}
          </p>
        </div>
      ))}
      <h2>{words.answer}</h2>
      {entry.text ? (
        <p className={styles['plain']} lang="">
          {entry.text}
        </p>
      ) : (
        <p className={styles['soft']}>{isOver(entry) ? words.noAnswer : words.noAnswerYet}</p>
      )}
      {entry.tool_calls && entry.tool_calls.length > 0 && (
        <div className={styles['code']}>
          <Code text={JSON.stringify(entry.tool_calls, null, 2)} label={words.toolCalls} />
        </div>
      )}
    </>
  )
}

function Acts({ entry }: { entry: HistoryEntry }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  const client = useQueryClient()
  const navigate = useNavigate()
  const [asking, setAsking] = useState(false)
  const anew = async () => {
    await client.invalidateQueries({ queryKey: historyKey })
    await client.invalidateQueries({ queryKey: [...entryKey, entry.id] })
  }
  const cancel = useMutation({ mutationFn: () => cancelInference(entry.id), onSuccess: anew })
  const again = useMutation({
    mutationFn: () => sendAgain(entry.id),
    onSuccess: (id) => navigate({ to: '/genai/requests/$requestId', params: { requestId: id } }),
  })
  const remove = useMutation({
    mutationFn: () => deleteHistoryEntry(entry.id),
    onSuccess: async () => {
      setAsking(false)
      await anew()
    },
  })
  const error = cancel.error ?? again.error
  return (
    <>
      {error && <Notice tone="bad" role="alert" title={describeProblem(error, locale).summary} />}
      <div className={styles['row']}>
        {!isOver(entry) && (
          <Button small disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            <Icon name="stop" size={16} />
            {words.cancel}
          </Button>
        )}
        {isOver(entry) && entry.is_stored && (
          <>
            {/* What was asked can lie sealed under a key that is not here. */}
            {entry.messages && (
              <Button small disabled={again.isPending} onClick={() => again.mutate()}>
                <Icon name="retry" size={16} />
                {words.retry}
              </Button>
            )}
            <Button small look="plain" onClick={() => setAsking(true)}>
              <Icon name="trash" size={16} />
              {words.delete}
            </Button>
          </>
        )}
      </div>
      {asking && (
        <Confirm
          title={words.deleteTitle('1')}
          text={words.deleteText}
          act={words.deleteDo}
          run={{ ...remove, mutate: () => remove.mutate() }}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}

function Shown({ entry }: { entry: HistoryEntry }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  useLive()
  return (
    <>
      <div className={styles['spread']}>
        <span role="status">
          <State state={entry.status} />
        </span>
        <Acts entry={entry} />
      </div>
      {entry.error && (
        <Notice tone="bad" title={entry.error.title[locale]}>
          <p className={styles['mono']}>{entry.error.code}</p>
        </Notice>
      )}
      <div className={record['columns']}>
        <section className={styles['card']}>
          <Texts entry={entry} />
        </section>
        <div className={record['aside']}>
          <section className={styles['card']}>
            <h2>{words.timeline}</h2>
            <Timeline entries={entry.timeline} />
          </section>
          {entry.webhook && (
            <section className={styles['card']}>
              <h2>{words.webhook}</h2>
              <Told webhook={entry.webhook} />
            </section>
          )}
          <section className={styles['card']}>
            <h2>{words.figures}</h2>
            <Figures entry={entry} />
          </section>
        </div>
      </div>
    </>
  )
}

function Fetching({ id }: { id: string }) {
  const query = useQuery(entryQuery(id))
  return (
    <Fetched query={query} height="24rem">
      {(entry) => <Shown entry={entry} />}
    </Fetched>
  )
}

export function Request() {
  const words = useWords(requestWords)
  const { requestId } = useParams({ from: '/house/genai/console/requests/$requestId' })
  return (
    <Gate>
      {() => (
        <Page
          title={words.detail}
          lead={
            <Link to="/genai/requests" className={styles['row']}>
              {words.back}
            </Link>
          }
        >
          <Fetching key={requestId} id={requestId} />
        </Page>
      )}
    </Gate>
  )
}

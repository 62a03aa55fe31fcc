import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { HistoryItem } from '../../api/genai'
import { createKey } from '../../api/identity'
import { genaiPlanQuery, keysQuery } from '../../api/queries'
import type { KeyWithSecret, Me } from '../../api/types'
import { count, dollarsFromNano } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { genaiStartWords, genaiWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { mayOpen } from '../../shell/account/sections'
import { useArrival } from '../../shell/arrival'
import { Summary } from '../../shell/form'
import { useGuarded } from '../../shell/stepUp'
import { Button, buttonClass } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Icon } from '../../ui/Icon'
import { Skeleton } from '../../ui/Skeleton'
import { Gate } from './Console'
import { duration } from './format'
import styles from './genai.module.css'
import { isOver, useLive } from './live'
import { Page, RequestLink, Snippets } from './parts'
import { historyQuery, modelsQuery } from './queries'
import type { Call } from './snippets'

function KeyStep({ me, secret, onMade }: { me: Me; secret: string | null; onMade: (made: KeyWithSecret) => void }) {
  const words = useWords(genaiStartWords)
  const form = useWords(formWords)
  const { firstKey } = useArrival()
  const client = useQueryClient()
  const make = useGuarded({
    mutationFn: () => createKey({ name: words.keyName, scopes: ['inference.use', 'usage.read'] }),
    onSuccess: (made) => {
      onMade(made)
      void client.invalidateQueries({ queryKey: keysQuery.queryKey })
    },
  })
  if (!mayOpen(me, 'keys')) return <p className={styles['soft']}>{words.noRight}</p>
  return (
    <>
      {secret !== null && firstKey?.secret === secret && <p className={styles['soft']}>{words.haveFirst}</p>}
      {secret !== null && (
        <>
          <Copy label={words.secret} value={secret} copy={form.copy} copied={form.copied} />
          <p className={styles['soft']}>{words.once}</p>
        </>
      )}
      <Summary error={make.error} />
      <div className={styles['row']}>
        <Button
          look={secret === null ? 'primary' : 'plain'}
          small
          disabled={make.isPending}
          onClick={() => make.mutate()}
        >
          <Icon name="key" size={16} />
          {make.isPending ? words.making : secret === null ? words.make : words.another}
        </Button>
        <Link to="/account/keys" className={buttonClass({ look: 'plain', small: true })}>
          {words.allKeys}
        </Link>
      </div>
    </>
  )
}

function Arrived({ item }: { item: HistoryItem }) {
  const words = useWords(genaiStartWords)
  const locale = useLocale()
  const done = item.status === 'completed'
  const title = done ? words.arrived : isOver(item) ? words.failedText : words.working
  return (
    <div className={styles['arrival']} data-arrived={done} data-status={item.status} role="status">
      <h3>
        <Icon name={done ? 'check' : isOver(item) ? 'warn' : 'clock'} />
        {title}
      </h3>
      {done && (
        <p className={styles['mono']}>
          {words.facts(
            item.model,
            duration(item.processing_time_ms, locale),
            count(item.tokens.input + item.tokens.output, locale),
            dollarsFromNano(item.cost_nano_usd, locale),
          )}
        </p>
      )}
      {item.text_excerpt && <p>{item.text_excerpt}</p>}
      <div>
        <RequestLink id={item.id}>{words.record}</RequestLink>
      </div>
    </div>
  )
}

function Waiting({ before }: { before: boolean }) {
  const words = useWords(genaiStartWords)
  return (
    <div className={styles['arrival']} data-arrived="false" role="status">
      <h3 className={styles['state']} data-state="processing">
        <i aria-hidden="true" />
        {words.waiting}
      </h3>
      <p className={styles['soft']}>{before ? words.before : words.waitingText}</p>
    </div>
  )
}

function Steps({ me, url }: { me: Me; url: string }) {
  const words = useWords(genaiStartWords)
  const console = useWords(genaiWords)
  const { firstKey } = useArrival()
  const [made, setMade] = useState<KeyWithSecret | null>(null)
  const models = useQuery({ ...modelsQuery, retry: false })
  const items = useInfiniteQuery(historyQuery({})).data?.pages[0]?.items
  // The newest one that had ended when this page was opened: what comes after it is news.
  const [before, setBefore] = useState<string | null | undefined>(undefined)
  if (items && before === undefined) setBefore(items.find(isOver)?.id ?? null)
  const newest = items?.[0]
  const latest = newest && before !== undefined && newest.id !== before ? newest : null
  useLive()
  const secret = made?.secret ?? firstKey?.secret ?? null
  const model = models.data?.find(({ in_plan, kind }) => in_plan && kind !== 'embedding')?.name
  const call: Call = {
    url,
    key: secret,
    ask: { model: model ?? 'gpt-6-luna', messages: [{ role: 'user', content: words.question }], max_tokens: 200 },
  }
  const arrived = latest?.status === 'completed'
  return (
    <ol className={styles['steps']}>
      <li data-done={secret !== null}>
        <section className={styles['card']}>
          <h2>{words.step1}</h2>
          <KeyStep me={me} secret={secret} onMade={setMade} />
        </section>
      </li>
      <li data-done={latest !== null}>
        <section className={styles['card']}>
          <h2>{words.step2}</h2>
          <Snippets call={call} note={secret === null ? words.notYet : undefined} />
        </section>
      </li>
      <li data-done={arrived}>
        <section className={styles['card']}>
          <h2>{words.step3}</h2>
          {latest && <Arrived item={latest} />}
          {!latest && before === undefined && <Skeleton height="7rem" />}
          {!latest && before !== undefined && <Waiting before={before !== null} />}
          <h3>{words.next}</h3>
          <p className={styles['nexts']}>
            <Link to="/genai/playground">{words.nextPlay}</Link>
            <Link to="/genai/docs">{words.nextDocs}</Link>
            <Link to="/account/hooks">{words.nextHooks}</Link>
            <Link to="/genai/requests">{console.requests}</Link>
          </p>
        </section>
      </li>
    </ol>
  )
}

function PlanFirst({ me }: { me: Me }) {
  const plan = useQuery(genaiPlanQuery)
  return <Fetched query={plan}>{({ inference }) => <Steps me={me} url={inference.url} />}</Fetched>
}

export function Start() {
  const words = useWords(genaiStartWords)
  return (
    <Gate>
      {(me) => (
        <Page title={words.title} lead={words.lead}>
          <PlanFirst me={me} />
        </Page>
      )}
    </Gate>
  )
}

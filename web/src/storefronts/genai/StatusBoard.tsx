import { useQuery } from '@tanstack/react-query'
import type { Health, ModelStatus, Status } from '../../api/genai'
import { clock } from '../../i18n/format'
import { statusWords } from '../../i18n/genaiRecordWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { type Column, Table } from '../../ui/Table'
import { duration, percent } from './format'
import styles from './genai.module.css'
import { HealthMark, Page } from './parts'
import { statusQuery } from './queries'

// The worst of all is what the house as a whole is; without traffic nothing can be said.
export function overall(items: readonly Pick<ModelStatus, 'health'>[]): Health {
  const has = (health: Health) => items.some((item) => item.health === health)
  if (has('down')) return 'down'
  if (has('slow')) return 'slow'
  return has('up') ? 'up' : 'unknown'
}

interface Line {
  name: string
  health: Health
  success: number | null
  ms: number | null
}

function Lines({ label, head, time, lines }: { label: string; head: string; time: string; lines: readonly Line[] }) {
  const words = useWords(statusWords)
  const locale = useLocale()
  const columns: Column<Line>[] = [
    { id: 'name', head, cell: ({ name }) => <b className={styles['mono']}>{name}</b> },
    { id: 'health', head: words.health, cell: ({ health }) => <HealthMark health={health} /> },
    {
      id: 'success',
      head: words.success,
      figure: true,
      cell: ({ success }) => (success === null ? words.noData : percent(success)),
    },
    {
      id: 'time',
      head: time,
      figure: true,
      cell: ({ ms }) => (ms === null ? words.noData : duration(ms, locale)),
    },
  ]
  if (lines.length === 0) return null
  return (
    <>
      <h2>{label}</h2>
      <Table label={label} columns={columns} rows={lines} keyOf={({ name }) => name} />
    </>
  )
}

function Board({ status: { items, providers } }: { status: Status }) {
  const words = useWords(statusWords)
  const health = overall(items)
  const said = { up: words.allUp, slow: words.someSlow, down: words.someDown, unknown: words.quiet }[health]
  const models = items.map((item) => ({
    name: item.model,
    health: item.health,
    success: item.success_rate_1h,
    ms: item.p50_ms,
  }))
  const behind = providers.map((one) => ({
    name: one.provider,
    health: one.health,
    success: one.success_rate_1h,
    ms: one.first_word_p50_ms,
  }))
  return (
    <>
      <p className={styles['overall']} role="status">
        <span className={styles['state']} data-state={health}>
          <i aria-hidden="true" />
          {said}
        </span>
      </p>
      <Lines label={words.models} head={words.model} time={words.p50} lines={models} />
      <Lines label={words.providers} head={words.provider} time={words.firstWord} lines={behind} />
    </>
  )
}

export function StatusBoard() {
  const words = useWords(statusWords)
  const locale = useLocale()
  const query = useQuery(statusQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <section className={styles['card']}>
        <Fetched query={query} height="16rem">
          {(status) => <Board status={status} />}
        </Fetched>
        {query.dataUpdatedAt > 0 && (
          <p className={styles['soft']}>
            {words.refreshed(clock(new Date(query.dataUpdatedAt).toISOString(), locale))}
          </p>
        )}
      </section>
    </Page>
  )
}

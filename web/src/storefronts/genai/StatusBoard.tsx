import { useQuery } from '@tanstack/react-query'
import type { Health, ModelStatus } from '../../api/genai'
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

function Board({ items }: { items: readonly ModelStatus[] }) {
  const words = useWords(statusWords)
  const locale = useLocale()
  const health = overall(items)
  const said = { up: words.allUp, slow: words.someSlow, down: words.someDown, unknown: words.quiet }[health]
  const columns: Column<ModelStatus>[] = [
    { id: 'model', head: words.model, cell: ({ model }) => <b className={styles['mono']}>{model}</b> },
    { id: 'health', head: words.health, cell: (item) => <HealthMark health={item.health} /> },
    {
      id: 'success',
      head: words.success,
      figure: true,
      cell: ({ success_rate_1h }) => (success_rate_1h === null ? words.noData : percent(success_rate_1h)),
    },
    {
      id: 'p50',
      head: words.p50,
      figure: true,
      cell: ({ p50_ms }) => (p50_ms === null ? words.noData : duration(p50_ms, locale)),
    },
  ]
  return (
    <>
      <p className={styles['overall']} role="status">
        <span className={styles['state']} data-state={health}>
          <i aria-hidden="true" />
          {said}
        </span>
      </p>
      {items.length > 0 && <Table label={words.title} columns={columns} rows={items} keyOf={({ model }) => model} />}
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
          {(items) => <Board items={items} />}
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

import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Model } from '../../api/genai'
import { catalogWords } from '../../i18n/genaiRecordWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { offersQuery } from '../../shell/billing/queries'
import { Badge } from '../../ui/Badge'
import { buttonClass } from '../../ui/Button'
import { Small } from '../../ui/Choose'
import { Empty } from '../../ui/Empty'
import { type Column, Table } from '../../ui/Table'
import { Gate } from './Console'
import { perMillion } from './format'
import styles from './genai.module.css'
import { HealthMark, Page } from './parts'
import { modelsQuery } from './queries'

function PlanOf({ model }: { model: Model }) {
  const words = useWords(catalogWords)
  const locale = useLocale()
  const offers = useQuery({ ...offersQuery('genai'), retry: false }).data
  if (model.in_plan) return <Badge tone="accent">{words.inPlan}</Badge>
  if (model.cheapest_plan === null) return words.notSold
  const title = offers?.find(({ id }) => id === model.cheapest_plan)?.title[locale] ?? model.cheapest_plan
  return (
    <Link to="/plans/$storefront" params={{ storefront: 'genai' }} search={{ plan: model.cheapest_plan }}>
      {words.from(title)}
    </Link>
  )
}

function Models({ models }: { models: readonly Model[] }) {
  const words = useWords(catalogWords)
  const [text, setText] = useState('')
  const wanted = text.normalize('NFKC').trim().toLowerCase()
  const shown = models.filter(({ name }) => name.toLowerCase().includes(wanted))
  const columns: Column<Model>[] = [
    {
      id: 'model',
      head: words.model,
      cell: ({ name, kind, price: { long } }) => (
        <span>
          <b className={styles['mono']}>{name}</b>
          {kind === 'embedding' && <span className={styles['soft']}> · {words.embedding}</span>}
          {long && (
            <small className={`${styles['soft']} ${styles['below']}`}>
              {words.longPrice(
                long.over,
                [long.input_nano_usd, long.cached_nano_usd, long.output_nano_usd].map(perMillion).join(' / '),
              )}
            </small>
          )}
        </span>
      ),
    },
    { id: 'input', head: words.input, figure: true, cell: ({ price }) => perMillion(price.input_nano_usd) },
    { id: 'cached', head: words.cached, figure: true, cell: ({ price }) => perMillion(price.cached_nano_usd) },
    { id: 'output', head: words.output, figure: true, cell: ({ price }) => perMillion(price.output_nano_usd) },
    { id: 'health', head: words.health, cell: ({ health }) => <HealthMark health={health} /> },
    { id: 'plan', head: words.plan, cell: (model) => <PlanOf model={model} /> },
    {
      id: 'try',
      head: words.tryIt,
      bare: true,
      cell: ({ name, in_plan, kind }) =>
        in_plan &&
        kind !== 'embedding' && (
          <Link
            to="/genai/playground"
            search={{ model: name }}
            className={buttonClass({ small: true, look: 'plain' })}
            aria-label={words.tryOf(name)}
          >
            {words.tryIt}
          </Link>
        ),
    },
  ]
  if (models.length === 0) return <Empty cloth="genai" mark="空" title={words.empty} text={words.emptyText} />
  return (
    <>
      <Small label={words.find}>
        {(id) => <input id={id} type="search" value={text} onChange={(event) => setText(event.target.value)} />}
      </Small>
      {shown.length === 0 ? (
        <p role="status">{words.none}</p>
      ) : (
        <Table label={words.title} columns={columns} rows={shown} keyOf={({ name }) => name} />
      )}
    </>
  )
}

function Prices() {
  const query = useQuery(modelsQuery)
  return (
    <section className={styles['card']}>
      <Fetched query={query} height="20rem">
        {(models) => <Models models={models} />}
      </Fetched>
    </section>
  )
}

export function Catalog() {
  const words = useWords(catalogWords)
  return (
    <Gate>
      {() => (
        <Page title={words.title} lead={words.lead}>
          <Prices />
        </Page>
      )}
    </Gate>
  )
}

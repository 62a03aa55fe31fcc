import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { getPlans, type PlanHistory } from '../../api/admin'
import type { Model, ModelStatus } from '../../api/genai'
import { adminWords } from '../../i18n/adminWords'
import { useLocale } from '../../i18n/locale'
import { modelDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { duration, percent, perMillion } from '../../storefronts/genai/format'
import { HealthMark } from '../../storefronts/genai/parts'
import { modelsQuery, statusQuery } from '../../storefronts/genai/queries'
import { buttonClass } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import styles from './admin.module.css'
import { Table } from './parts'

export interface Line {
  name: string
  // Of the catalogue that developers see; models that only a plan's own route leads to are not in it.
  offer: Model | undefined
  status: ModelStatus | undefined
  plans: PlanHistory[]
}

// Every model that is sold by name or that a plan leads to, in one list.
export function modelLines(
  models: readonly Model[],
  plans: readonly PlanHistory[],
  statuses: readonly ModelStatus[],
): Line[] {
  const routes = (plan: PlanHistory) => Object.values(plan.versions[0]?.routes ?? {})
  const names = new Set([...models.map(({ name }) => name), ...plans.flatMap(routes)])
  return [...names].map((name) => ({
    name,
    offer: models.find((model) => model.name === name),
    status: statuses.find(({ model }) => model === name),
    plans: plans.filter((plan) => routes(plan).includes(name)),
  }))
}

function Reach({ line: { offer, plans } }: { line: Line }) {
  const words = useWords(modelDeskWords)
  const admin = useWords(adminWords)
  const from = offer?.cheapest_plan
  if (plans.length === 0 && !from) return words.noPlan
  return (
    <span className={styles['two']}>
      {plans.map(({ storefront, id }) => (
        <Link
          key={`${storefront}/${id}`}
          className={styles['line']}
          to="/admin/desk/plans"
          search={{ plan: `${storefront}/${id}` }}
          aria-label={`${admin.plan} ${storefront}/${id}`}
        >
          {storefront}/{id}
        </Link>
      ))}
      {from && <small>{words.from(`genai/${from}`)}</small>}
    </span>
  )
}

function List({ lines }: { lines: readonly Line[] }) {
  const words = useWords(modelDeskWords)
  const locale = useLocale()
  const price = (of: keyof Model['price']) => (line: Line) => line.offer && perMillion(line.offer.price[of])
  const columns: Column<Line>[] = [
    {
      id: 'model',
      head: words.model,
      cell: ({ name, offer }) => (
        <span className={styles['two']}>
          <b>{name}</b>
          {offer && <small>{offer.kind === 'embedding' ? words.embedding : words.chat}</small>}
        </span>
      ),
    },
    { id: 'input', head: words.input, figure: true, cell: price('input_nano_usd') },
    { id: 'cached', head: words.cached, figure: true, cell: price('cached_nano_usd') },
    { id: 'output', head: words.output, figure: true, cell: price('output_nano_usd') },
    {
      id: 'health',
      head: words.health,
      cell: ({ status, offer }) => <HealthMark health={status?.health ?? offer?.health ?? 'unknown'} />,
    },
    {
      id: 'success',
      head: words.success,
      figure: true,
      cell: ({ status }) => percent(status?.success_rate_1h ?? null),
    },
    {
      id: 'median',
      head: words.median,
      figure: true,
      cell: ({ status }) => duration(status?.p50_ms ?? null, locale),
    },
    { id: 'plans', head: words.plans, cell: (line) => <Reach line={line} /> },
  ]
  if (lines.length === 0) {
    return (
      <Empty title={words.empty} text={words.emptyText}>
        <Link to="/admin/desk/providers" className={buttonClass({ look: 'primary' })}>
          {words.toProviders}
        </Link>
      </Empty>
    )
  }
  return (
    <>
      <Table label={words.list} columns={columns} rows={lines} keyOf={({ name }) => name} />
      <p className={account['soft']}>{words.perMillion}</p>
    </>
  )
}

export function Models() {
  const words = useWords(modelDeskWords)
  const admin = useWords(adminWords)
  const models = useQuery(modelsQuery)
  const plans = useQuery({ queryKey: ['admin', 'plans'], queryFn: getPlans })
  const status = useQuery(statusQuery)
  return (
    <Page title={admin.models} lead={words.lead}>
      <section className={account['card']}>
        <Fetched query={models} height="20rem">
          {(offers) => (
            <Fetched query={plans} height="20rem">
              {(all) => <List lines={modelLines(offers, all, status.data ?? [])} />}
            </Fetched>
          )}
        </Fetched>
      </section>
    </Page>
  )
}

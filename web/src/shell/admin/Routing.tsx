import { useQuery } from '@tanstack/react-query'
import { getPlans, type PlanHistory } from '../../api/admin'
import type { ModelStatus } from '../../api/genai'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { routingDeskWords } from '../../i18n/misakiDeskWords'
import { useWords } from '../../i18n/text'
import { percent } from '../../storefronts/genai/format'
import { HealthMark } from '../../storefronts/genai/parts'
import { statusQuery } from '../../storefronts/genai/queries'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import styles from './admin.module.css'
import { Table } from './parts'

interface Line {
  plan: PlanHistory
  task: string
  model: string
}

// One line for each task of each plan that is in force.
export function linesOf(plans: readonly PlanHistory[]): Line[] {
  return plans.flatMap((plan) =>
    Object.entries(plan.versions[0]?.routes ?? {}).map(([task, model]) => ({ plan, task, model })),
  )
}

function Matrix({ plans, status }: { plans: readonly PlanHistory[]; status: readonly ModelStatus[] }) {
  const words = useWords(routingDeskWords)
  const locale = useLocale()
  const lines = linesOf(plans)
  const of = (model: string) => status.find((one) => one.model === model)
  const columns: Column<Line>[] = [
    {
      id: 'plan',
      head: words.plan,
      cell: ({ plan }) => (
        <span className={styles['two']}>
          <b>{plan.versions[0]?.title[locale] ?? plan.id}</b>
          <small>
            {plan.storefront}/{plan.id}
          </small>
        </span>
      ),
    },
    { id: 'task', head: words.work, cell: ({ task }) => task },
    { id: 'model', head: words.model, cell: ({ model }) => <b>{model}</b> },
    { id: 'health', head: words.health, cell: ({ model }) => <HealthMark health={of(model)?.health ?? 'unknown'} /> },
    {
      id: 'success',
      head: words.success,
      figure: true,
      cell: ({ model }) => {
        const rate = of(model)?.success_rate_1h ?? null
        return rate === null ? '—' : percent(rate)
      },
    },
    {
      id: 'limits',
      head: words.limits,
      cell: ({ plan }) => {
        const limits = plan.versions[0]?.limits
        return limits && words.perMinute(count(limits.per_minute, locale), count(limits.concurrent, locale))
      },
    },
  ]
  if (lines.length === 0) return <Empty title={words.empty} text={words.emptyText} />
  return (
    <Table
      label={words.list}
      columns={columns}
      rows={lines}
      keyOf={({ plan, task }) => `${plan.storefront}/${plan.id}/${task}`}
    />
  )
}

// Which plan's words go to which model, and how that model is doing right now.
export function Routing() {
  const words = useWords(routingDeskWords)
  const plans = useQuery({ queryKey: ['admin', 'plans'], queryFn: getPlans })
  const status = useQuery(statusQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <section className={account['card']}>
        <h2>{words.list}</h2>
        <Fetched query={plans} height="16rem">
          {(all) => <Matrix plans={all} status={status.data?.items ?? []} />}
        </Fetched>
      </section>
    </Page>
  )
}

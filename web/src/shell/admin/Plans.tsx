import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { getPlans, type PlanHistory } from '../../api/admin'
import { adminWords, planDeskWords } from '../../i18n/adminWords'
import { count, day, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Check } from '../../ui/Check'
import { Empty } from '../../ui/Empty'
import { Select } from '../../ui/Select'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import styles from './admin.module.css'
import { named, Table } from './parts'
import { compare, termsOf } from './planDiff'

const plansQuery = { queryKey: ['admin', 'plans'], queryFn: getPlans }

const nameOf = ({ storefront, id }: PlanHistory) => `${storefront}/${id}`

function usePrice() {
  const words = useWords(planDeskWords)
  const locale = useLocale()
  return (price: number) => (price > 0 ? yen(price, locale) : words.free)
}

function Comparison({ plan, from, to }: { plan: PlanHistory; from: number | undefined; to: number | undefined }) {
  const words = useWords(planDeskWords)
  const admin = useWords(adminWords)
  const navigate = useNavigate()
  const [all, setAll] = useState(false)
  const { versions } = plan
  const after = versions.find(({ version }) => version === to) ?? versions[0]
  const before = versions.find(({ version }) => version === from) ?? versions[1] ?? versions[0]
  if (!after || !before) return null
  const differences = compare(termsOf(before), termsOf(after))
  const shown = all ? differences : differences.filter(({ changed }) => changed)
  const options = versions.map(({ version }) => ({ value: String(version), text: words.version(version) }))
  const choose = (part: { from?: number; to?: number }) =>
    navigate({
      to: '/admin/desk/plans',
      search: { plan: nameOf(plan), from: before.version, to: after.version, ...part },
      replace: true,
    })
  // `limits.per_minute` in the words of this page, as far as it has some.
  const term = (path: string) => {
    const [head = '', ...rest] = path.split('.')
    const first = head === 'price_yen' ? words.price : named(words, head)
    return rest.length > 0 ? `${first} · ${rest.join('.')}` : first
  }
  const columns: Column<(typeof differences)[number]>[] = [
    { id: 'what', head: words.what, cell: (line) => term(line.term) },
    { id: 'before', head: words.version(before.version), cell: (line) => line.before ?? admin.none },
    {
      id: 'after',
      head: words.version(after.version),
      cell: (line) => (
        <span className={styles['badges']}>
          {line.after ?? admin.none}
          {line.changed && <Badge tone="accent">{words.changed}</Badge>}
        </span>
      ),
    },
  ]
  return (
    <section className={account['card']} aria-label={words.compareOf(nameOf(plan))}>
      <h2>{words.compareOf(nameOf(plan))}</h2>
      {versions.length < 2 ? (
        <p className={account['soft']}>{words.onlyOne}</p>
      ) : (
        <div className={styles['tiles']}>
          <Select
            label={words.from}
            options={options}
            value={String(before.version)}
            onChange={(event) => choose({ from: Number(event.target.value) })}
          />
          <Select
            label={words.to}
            options={options}
            value={String(after.version)}
            onChange={(event) => choose({ to: Number(event.target.value) })}
          />
        </div>
      )}
      <Check checked={all} onChange={(event) => setAll(event.target.checked)}>
        {words.all}
      </Check>
      {shown.length === 0 && versions.length > 1 && <p className={account['soft']}>{words.same}</p>}
      {shown.length > 0 && <Table label={words.compare} columns={columns} rows={shown} keyOf={(line) => line.term} />}
    </section>
  )
}

export function Plans() {
  const words = useWords(planDeskWords)
  const admin = useWords(adminWords)
  const locale = useLocale()
  const price = usePrice()
  const plans = useQuery(plansQuery)
  const { plan: chosen, from, to } = useSearch({ from: '/house/admin/desk/plans' })
  const newest = (plan: PlanHistory) => plan.versions[0]
  const columns: Column<PlanHistory>[] = [
    {
      id: 'plan',
      head: admin.plan,
      cell: (plan) => (
        <span className={styles['two']}>
          <b>{newest(plan)?.title[locale] ?? plan.id}</b>
          <small>{nameOf(plan)}</small>
        </span>
      ),
    },
    {
      id: 'price',
      head: words.price,
      figure: true,
      cell: (plan) => price(newest(plan)?.price_yen ?? 0),
    },
    {
      id: 'version',
      head: words.versions,
      figure: true,
      cell: (plan) => words.version(newest(plan)?.version ?? 1),
    },
    {
      id: 'customers',
      head: words.customers,
      figure: true,
      cell: (plan) => (
        <span className={styles['two']}>
          {words.people(
            count(
              plan.versions.reduce((sum, { customers }) => sum + customers, 0),
              locale,
            ),
          )}
          {plan.versions.length > 1 &&
            plan.versions.map(({ version, customers }) => (
              <small key={version}>
                {words.version(version)}: {words.people(count(customers, locale))}
              </small>
            ))}
        </span>
      ),
    },
    {
      id: 'applied',
      head: words.applied,
      cell: (plan) => {
        const at = newest(plan)?.created_at
        return at && <time dateTime={at}>{day(at, locale)}</time>
      },
    },
  ]
  return (
    <Page title={admin.plans} lead={words.lead}>
      <Fetched query={plans} height="20rem">
        {(items) => {
          const open = items.find((plan) => nameOf(plan) === chosen)
          if (items.length === 0) return <Empty title={words.empty} text={words.emptyText} />
          return (
            <>
              {open && <Comparison key={nameOf(open)} plan={open} from={from} to={to} />}
              <section className={account['card']}>
                <Table
                  label={admin.plans}
                  columns={columns}
                  rows={items}
                  keyOf={nameOf}
                  acts={(plan) => (
                    <Link
                      to="/admin/desk/plans"
                      search={{ plan: nameOf(plan) }}
                      aria-label={words.compareOf(nameOf(plan))}
                    >
                      {words.compare}
                    </Link>
                  )}
                />
              </section>
            </>
          )
        }}
      </Fetched>
    </Page>
  )
}

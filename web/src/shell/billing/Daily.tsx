import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { UsageDay, UsageMonth } from '../../api/billing'
import type { Locale, StorefrontId } from '../../api/types'
import { dailyWords } from '../../i18n/billingWords'
import { count, dollarsFromNano } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords, wordsOf } from '../../i18n/text'
import { unitName } from '../../i18n/units'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import { Segments } from '../../ui/Segments'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Fetched } from '../account/parts'
import styles from './billing.module.css'
import { everyDay, isMonth, type Metric, metricOf, monthOf, moved, toCsv, unitsIn } from './daily'
import { usageMonthQuery } from './queries'

// A calendar day has no time of day: read as UTC and shown as UTC it stays the day it is, wherever the reader sits.
function dayOf(day: string, locale: Locale): string {
  return new Intl.DateTimeFormat(locale === 'ja' ? 'ja-JP' : 'en-GB', {
    month: locale === 'ja' ? 'long' : 'short',
    day: 'numeric',
    weekday: 'short',
    timeZone: 'UTC',
  }).format(new Date(`${day}T00:00:00Z`))
}

function nameOfMonth(month: string, locale: Locale): string {
  return new Intl.DateTimeFormat(locale === 'ja' ? 'ja-JP' : 'en-GB', {
    year: 'numeric',
    month: 'long',
    timeZone: 'UTC',
  }).format(new Date(`${month}-01T00:00:00Z`))
}

function shown(value: number, metric: Metric, locale: Locale): string {
  return metric === 'cost' ? dollarsFromNano(value, locale) : count(value, locale)
}

const WIDTH = 620
const HEIGHT = 220
const FLOOR = HEIGHT - 22

// One bar a day. It says in words what it shows; every figure stands in the table.
function Chart({ month, days, metric }: { month: UsageMonth; days: readonly UsageDay[]; metric: Metric }) {
  const words = useWords(dailyWords)
  const locale = useLocale()
  const values = days.map((one) => metricOf(one, metric))
  const most = Math.max(...values, 0)
  const busiest = days[values.indexOf(most)]
  const step = WIDTH / days.length
  const said = words.summary(
    words[metric],
    nameOfMonth(month.month, locale),
    shown(metricOf(month.totals, metric), metric, locale),
    shown(most, metric, locale),
    busiest ? dayOf(busiest.day, locale) : '',
  )
  return (
    <figure className={styles['chart']}>
      <figcaption>{words.most(shown(most, metric, locale))}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said}>
        <line x1="0" x2={WIDTH} y1="0.5" y2="0.5" className={styles['grid']} />
        <line x1="0" x2={WIDTH} y1={FLOOR / 2} y2={FLOOR / 2} className={styles['grid']} />
        <line x1="0" x2={WIDTH} y1={FLOOR} y2={FLOOR} className={styles['floor']} />
        {days.map((one, at) => {
          const value = values[at] ?? 0
          const height = most === 0 ? 0 : Math.max(value > 0 ? 2 : 0, (value / most) * (FLOOR - 2))
          const number = at + 1
          return (
            <g key={one.day}>
              <title>{`${dayOf(one.day, locale)} ${shown(value, metric, locale)}`}</title>
              {/* The whole column answers to a pointer, a short bar alone would be hard to meet. */}
              <rect x={at * step} y="0" width={step} height={FLOOR} fill="transparent" />
              <rect
                x={at * step + step * 0.15}
                y={FLOOR - height}
                width={step * 0.7}
                height={height}
                rx="2"
                className={styles['bar']}
              />
              {(number === 1 || number % 5 === 0) && (
                <text x={at * step + step / 2} y={HEIGHT - 4} textAnchor="middle" className={styles['tick']}>
                  {number}
                </text>
              )}
            </g>
          )
        })}
      </svg>
    </figure>
  )
}

interface Column {
  key: string
  title: string
  value: (one: Omit<UsageDay, 'day'>) => string
}

function columnsOf(month: UsageMonth, locale: Locale): Column[] {
  const words = wordsOf(dailyWords, locale)
  return [
    { key: 'requests', title: words.requests, value: ({ requests }) => count(requests, locale) },
    ...unitsIn(month).map((unit) => ({
      key: unit,
      title: unitName(unit, locale),
      value: ({ units }: Omit<UsageDay, 'day'>) => count(units[unit] ?? 0, locale),
    })),
    { key: 'in', title: words.tokensIn, value: ({ tokens_in }) => count(tokens_in, locale) },
    { key: 'out', title: words.tokensOut, value: ({ tokens_out }) => count(tokens_out, locale) },
    { key: 'cost', title: words.costUsd, value: ({ cost_nano_usd }) => dollarsFromNano(cost_nano_usd, locale) },
  ]
}

function Sheet({ month, days }: { month: UsageMonth; days: readonly UsageDay[] }) {
  const words = useWords(dailyWords)
  const locale = useLocale()
  const columns = columnsOf(month, locale)
  const cells = (one: Omit<UsageDay, 'day'>) =>
    columns.map(({ key, value }) => (
      <td key={key} className={account['figure']}>
        {value(one)}
      </td>
    ))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={styles['wide']} aria-label={words.title} tabIndex={0}>
      <table className={cx(account['table'], styles['days'])}>
        <thead>
          <tr>
            <th scope="col">{words.day}</th>
            {columns.map(({ key, title }) => (
              <th key={key} scope="col" className={account['figure']}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {days
            .filter((one) => one.requests > 0 || one.tokens_in + one.tokens_out + one.cost_nano_usd > 0)
            .map((one) => (
              <tr key={one.day}>
                <td>{dayOf(one.day, locale)}</td>
                {cells(one)}
              </tr>
            ))}
        </tbody>
        <tfoot>
          <tr>
            <td>{words.total}</td>
            {cells(month.totals)}
          </tr>
        </tfoot>
      </table>
    </section>
  )
}

function save(csv: string, name: string): void {
  const url = URL.createObjectURL(new Blob([csv], { type: 'text/csv;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

function Shown({ month, storefront }: { month: UsageMonth; storefront: StorefrontId }) {
  const words = useWords(dailyWords)
  const locale = useLocale()
  const heads = [words.day, ...columnsOf(month, locale).map(({ title }) => title)]
  const [metric, setMetric] = useState<Metric>('requests')
  const [view, setView] = useState<'chart' | 'table'>('chart')
  const days = everyDay(month)
  if (month.totals.requests === 0 && metricOf(month.totals, 'tokens') === 0) {
    return <p className={account['soft']}>{words.empty}</p>
  }
  return (
    <>
      <dl className={styles['totals']}>
        {(['requests', 'tokens', 'cost'] as const).map((one) => (
          <div key={one}>
            <dt>{words[one]}</dt>
            <dd>{shown(metricOf(month.totals, one), one, locale)}</dd>
          </div>
        ))}
      </dl>
      <div className={account['row']}>
        <Segments
          label={words.view}
          value={view}
          options={[
            { value: 'chart', text: words.chart },
            { value: 'table', text: words.table },
          ]}
          onChange={setView}
        />
        {view === 'chart' && (
          <Segments
            label={words.metric}
            value={metric}
            options={(['requests', 'tokens', 'cost'] as const).map((value) => ({ value, text: words[value] }))}
            onChange={setMetric}
          />
        )}
        <Button small onClick={() => save(toCsv(month, heads), `noren-${storefront}-${month.month}.csv`)}>
          <Icon name="down" size={16} />
          {words.csv}
        </Button>
      </div>
      {view === 'chart' ? <Chart month={month} days={days} metric={metric} /> : <Sheet month={month} days={days} />}
      <p className={account['soft']}>
        <small>{words.zone(month.zone)}</small>
      </p>
    </>
  )
}

export function Daily({ storefront, month: wanted }: { storefront: StorefrontId; month: string | undefined }) {
  const words = useWords(dailyWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const latest = monthOf(new Date())
  const month = isMonth(wanted) ? wanted : latest
  const query = useQuery(usageMonthQuery(storefront, month))
  const go = (to: string) =>
    void navigate({ to: '/account/plan', search: { storefront, month: to }, replace: true, resetScroll: false })
  return (
    <section className={account['card']}>
      <div className={area['cardHead']}>
        <h2>{words.title}</h2>
        <div className={styles['months']}>
          <Button small icon look="plain" aria-label={words.previous} onClick={() => go(moved(month, -1))}>
            <Icon name="left" size={16} />
          </Button>
          <label>
            <span className="visually-hidden">{words.month}</span>
            <select value={month} onChange={(event) => go(event.target.value)}>
              {[...new Set([...Array.from({ length: 13 }, (_, back) => moved(latest, -back)), month])].map((one) => (
                <option key={one} value={one}>
                  {nameOfMonth(one, locale)}
                </option>
              ))}
            </select>
          </label>
          <Button
            small
            icon
            look="plain"
            aria-label={words.next}
            disabled={month >= latest}
            onClick={() => go(moved(month, 1))}
          >
            <Icon name="right" size={16} />
          </Button>
        </div>
      </div>
      <Fetched query={query} height="16rem">
        {(data) => <Shown month={data} storefront={storefront} />}
      </Fetched>
    </section>
  )
}

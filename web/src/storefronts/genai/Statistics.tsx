import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import {
  type Figures,
  type Grouping,
  getStatisticsTable,
  type Span,
  type Statistics as Sums,
  type TableForm,
} from '../../api/genai'
import { describeProblem } from '../../api/problem'
import type { Locale } from '../../api/types'
import { count, dollarsFromNano } from '../../i18n/format'
import { statisticsWords } from '../../i18n/genaiRecordWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { Rates } from '../../shell/billing/Rates'
import { saveAs } from '../../shell/csv'
import { Button } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Segments } from '../../ui/Segments'
import { type Column, Table } from '../../ui/Table'
import { Chart } from './Chart'
import { Gate } from './Console'
import { duration, percent } from './format'
import styles from './genai.module.css'
import { Page } from './parts'
import { statisticsQuery } from './queries'
import { everyStep, groupingOf, groupings, type SpanName, type Split, spanFrom, spans } from './spans'
import stats from './stats.module.css'

const metrics = ['requests', 'success', 'mean', 'p95', 'tokens', 'cost'] as const
export type Metric = (typeof metrics)[number]

export function figureOf(figures: Figures, metric: Metric): number | null {
  switch (metric) {
    case 'requests':
      return figures.requests
    case 'success':
      return figures.success_rate
    case 'mean':
      return figures.mean_ms
    case 'p95':
      return figures.p95_ms
    case 'tokens':
      return figures.tokens.input + figures.tokens.output
    case 'cost':
      return figures.cost_nano_usd
  }
}

export function shownOf(value: number | null, metric: Metric, locale: Locale): string {
  if (value === null) return '–'
  if (metric === 'success') return percent(value)
  if (metric === 'mean' || metric === 'p95') return duration(value, locale)
  return metric === 'cost' ? dollarsFromNano(value, locale) : count(value, locale)
}

function Totals({ totals }: { totals: Figures }) {
  const words = useWords(statisticsWords)
  const locale = useLocale()
  const more: Partial<Record<Metric, string>> = {
    success: words.failedOf(count(totals.failed, locale), count(totals.cancelled, locale)),
    tokens: words.inOut(count(totals.tokens.input, locale), count(totals.tokens.output, locale)),
  }
  return (
    <dl className={stats['totals']}>
      {metrics.map((metric) => (
        <div key={metric} data-metric={metric}>
          <dt>{words[metric]}</dt>
          <dd>{shownOf(figureOf(totals, metric), metric, locale)}</dd>
          {more[metric] && <dd className={styles['soft']}>{more[metric]}</dd>}
        </div>
      ))}
    </dl>
  )
}

type Row = Figures & { name: string; id: string | null }

// What each place shows: the groups by their names, and at the end what is left of them.
function rowsOf(sums: Sums, othersCalled: (groups: number) => string): Row[] {
  const { groups, others } = sums
  return others ? [...groups, { ...others, name: othersCalled(others.groups), id: 'others' }] : groups
}

function Sheet({ sums, by }: { sums: Sums; by: Grouping }) {
  const words = useWords(statisticsWords)
  const locale = useLocale()
  const figure = (id: string, head: string, show: (row: Row) => string): Column<Row> => ({
    id,
    head,
    figure: true,
    cell: show,
  })
  const columns: Column<Row>[] = [
    { id: 'group', head: words.group, cell: ({ name }) => name || (by === 'key' ? words.noKey : words.none) },
    figure('requests', words.requests, (row) => count(row.requests, locale)),
    figure('completed', words.completed, (row) => count(row.completed, locale)),
    figure('failed', words.failed, (row) => count(row.failed, locale)),
    figure('cancelled', words.cancelled, (row) => count(row.cancelled, locale)),
    figure('success', words.success, (row) => percent(row.success_rate)),
    figure('mean', words.mean, (row) => duration(row.mean_ms, locale)),
    figure('p95', words.p95, (row) => duration(row.p95_ms, locale)),
    figure('in', words.tokensIn, (row) => count(row.tokens.input, locale)),
    figure('out', words.tokensOut, (row) => count(row.tokens.output, locale)),
    figure('cost', words.cost, (row) => dollarsFromNano(row.cost_nano_usd, locale)),
  ]
  return (
    <Table
      label={words.title}
      columns={columns}
      rows={rowsOf(sums, (groups) => words.others(count(groups, locale)))}
      keyOf={({ name, id }) => id ?? name}
      foot={{ ...sums.totals, name: words.total, id: null }}
    />
  )
}

function Save({ by, span, name }: { by: Grouping; span: Span; name: string }) {
  const words = useWords(statisticsWords)
  const locale = useLocale()
  const save = useMutation({
    mutationFn: async (form: TableForm) =>
      saveAs(`noren-genai-${name}.${form}`, await getStatisticsTable(form, by, span)),
  })
  return (
    <>
      <div className={styles['row']}>
        {(['csv', 'parquet'] as const).map((form) => (
          <Button key={form} small disabled={save.isPending} onClick={() => save.mutate(form)}>
            <Icon name="down" size={16} />
            {words[form]}
          </Button>
        ))}
      </div>
      {save.error && <Notice tone="bad" role="alert" title={describeProblem(save.error, locale).summary} />}
    </>
  )
}

function Groups({ sums, by }: { sums: Sums; by: Grouping }) {
  const words = useWords(statisticsWords)
  const locale = useLocale()
  const [view, setView] = useState<'chart' | 'table'>('chart')
  const [metric, setMetric] = useState<Metric>('requests')
  const timed = by === 'day' || by === 'hour' || by === 'minute'
  const rows = rowsOf(sums, (groups) => words.others(count(groups, locale)))
  return (
    <>
      <div className={styles['spread']}>
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
            options={metrics.map((value) => ({ value, text: words[value] }))}
            onChange={setMetric}
          />
        )}
      </div>
      {view === 'chart' ? (
        <Chart
          title={words[metric]}
          timed={timed}
          total={shownOf(figureOf(sums.totals, metric), metric, locale)}
          points={everyStep(
            rows.map(({ name }) => name),
            by,
          ).map((name) => {
            const row = rows.find((one) => one.name === name)
            const value = row ? figureOf(row, metric) : null
            return {
              name: name || (by === 'key' ? words.noKey : words.none),
              value: value ?? 0,
              shown: shownOf(row ? value : 0, metric, locale),
            }
          })}
        />
      ) : (
        <Sheet sums={sums} by={by} />
      )}
      {sums.others && <p className={styles['soft']}>{words.cut(count(sums.groups.length, locale))}</p>}
      {timed && <p className={styles['soft']}>{words.zone(sums.zone)}</p>}
    </>
  )
}

function Shown({ span, split }: { span: SpanName; split: Split }) {
  const words = useWords(statisticsWords)
  // The same minute for as long as this page shows one span, so that nothing is asked for twice.
  const [asked] = useState(() => spanFrom(span, Date.now()))
  const by = groupingOf(split, span)
  const query = useQuery(statisticsQuery(by, asked))
  return (
    <Fetched query={query} height="24rem">
      {(sums) =>
        sums.totals.requests === 0 ? (
          <section className={styles['card']}>
            <Empty cloth="genai" mark="空" title={words.empty} text={words.emptyText} />
          </section>
        ) : (
          <>
            <Totals totals={sums.totals} />
            <section className={styles['card']}>
              <div className={styles['spread']}>
                <h2>
                  {words.by} ·{' '}
                  {words[({ time: 'byTime', model: 'byModel', key: 'byKey', tag: 'byTag' } as const)[split]]}
                </h2>
                <Save by={by} span={asked} name={`${span}-${split}`} />
              </div>
              <Groups sums={sums} by={by} />
            </section>
          </>
        )
      }
    </Fetched>
  )
}

function Choices({ span, split }: { span: SpanName; split: Split }) {
  const words = useWords(statisticsWords)
  const navigate = useNavigate()
  const go = (search: { span?: SpanName; by?: Split }) =>
    void navigate({
      to: '/genai/statistics',
      search: { span, by: split, ...search },
      replace: true,
      resetScroll: false,
    })
  return (
    <div className={styles['spread']}>
      <Segments
        label={words.span}
        value={span}
        options={spans.map((value) => ({ value, text: words[value] }))}
        onChange={(value) => go({ span: value })}
      />
      <Segments
        label={words.by}
        value={split}
        options={groupings.map((value) => ({
          value,
          text: words[({ time: 'byTime', model: 'byModel', key: 'byKey', tag: 'byTag' } as const)[value]],
        }))}
        onChange={(value) => go({ by: value })}
      />
    </div>
  )
}

export function Statistics() {
  const words = useWords(statisticsWords)
  const { span = '7d', by = 'time' } = useSearch({ from: '/house/genai/console/statistics' })
  return (
    <Gate>
      {() => (
        <Page title={words.title} lead={words.lead}>
          <Choices span={span} split={by} />
          <Shown key={`${span}/${by}`} span={span} split={by} />
          <Rates storefront="genai" />
        </Page>
      )}
    </Gate>
  )
}

import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { getFigures, type HouseFigures } from '../../api/admin'
import { adminWords, figuresWords } from '../../i18n/adminWords'
import { count, dollarsFromNano, money } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Small } from '../../ui/Choose'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import { Segments } from '../../ui/Segments'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import { saveAs, toCsv } from '../csv'
import { type FigureRow, figuresCsv, rowOf, spanBeside, yearsToChoose } from './figureRows'
import { monthName, monthOf, monthsToChoose } from './months'
import { Filters, Table } from './parts'

function Span({ of, now }: { of: string; now: string }) {
  const words = useWords(figuresWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const choose = (next: string) => navigate({ to: '/admin/desk/figures', search: { of: next } })
  const isYear = of.length === 4
  return (
    <>
      <Small label={words.span}>
        {(id) => (
          <select id={id} value={of} onChange={(event) => choose(event.target.value)}>
            <optgroup label={words.byDay}>
              {monthsToChoose(now, isYear ? now : of).map((value) => (
                <option key={value} value={value}>
                  {monthName(value, locale)}
                </option>
              ))}
            </optgroup>
            <optgroup label={words.byMonth}>
              {yearsToChoose(now, of).map((value) => (
                <option key={value} value={value}>
                  {words.year(value)}
                </option>
              ))}
            </optgroup>
          </select>
        )}
      </Small>
      <Button icon aria-label={words.before} onClick={() => choose(spanBeside(of, -1))}>
        <Icon name="left" />
      </Button>
      <Button
        icon
        aria-label={words.after}
        disabled={of >= now.slice(0, of.length)}
        onClick={() => choose(spanBeside(of, 1))}
      >
        <Icon name="right" />
      </Button>
    </>
  )
}

function Shown({ figures, of }: { figures: HouseFigures; of: string }) {
  const words = useWords(figuresWords)
  const locale = useLocale()
  const [storefront, setStorefront] = useState('')
  const storefronts = figures.total.storefronts.map((one) => one.storefront).filter((name) => name !== '')
  const figure = (id: 'sign_ups' | 'sign_ins' | 'requests' | 'tokens_in' | 'tokens_out'): Column<FigureRow> => ({
    id,
    head: words[id],
    figure: true,
    cell: (row) => count(row[id], locale),
  })
  const columns: Column<FigureRow>[] = [
    { id: 'period', head: words.period, cell: ({ period }) => period.replaceAll('-', '\u2011') },
    figure('sign_ups'),
    figure('sign_ins'),
    figure('requests'),
    {
      id: 'success',
      head: words.success,
      figure: true,
      cell: ({ success }) => (success === null ? '–' : `${Math.floor(success * 1000) / 10} %`),
    },
    figure('tokens_in'),
    figure('tokens_out'),
    { id: 'cost', head: words.cost, figure: true, cell: (row) => dollarsFromNano(row.cost_nano_usd, locale) },
    {
      id: 'revenue',
      head: words.revenue,
      figure: true,
      cell: ({ revenue }) => revenue.map(({ currency, net }) => money(net, currency, locale)).join(' + ') || '–',
    },
  ]
  return (
    <>
      <div className={account['row']}>
        {storefronts.length > 1 && (
          <Segments
            label={words.storefront}
            value={storefront}
            options={[{ value: '', text: words.all }, ...storefronts.map((value) => ({ value, text: value }))]}
            onChange={setStorefront}
          />
        )}
        <Button small onClick={() => saveAs(`noren-figures-${of}.csv`, toCsv(...figuresCsv(figures)))}>
          <Icon name="down" size={16} />
          {words.csv}
        </Button>
      </div>
      {figures.items.length === 0 ? (
        <Empty title={words.empty} text={words.emptyText} />
      ) : (
        <Table
          label={of}
          columns={columns}
          rows={figures.items.map((one) => rowOf(one, storefront))}
          keyOf={({ period }) => period}
          foot={{ ...rowOf(figures.total, storefront), period: words.total }}
        />
      )}
      <p className={account['soft']}>{words.note(figures.zone)}</p>
    </>
  )
}

export function Figures() {
  const words = useWords(figuresWords)
  const admin = useWords(adminWords)
  const now = monthOf(new Date())
  const { of = now } = useSearch({ from: '/house/admin/desk/figures' })
  const query = useQuery({ queryKey: ['admin', 'figures', of], queryFn: () => getFigures(of) })
  return (
    <Page title={admin.figures} lead={words.lead}>
      <section className={account['card']}>
        <Filters>
          <Span of={of} now={now} />
        </Filters>
        <Fetched query={query} height="20rem">
          {(figures) => <Shown figures={figures} of={of} />}
        </Fetched>
      </section>
    </Page>
  )
}

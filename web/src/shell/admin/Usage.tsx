import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { getAllHouseUsage, getHouseUsage, type HouseUsage } from '../../api/admin'
import { adminWords, usageDeskWords } from '../../i18n/adminWords'
import { count, dollarsFromNano } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Small } from '../../ui/Choose'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Page } from '../account/parts'
import { saveAs, toCsv } from '../csv'
import { Summary } from '../form'
import { monthName, monthOf, monthsFrom, monthsToChoose } from './months'
import { Filters, Pieces, usePieces } from './parts'

// Plain names and plain figures, the same in every language: this file is for other programs.
const head = [
  'month',
  'tenant_id',
  'tenant_name',
  'storefront',
  'unit',
  'amount',
  'requests',
  'tokens_in',
  'tokens_out',
  'cost_nano_usd',
]

export function usageCsv(month: string, rows: readonly HouseUsage[]): string {
  return toCsv(
    head,
    rows.map((row) => [
      month,
      row.tenant_id,
      row.tenant_name,
      row.storefront,
      row.unit,
      row.amount,
      row.requests,
      row.tokens_in,
      row.tokens_out,
      row.cost_nano_usd,
    ]),
  )
}

function Month({ month, now }: { month: string; now: string }) {
  const words = useWords(usageDeskWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const choose = (next: string) => navigate({ to: '/admin/desk/usage', search: { month: next } })
  return (
    <>
      <Small label={words.month}>
        {(id) => (
          <select id={id} value={month} onChange={(event) => choose(event.target.value)}>
            {monthsToChoose(now, month).map((value) => (
              <option key={value} value={value}>
                {monthName(value, locale)}
              </option>
            ))}
          </select>
        )}
      </Small>
      <Button icon aria-label={words.before} onClick={() => choose(monthsFrom(month, -1))}>
        <Icon name="left" />
      </Button>
      <Button icon aria-label={words.after} disabled={month >= now} onClick={() => choose(monthsFrom(month, 1))}>
        <Icon name="right" />
      </Button>
    </>
  )
}

export function Usage() {
  const words = useWords(usageDeskWords)
  const admin = useWords(adminWords)
  const locale = useLocale()
  const now = monthOf(new Date())
  const { month = now } = useSearch({ from: '/house/admin/desk/usage' })
  const pieces = usePieces(['usage', month], (cursor) => getHouseUsage(month, cursor))
  const take = useMutation({
    mutationFn: () => getAllHouseUsage(month),
    onSuccess: (rows) => saveAs(`noren-usage-${month}.csv`, usageCsv(month, rows)),
  })
  const figure = (id: 'amount' | 'requests', text: string): Column<HouseUsage> => ({
    id,
    head: text,
    figure: true,
    cell: (row) => count(row[id], locale),
  })
  const columns: Column<HouseUsage>[] = [
    {
      id: 'tenant',
      head: admin.tenant,
      cell: ({ tenant_id, tenant_name }) => (
        <Link to="/admin/desk/tenants/$tenant" params={{ tenant: tenant_id }}>
          {tenant_name || admin.nameless}
        </Link>
      ),
    },
    { id: 'unit', head: words.unit, cell: ({ unit }) => unit },
    figure('amount', words.amount),
    figure('requests', words.requests),
    { id: 'in', head: words.tokensIn, figure: true, cell: (row) => count(row.tokens_in, locale) },
    { id: 'out', head: words.tokensOut, figure: true, cell: (row) => count(row.tokens_out, locale) },
    { id: 'cost', head: words.cost, figure: true, cell: (row) => dollarsFromNano(row.cost_nano_usd, locale) },
  ]
  return (
    <Page title={admin.usage} lead={words.lead}>
      <section className={account['card']}>
        <Filters>
          <Month month={month} now={now} />
          <Button disabled={take.isPending} onClick={() => take.mutate()}>
            <Icon name="down" size={16} />
            {take.isPending ? words.csvAway : words.csv}
          </Button>
        </Filters>
        <Summary error={take.error} />
        <Pieces
          pieces={pieces}
          label={monthName(month, locale)}
          columns={columns}
          keyOf={({ tenant_id, storefront, unit }) => `${tenant_id}/${storefront}/${unit}`}
          empty={<Empty title={words.empty} text={words.emptyText} />}
        />
      </section>
    </Page>
  )
}

import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { getTenantBalances, getTenantLots, getTenants, type TenantBalance, type TenantLot } from '../../api/admin'
import { tenantDeskWords } from '../../i18n/adminWords'
import { count, day, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import styles from './admin.module.css'
import { Caps } from './Caps'
import { Grants } from './Grants'
import { Id, named, Pieces, Table, usePieces } from './parts'

function Balances({ items }: { items: readonly TenantBalance[] }) {
  const words = useWords(tenantDeskWords)
  const locale = useLocale()
  if (items.length === 0) return <p className={account['soft']}>{words.noBalance}</p>
  const figure = (id: 'available' | 'held' | 'used' | 'expired'): Column<TenantBalance> => ({
    id,
    head: words[id],
    figure: true,
    cell: (line) => count(line[id], locale),
  })
  const columns = [
    { id: 'unit', head: words.unit, cell: ({ unit }: TenantBalance) => unit },
    figure('available'),
    figure('held'),
    figure('used'),
    figure('expired'),
  ]
  return <Table label={words.ledger} columns={columns} rows={items} keyOf={({ unit }) => unit} />
}

function Lots({ tenant, unit }: { tenant: string; unit: string }) {
  const words = useWords(tenantDeskWords)
  const locale = useLocale()
  const pieces = usePieces(['lots', tenant, unit], (cursor) => getTenantLots(tenant, unit, cursor))
  const columns: Column<TenantLot>[] = [
    {
      id: 'left',
      head: words.left,
      figure: true,
      cell: ({ left, granted }) => words.of(count(left, locale), count(granted, locale)),
    },
    { id: 'held', head: words.held, figure: true, cell: ({ held }) => count(held, locale) },
    { id: 'source', head: words.source, cell: ({ source }) => named(words, source) },
    {
      id: 'reason',
      head: words.reason,
      cell: ({ id, reason, reference }) => (
        <span className={styles['two']}>
          {reason}
          {reference && <small>{reference}</small>}
          <Id>{id}</Id>
        </span>
      ),
    },
    {
      id: 'granted',
      head: words.granted,
      cell: ({ granted_at }) => <time dateTime={granted_at}>{day(granted_at, locale)}</time>,
    },
    {
      id: 'until',
      head: words.until,
      cell: ({ expires_at }) =>
        expires_at ? <time dateTime={expires_at}>{dayAndTime(expires_at, locale)}</time> : words.forever,
    },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.lotsOf(unit)}</h2>
      <Pieces
        pieces={pieces}
        label={words.lotsOf(unit)}
        columns={columns}
        keyOf={({ id }) => id}
        empty={<p className={account['soft']}>{words.noLots}</p>}
      />
    </section>
  )
}

export function Tenant() {
  const words = useWords(tenantDeskWords)
  const { tenant } = useParams({ from: '/house/admin/desk/tenants/$tenant' })
  const ledger = useQuery({ queryKey: ['admin', 'ledger', tenant], queryFn: () => getTenantBalances(tenant) })
  // The books know no names; the list finds them by id.
  const found = useQuery({
    queryKey: ['admin', 'tenant', tenant],
    queryFn: () => getTenants({ q: tenant }, null),
    select: ({ items }) => items.find(({ id }) => id === tenant),
    retry: false,
  })
  return (
    <Page title={words.ledgerOf(found.data?.name || found.data?.email || tenant)} lead={words.ledgerLead}>
      <div className={account['row']}>
        <Link to="/admin/desk/tenants">{words.back}</Link>
        <Id>{tenant}</Id>
      </div>
      <Fetched query={ledger} height="16rem">
        {(balances) => (
          <>
            <section className={account['card']}>
              <h2>{words.ledger}</h2>
              <Balances items={balances} />
            </section>
            <Grants tenant={tenant} held={balances.map(({ unit }) => unit)} />
            <Caps tenant={tenant} held={balances.map(({ unit }) => unit)} />
            {balances.map(({ unit }) => (
              <Lots key={unit} tenant={tenant} unit={unit} />
            ))}
          </>
        )}
      </Fetched>
    </Page>
  )
}

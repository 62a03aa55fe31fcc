import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { getTenants, type TenantLine } from '../../api/admin'
import { adminWords, subscriptionDeskWords, tenantDeskWords } from '../../i18n/adminWords'
import { day } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Small } from '../../ui/Choose'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Page } from '../account/parts'
import { useNameOf } from '../people'
import styles from './admin.module.css'
import { Filters, Id, named, Pieces, usePieces } from './parts'

function Search({ q }: { q: string | undefined }) {
  const words = useWords(tenantDeskWords)
  const admin = useWords(adminWords)
  const navigate = useNavigate()
  const [text, setText] = useState(q ?? '')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void navigate({ to: '/admin/desk/tenants', search: { q: text.trim() || undefined } })
  }
  return (
    <Filters>
      <form onSubmit={submit}>
        <Small label={words.query}>
          {(id) => (
            <input
              id={id}
              type="search"
              name="q"
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Small>
        <Button type="submit" small>
          {admin.search}
        </Button>
      </form>
    </Filters>
  )
}

export function Tenants() {
  const words = useWords(tenantDeskWords)
  const admin = useWords(adminWords)
  const states = useWords(subscriptionDeskWords)
  const locale = useLocale()
  const called = useNameOf()
  const { q } = useSearch({ from: '/house/admin/desk/tenants' })
  const pieces = usePieces(['tenants', q ?? ''], (cursor) => getTenants({ q }, cursor))
  const columns: Column<TenantLine>[] = [
    {
      id: 'name',
      head: admin.tenant,
      cell: ({ id, name, email }) => (
        <span className={styles['two']}>
          <Link to="/admin/desk/tenants/$tenant" params={{ tenant: id }}>
            {name || email || admin.nameless}
          </Link>
          {name && email && <small>{email}</small>}
          <Id>{id}</Id>
        </span>
      ),
    },
    { id: 'kind', head: words.kind, cell: ({ kind }) => called(kind) },
    {
      id: 'plans',
      head: words.plans,
      cell: ({ plans }) => (
        <span className={styles['badges']}>
          {Object.entries(plans).map(([storefront, { plan, version, status }]) => (
            <Badge key={storefront} tone={status === 'active' ? 'plain' : 'warn'}>
              {storefront}/{plan} {version}
              {status === 'active' ? '' : ` · ${named(states, status)}`}
            </Badge>
          ))}
          {Object.keys(plans).length === 0 && <span className={styles['plain']}>{admin.none}</span>}
        </span>
      ),
    },
    {
      id: 'since',
      head: words.since,
      cell: ({ created_at }) => <time dateTime={created_at}>{day(created_at, locale)}</time>,
    },
  ]
  return (
    <Page title={admin.tenants} lead={words.lead}>
      <section className={account['card']}>
        <Search key={q ?? ''} q={q} />
        <Pieces
          pieces={pieces}
          label={admin.tenants}
          columns={columns}
          keyOf={({ id }) => id}
          empty={
            <Empty title={words.empty} text={words.emptyText}>
              {q && <Link to="/admin/desk/tenants">{admin.clear}</Link>}
            </Empty>
          }
        />
      </section>
    </Page>
  )
}

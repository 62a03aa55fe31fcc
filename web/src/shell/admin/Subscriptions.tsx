import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { getSubscriptions, type SubscriptionLine } from '../../api/admin'
import { adminWords, subscriptionDeskWords } from '../../i18n/adminWords'
import { dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Page } from '../account/parts'
import styles from './admin.module.css'
import { Choose, Filters, Id, named, Pieces, storefronts, usePieces } from './parts'

// The words of Stripe, which this list is told in.
const statuses = ['active', 'trialing', 'past_due', 'unpaid', 'incomplete', 'paused', 'canceled'] as const

export function Subscriptions() {
  const words = useWords(subscriptionDeskWords)
  const admin = useWords(adminWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const search = useSearch({ from: '/house/admin/desk/subscriptions' })
  const pieces = usePieces(['subscriptions', search], (cursor) => getSubscriptions(search, cursor))
  const choose = (part: typeof search) => navigate({ to: '/admin/desk/subscriptions', search: { ...search, ...part } })
  const columns: Column<SubscriptionLine>[] = [
    {
      id: 'tenant',
      head: admin.tenant,
      cell: ({ tenant }) => (
        <Link to="/admin/desk/tenants/$tenant" params={{ tenant }} className={styles['id']}>
          {tenant}
        </Link>
      ),
    },
    { id: 'plan', head: admin.plan, cell: ({ storefront, plan }) => `${storefront}/${plan}` },
    {
      id: 'status',
      head: admin.state,
      cell: ({ status }) => <Badge tone={status === 'active' ? 'accent' : 'warn'}>{named(words, status)}</Badge>,
    },
    {
      id: 'end',
      head: words.end,
      cell: ({ period_end: end, cancel_at: cancels }) =>
        end && (
          <span className={styles['two']}>
            <time dateTime={end}>{dayAndTime(end, locale)}</time>
            <small>{cancels ? words.ends(dayAndTime(cancels, locale)) : words.renews}</small>
          </span>
        ),
    },
    { id: 'stripe', head: words.stripe, cell: ({ id }) => <Id>{id}</Id> },
  ]
  return (
    <Page title={admin.subscriptions} lead={words.lead}>
      <section className={account['card']}>
        <Filters>
          <Choose
            label={admin.storefront}
            value={search.storefront}
            options={storefronts.map((value) => ({ value, text: value }))}
            onChange={(storefront) => choose({ storefront })}
          />
          <Choose
            label={admin.state}
            value={search.status}
            options={statuses.map((value) => ({ value, text: words[value] }))}
            onChange={(status) => choose({ status })}
          />
        </Filters>
        <Pieces
          pieces={pieces}
          label={admin.subscriptions}
          columns={columns}
          keyOf={({ id }) => id}
          empty={
            search.storefront || search.status ? (
              <Empty title={words.empty} text={words.emptyText}>
                <Link to="/admin/desk/subscriptions">{admin.clear}</Link>
              </Empty>
            ) : (
              <Empty title={words.none} text={words.noneText} />
            )
          }
        />
      </section>
    </Page>
  )
}

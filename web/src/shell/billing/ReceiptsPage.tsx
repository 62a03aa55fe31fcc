import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { getReceipts, type ReceiptRow } from '../../api/billing'
import { receiptWords, shopWords } from '../../i18n/billingWords'
import { dateOf, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { buttonClass } from '../../ui/Button'
import { Noren } from '../../ui/Noren'
import { Skeleton } from '../../ui/Skeleton'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Failed, More, Page } from '../account/parts'
import { everyPage } from '../csv'
import { isShop } from '../paths'
import styles from './billing.module.css'
import { receiptsQuery } from './queries'
import { SaveCsv } from './SaveCsv'

const states = {
  paid: 'paid',
  partly_refunded: 'partly_refunded',
  refunded: 'fully_refunded',
  disputed: 'disputed',
} as const

function Row({ receipt }: { receipt: ReceiptRow }) {
  const words = useWords(receiptWords)
  const shop = useWords(shopWords)
  const locale = useLocale()
  return (
    <li>
      <div className={area['thing']}>
        <span className={area['title']}>
          <Link to="/account/receipts/$receiptId" params={{ receiptId: receipt.id }}>
            <b>{dateOf(receipt.at, locale)}</b> <small>{words.open(receipt.number)}</small>
          </Link>
          <Badge tone={receipt.status === 'paid' ? 'accent' : 'warn'}>{words[states[receipt.status]]}</Badge>
        </span>
        <span className={area['facts']}>
          <span>
            {isShop(receipt.storefront) ? shop[receipt.storefront] : receipt.storefront} · {receipt.plan_title[locale]}
          </span>
        </span>
      </div>
      <span className={styles['amount']}>
        <b>{yen(receipt.total_yen, locale)}</b>
        {receipt.refunded_yen > 0 && (
          <small>
            {words.refunded} {yen(-receipt.refunded_yen, locale)}
          </small>
        )}
      </span>
    </li>
  )
}

export default function ReceiptsPage() {
  const words = useWords(receiptWords)
  const locale = useLocale()
  const query = useInfiniteQuery(receiptsQuery)
  const rows = query.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Page title={words.title} lead={words.lead}>
      <section className={account['card']}>
        {query.isPending && <Skeleton height="12rem" />}
        {query.error && <Failed error={query.error} retry={() => query.refetch()} />}
        {query.data && rows.length === 0 && (
          <div className={area['empty']}>
            <Noren characters="領収書" />
            <h2>{words.empty}</h2>
            <p>{words.emptyText}</p>
            <Link
              to="/plans/$storefront"
              params={{ storefront: 'misaki' }}
              className={buttonClass({ look: 'primary' })}
            >
              {words.seePlans}
            </Link>
          </div>
        )}
        {rows.length > 0 && (
          <SaveCsv
            name="noren-receipts.csv"
            head={[words.date, words.number, words.content, words.sum, words.refunded]}
            rows={async () =>
              (await everyPage(getReceipts)).map((one) => [
                one.at,
                one.number,
                one.plan_title[locale],
                one.total_yen,
                one.refunded_yen,
              ])
            }
          />
        )}
        {rows.length > 0 && (
          <ul className={area['things']}>
            {rows.map((receipt) => (
              <Row key={receipt.id} receipt={receipt} />
            ))}
          </ul>
        )}
        <More query={query} />
      </section>
    </Page>
  )
}

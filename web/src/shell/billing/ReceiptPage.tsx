import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { Receipt } from '../../api/billing'
import { receiptWords } from '../../i18n/billingWords'
import { count, dateOf, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import account from '../account/account.module.css'
import { Fetched } from '../account/parts'
import { usePageTitle } from '../page'
import { receiptQuery } from './queries'
import styles from './receipt.module.css'

const route = getRouteApi('/house/account/receipts/$receiptId')

function Sheet({ receipt }: { receipt: Receipt }) {
  const words = useWords(receiptWords)
  const locale = useLocale()
  const { issuer } = receipt
  const percent = (rate: number) => `${count(rate, locale)}%`
  return (
    <article className={styles['sheet']}>
      <header className={styles['head']}>
        <h1>{words.one}</h1>
        {issuer.registration_number !== null && <p className={styles['kind']}>{words.qualified}</p>}
        <dl className={styles['facts']}>
          <dt>{words.number}</dt>
          <dd>{receipt.number}</dd>
          <dt>{words.date}</dt>
          <dd>{dateOf(receipt.at, locale)}</dd>
        </dl>
      </header>
      {receipt.customer_name && <p className={styles['to']}>{words.to(receipt.customer_name)}</p>}
      <p className={styles['sum']}>{yen(receipt.total_yen, locale)}</p>
      <p className={styles['received']}>{words.received}</p>
      <table className={cx(account['table'], styles['table'])}>
        <thead>
          <tr>
            <th scope="col">{words.content}</th>
            <th scope="col" className={account['figure']}>
              {words.rate}
            </th>
            <th scope="col" className={account['figure']}>
              {words.amount}
            </th>
          </tr>
        </thead>
        <tbody>
          {receipt.lines.map((line, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a receipt never change
            <tr key={at}>
              <td>{line.title[locale]}</td>
              <td className={account['figure']}>{percent(line.rate_percent)}</td>
              <td className={account['figure']}>{yen(line.amount_yen, locale)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td colSpan={2}>{words.sum}</td>
            <td className={account['figure']}>{yen(receipt.total_yen, locale)}</td>
          </tr>
          {receipt.refunded_yen > 0 && (
            <tr>
              <td colSpan={2}>{words.refunded}</td>
              <td className={account['figure']}>{yen(-receipt.refunded_yen, locale)}</td>
            </tr>
          )}
        </tfoot>
      </table>
      <table className={cx(account['table'], styles['table'])}>
        <caption>{words.taxes}</caption>
        <thead>
          <tr>
            <th scope="col">{words.rate}</th>
            <th scope="col" className={account['figure']}>
              {words.base}
            </th>
            <th scope="col" className={account['figure']}>
              {words.tax}
            </th>
          </tr>
        </thead>
        <tbody>
          {receipt.tax.map((tax) => (
            <tr key={tax.rate_percent}>
              <td>{percent(tax.rate_percent)}</td>
              <td className={account['figure']}>{yen(tax.base_yen, locale)}</td>
              <td className={account['figure']}>{yen(tax.tax_yen, locale)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <footer className={styles['issuer']}>
        <small>{words.issuer}</small>
        <b>{issuer.name}</b>
        <span>{issuer.address}</span>
        {issuer.registration_number !== null && (
          <span>
            {words.registration} {issuer.registration_number}
          </span>
        )}
      </footer>
    </article>
  )
}

export default function ReceiptPage() {
  const words = useWords(receiptWords)
  const { receiptId } = route.useParams()
  const query = useQuery(receiptQuery(receiptId))
  usePageTitle(query.data ? `${words.one} ${query.data.number}` : words.one)
  return (
    <div className={account['page']}>
      <div className={cx(account['row'], styles['ways'])}>
        <Link to="/account/receipts" className={buttonClass({ look: 'plain', small: true })}>
          <Icon name="left" size={16} />
          {words.back}
        </Link>
        {query.data && (
          <Button small look="primary" onClick={() => window.print()}>
            {words.print}
          </Button>
        )}
        {query.data?.hosted_invoice_url?.startsWith('http') && (
          <a
            href={query.data.hosted_invoice_url}
            target="_blank"
            rel="noreferrer"
            className={buttonClass({ look: 'plain', small: true })}
          >
            {words.hosted}
          </a>
        )}
      </div>
      <Fetched query={query} height="32rem">
        {(receipt) => <Sheet receipt={receipt} />}
      </Fetched>
    </div>
  )
}

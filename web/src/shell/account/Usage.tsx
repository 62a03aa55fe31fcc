import { useInfiniteQuery } from '@tanstack/react-query'
import type { StorefrontId } from '../../api/types'
import { accountWords } from '../../i18n/accountWords'
import { count, dayAndTime, dollarsFromNano } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { amountOf } from '../../i18n/units'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import { Skeleton } from '../../ui/Skeleton'
import { usageOfQuery } from '../billing/queries'
import styles from './account.module.css'
import { Failed, More } from './parts'

const icons = { completed: 'check', failed: 'warn', cancelled: 'stop' } as const

export function Usage({ storefront = 'misaki' }: { storefront?: StorefrontId }) {
  const words = useWords(accountWords)
  const locale = useLocale()
  const query = useInfiniteQuery(usageOfQuery(storefront))
  const rows = query.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <section className={styles['card']}>
      <h2>{words.usage}</h2>
      {query.isPending && <Skeleton height="10rem" />}
      {query.error && <Failed error={query.error} retry={() => query.refetch()} />}
      {query.data && rows.length === 0 && <p className={styles['soft']}>{words.usageEmpty}</p>}
      {rows.length > 0 && (
        <table className={cx(styles['table'], styles['stack'])}>
          <thead>
            <tr>
              <th scope="col">{words.when}</th>
              <th scope="col">{words.model}</th>
              <th scope="col">{words.outcome}</th>
              <th scope="col" className={styles['figure']}>
                {words.used}
              </th>
              <th scope="col" className={styles['figure']}>
                {words.tokens}
              </th>
              <th scope="col" className={styles['figure']}>
                {words.cost}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.run_id} className={styles['used']}>
                <td>{dayAndTime(row.at, locale)}</td>
                <td>{row.model ?? '—'}</td>
                <td>
                  <span className={styles['state']} data-state={row.outcome}>
                    <Icon name={icons[row.outcome]} size={16} />
                    {words[row.outcome]}
                  </span>
                </td>
                <td className={styles['figure']}>{amountOf(row.unit, row.amount, locale)}</td>
                <td data-label={words.tokens} className={styles['figure']}>
                  {count(row.tokens_in, locale)} / {count(row.tokens_out, locale)}
                </td>
                <td className={styles['figure']}>{dollarsFromNano(row.cost_nano_usd, locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More query={query} />
    </section>
  )
}

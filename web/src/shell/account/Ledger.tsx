import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { ledgerQuery, planQuery } from '../../api/queries'
import { accountWords } from '../../i18n/accountWords'
import { count, dayAndTime, signed } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { CHAT_UNIT } from '../../i18n/quota'
import { useWords } from '../../i18n/text'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import { Skeleton } from '../../ui/Skeleton'
import styles from './account.module.css'
import { balanceOf, sumOf, toMovements } from './ledgerView'
import { Failed, More } from './parts'

// The server may know accounts and kinds that this page does not; they are shown by their own name.
function useNames() {
  const words = useWords(accountWords) as Record<string, unknown>
  return (key: string) => {
    const word = words[key]
    return typeof word === 'string' ? word : key
  }
}

export function Ledger({ unit = CHAT_UNIT }: { unit?: string }) {
  const words = useWords(accountWords)
  const name = useNames()
  const locale = useLocale()
  // Looking at the plan issues what is due today; reading the ledger first would show the sum before that.
  const plan = useQuery({ ...planQuery, enabled: false })
  const query = useInfiniteQuery({ ...ledgerQuery(unit), enabled: unit !== CHAT_UNIT || !plan.isPending })
  const balances = query.data?.pages[0]?.balances ?? []
  const total = sumOf(balances)
  const entries = query.data?.pages.flatMap((page) => page.items) ?? []
  const movements = toMovements(entries, balanceOf(balances, 'available'))
  return (
    <section className={styles['card']}>
      <h2>{words.ledger}</h2>
      <p className={styles['soft']}>{words.ledgerText}</p>
      {query.isPending && <Skeleton height="14rem" />}
      {query.error && <Failed error={query.error} retry={() => query.refetch()} />}
      {query.data && (
        <>
          <table className={cx(styles['table'], styles['balances'])}>
            <thead>
              <tr>
                <th scope="col">{words.account}</th>
                <th scope="col" className={styles['figure']}>
                  {words.balance}
                </th>
              </tr>
            </thead>
            <tbody>
              {balances.map((balance) => (
                <tr key={balance.account}>
                  <td>{name(balance.account)}</td>
                  <td className={styles['figure']}>{count(balance.balance, locale)}</td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <td>
                  {words.total}{' '}
                  {total === 0 ? (
                    <span className={styles['good']}>
                      <Icon name="check" size={16} />
                      {words.balanced}
                    </span>
                  ) : (
                    <span className={styles['bad']}>{words.unbalanced}</span>
                  )}
                </td>
                <td className={styles['figure']}>{count(total, locale)}</td>
              </tr>
            </tfoot>
          </table>
          {movements.length === 0 && <p className={styles['soft']}>{words.ledgerEmpty}</p>}
          {movements.length > 0 && (
            <table className={cx(styles['table'], styles['stack'])}>
              <thead>
                <tr>
                  <th scope="col">{words.when}</th>
                  <th scope="col">{words.movement}</th>
                  <th scope="col">{words.change}</th>
                  <th scope="col" className={styles['figure']}>
                    {words.after}
                  </th>
                </tr>
              </thead>
              <tbody>
                {movements.map((movement) => (
                  <tr key={movement.id} className={styles['movement']}>
                    <td>{dayAndTime(movement.at, locale)}</td>
                    <td>
                      <span>
                        {name(movement.kind)}
                        {movement.ref && <small className={styles['ref']}>{movement.ref}</small>}
                      </span>
                    </td>
                    <td>
                      <ul className={styles['moves']}>
                        {movement.moves.map((move) => (
                          <li key={move.account}>
                            {name(move.account)} {signed(move.amount, locale)}
                          </li>
                        ))}
                      </ul>
                    </td>
                    <td data-label={words.after} className={styles['figure']}>
                      {count(movement.after, locale)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          <More query={query} />
        </>
      )}
    </section>
  )
}

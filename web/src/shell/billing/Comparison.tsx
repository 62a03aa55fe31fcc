import { Fragment } from 'react'
import type { PlanOffer } from '../../api/billing'
import { plansWords } from '../../i18n/billingWords'
import { count, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { unitName } from '../../i18n/units'
import { Badge } from '../../ui/Badge'
import { Icon } from '../../ui/Icon'
import account from '../account/account.module.css'
import styles from './billing.module.css'
import { featureName, featuresOf, featureValue, grantAmount, unitsOf } from './offers'

interface Row {
  key: string
  title: string
  cell: (offer: PlanOffer) => string
}

export function Comparison({ offers, current }: { offers: readonly PlanOffer[]; current: string | undefined }) {
  const words = useWords(plansWords)
  const locale = useLocale()
  const rows: Row[] = [
    {
      key: 'price',
      title: words.price,
      cell: ({ price_yen }) => (price_yen === 0 ? words.free : words.perMonth(yen(price_yen, locale))),
    },
    ...unitsOf(offers).map((unit) => ({
      key: unit,
      title: unitName(unit, locale),
      cell: ({ grants }: PlanOffer) =>
        grants
          .filter((grant) => grant.unit === unit)
          .map((grant) => grantAmount(grant, locale))
          .join(' + ') || words.no,
    })),
    { key: 'per_minute', title: words.perMinute, cell: ({ limits }) => count(limits.per_minute, locale) },
    { key: 'concurrent', title: words.concurrent, cell: ({ limits }) => count(limits.concurrent, locale) },
    ...featuresOf(offers).map((name) => ({
      key: name,
      title: featureName(name, locale),
      cell: ({ features }: PlanOffer) => featureValue(features?.[name], locale),
    })),
  ]
  return (
    <section className={account['card']}>
      <h2>{words.compare}</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className={styles['wide']} aria-label={words.comparison} tabIndex={0}>
        <table className={styles['comparison']}>
          <thead>
            <tr>
              <th scope="col">{words.item}</th>
              {offers.map((offer) => (
                <th key={offer.id} scope="col" data-current={offer.id === current}>
                  {offer.title[locale]}
                  {offer.id === current && (
                    <Fragment>
                      {' '}
                      <Badge tone="accent">{words.current}</Badge>
                    </Fragment>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.key}>
                <th scope="row">{row.title}</th>
                {offers.map((offer) => {
                  const said = row.cell(offer)
                  return (
                    <td key={offer.id} data-current={offer.id === current}>
                      {said === words.yes && <Icon name="check" size={16} />}
                      {said}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  )
}

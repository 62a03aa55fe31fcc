import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import {
  type AutoTopUp,
  type AutoTopUpOrder,
  placeAutoTopUpOrder,
  setAutoTopUp,
  stopAutoTopUp,
  type TopUpOffer,
} from '../../api/billing'
import type { Me, StorefrontId } from '../../api/types'
import { autoTopUpWords } from '../../i18n/autoTopUpWords'
import { dayAndTime, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { amountOf } from '../../i18n/units'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Meter } from '../../ui/Meter'
import { Notice } from '../../ui/Notice'
import { Select } from '../../ui/Select'
import account from '../account/account.module.css'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './billing.module.css'
import { autoTopUpsQuery, topUpsQuery } from './queries'
import { mayBuy } from './shops'

function whole(text: string): number | null {
  const plain = text.normalize('NFKC').replace(/[\s,]/g, '')
  return /^[1-9]\d{0,8}$/.test(plain) ? Number(plain) : null
}

function Running({ rule, onStop, busy }: { rule: AutoTopUp; onStop: () => void; busy: boolean }) {
  const words = useWords(autoTopUpWords)
  const locale = useLocale()
  return (
    <>
      <p>{words.on(rule.title[locale], amountOf(rule.unit, rule.threshold, locale))}</p>
      <Meter
        value={Math.min(rule.spent_yen, rule.monthly_yen)}
        max={rule.monthly_yen}
        label={words.monthly}
        words={words.spent(yen(rule.spent_yen, locale), yen(rule.monthly_yen, locale))}
      />
      <Button small disabled={busy} onClick={onStop}>
        {words.stop}
      </Button>
    </>
  )
}

// The terms, and only then the button, as before every order.
function Sheet({
  order,
  onAgree,
  onBack,
  busy,
}: {
  order: AutoTopUpOrder
  onAgree: () => void
  onBack: () => void
  busy: boolean
}) {
  const words = useWords(autoTopUpWords)
  const locale = useLocale()
  const top = useRef<HTMLHeadingElement>(null)
  useEffect(() => top.current?.focus(), [])
  return (
    <>
      <h3 ref={top} tabIndex={-1}>
        {words.confirm}
      </h3>
      <p className={account['soft']}>{words.confirmLead}</p>
      <dl className={styles['terms']}>
        {order.items.map((item) => (
          <div key={item.key}>
            <dt>{item.title[locale]}</dt>
            <dd>{item.text[locale]}</dd>
          </div>
        ))}
      </dl>
      <p className={account['soft']}>{words.until(dayAndTime(order.expires_at, locale))}</p>
      <Button look="primary" wide disabled={busy} onClick={onAgree}>
        {words.agree}
      </Button>
      <Button look="plain" small onClick={onBack}>
        {words.back}
      </Button>
    </>
  )
}

function Wish({
  offers,
  busy,
  onWish,
}: {
  offers: TopUpOffer[]
  busy: boolean
  onWish: (wish: { topup: string; threshold: number; monthly_yen: number }) => void
}) {
  const words = useWords(autoTopUpWords)
  const locale = useLocale()
  const [topup, setTopup] = useState(offers[0]?.id ?? '')
  const [threshold, setThreshold] = useState('')
  const [monthly, setMonthly] = useState('')
  const [tried, setTried] = useState(false)
  const [left, most] = [whole(threshold), whole(monthly)]
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (left !== null && most !== null) onWish({ topup, threshold: left, monthly_yen: most })
  }
  return (
    <form className={styles['fields']} onSubmit={submit} noValidate>
      <Select
        label={words.topup}
        value={topup}
        options={offers.map((offer) => ({
          value: offer.id,
          text: `${offer.title[locale]} ${yen(offer.price_yen, locale)}`,
        }))}
        onChange={(event) => setTopup(event.target.value)}
      />
      <Field
        label={words.threshold}
        inputMode="numeric"
        value={threshold}
        error={tried && left === null ? words.number : undefined}
        onChange={(event) => setThreshold(event.target.value)}
      />
      <Field
        label={words.monthly}
        inputMode="numeric"
        value={monthly}
        error={tried && most === null ? words.number : undefined}
        onChange={(event) => setMonthly(event.target.value)}
      />
      <Button small type="submit" disabled={busy}>
        {words.look}
      </Button>
    </form>
  )
}

export function AutoTopUpCard({ storefront, me }: { storefront: StorefrontId; me: Me }) {
  const words = useWords(autoTopUpWords)
  const client = useQueryClient()
  const may = mayBuy(me)
  const rules = useQuery({ ...autoTopUpsQuery, enabled: may })
  const offers = useQuery({ ...topUpsQuery(storefront), enabled: may })
  const fresh = () => client.invalidateQueries({ queryKey: autoTopUpsQuery.queryKey })
  const place = useGuarded({
    mutationFn: (wish: { topup: string; threshold: number; monthly_yen: number }) =>
      placeAutoTopUpOrder({ storefront, ...wish }),
  })
  const agree = useGuarded({
    mutationFn: (order: string) => setAutoTopUp(storefront, order),
    onSuccess: async () => {
      place.reset()
      await fresh()
    },
  })
  const stop = useGuarded({ mutationFn: () => stopAutoTopUp(storefront), onSuccess: fresh })
  const sold = offers.data?.filter((offer) => offer.for_sale) ?? []
  if (!may || !rules.data || sold.length === 0) return null
  const rule = rules.data.find((one) => one.storefront === storefront)
  const order = place.data
  return (
    <section className={account['card']}>
      <h2>{words.title}</h2>
      <p className={account['soft']}>{words.lead}</p>
      {rule?.stopped && rule.stopped !== 'off' && <Notice tone="warn" role="status" title={words[rule.stopped]} />}
      {rule && !rule.stopped && <Running rule={rule} busy={stop.isPending} onStop={() => stop.mutate()} />}
      {(!rule || rule.stopped) && !order && <Wish offers={sold} busy={place.isPending} onWish={place.mutate} />}
      {(!rule || rule.stopped) && order && (
        <Sheet
          order={order}
          busy={agree.isPending}
          onAgree={() => agree.mutate(order.id)}
          onBack={() => place.reset()}
        />
      )}
      <Summary error={place.error ?? agree.error ?? stop.error} />
    </section>
  )
}

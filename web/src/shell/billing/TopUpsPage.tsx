import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { placeTopUpOrder, startCheckout, type TopUpOffer, type TopUpOrder } from '../../api/billing'
import { meQuery } from '../../api/queries'
import type { Me, StorefrontId } from '../../api/types'
import { shopWords } from '../../i18n/billingWords'
import { count, dayAndTime, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { topUpWords } from '../../i18n/topUpWords'
import { amountOf, unitName } from '../../i18n/units'
import { Button, buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Noren } from '../../ui/Noren'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Failed, Page } from '../account/parts'
import { Summary } from '../form'
import house from '../house.module.css'
import { NoPage } from '../NotFound'
import { usePageTitle } from '../page'
import { isShop } from '../paths'
import { useGuarded } from '../stepUp'
import styles from './billing.module.css'
import { goTo } from './go'
import { forgetPlans, topUpOrderQuery, topUpsQuery } from './queries'
import { mayBuy } from './shops'

const route = getRouteApi('/house/billing/topups/$storefront')

// The same things in the same order as for a plan: what it is, what it costs, the terms, and only then the button.
function Sheet({ order, onBack }: { order: TopUpOrder; onBack: () => void }) {
  const words = useWords(topUpWords)
  const locale = useLocale()
  const top = useRef<HTMLHeadingElement>(null)
  const [leaving, setLeaving] = useState(false)
  useEffect(() => top.current?.focus(), [])
  // The browser may bring this page back just as it was left.
  useEffect(() => {
    const back = () => setLeaving(false)
    window.addEventListener('pageshow', back)
    return () => window.removeEventListener('pageshow', back)
  }, [])
  const submit = useGuarded({
    mutationFn: async () => {
      const { url } = await startCheckout(order.id)
      setLeaving(true)
      goTo(url)
    },
  })
  const busy = submit.isPending || leaving
  return (
    <>
      <section className={account['card']}>
        <h2 ref={top} tabIndex={-1}>
          {words.confirm}
        </h2>
        <p className={account['soft']}>{words.confirmLead}</p>
        <p className={account['planName']}>
          <b>{order.topup.title[locale]}</b>
          <span>{`${unitName(order.topup.unit, locale)} ${amountOf(order.topup.unit, order.topup.amount, locale)}`}</span>
        </p>
        <dl className={styles['sums']}>
          <dt className={styles['strong']}>{words.total}</dt>
          <dd className={styles['strong']}>
            {yen(order.total_yen, locale)} <small>{words.tax(yen(order.tax_yen, locale))}</small>
          </dd>
        </dl>
      </section>
      <section className={account['card']}>
        <h2>{words.items}</h2>
        <dl className={styles['terms']}>
          {order.items.map((item) => (
            <div key={item.key}>
              <dt>{item.title[locale]}</dt>
              <dd>{item.text[locale]}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section className={styles['last']}>
        <Summary error={submit.error} />
        <p className={account['soft']}>{words.until(dayAndTime(order.expires_at, locale))}</p>
        <Button look="primary" wide aria-disabled={busy || undefined} onClick={() => busy || submit.mutate()}>
          {busy ? words.going : words.submit}
        </Button>
        <Button look="plain" small onClick={onBack}>
          {words.back}
        </Button>
      </section>
    </>
  )
}

function Card({ offer, me, onChoose }: { offer: TopUpOffer; me: Me | null; onChoose: (() => void) | undefined }) {
  const words = useWords(topUpWords)
  const locale = useLocale()
  const { storefront } = route.useParams()
  const title = offer.title[locale]
  return (
    <li className={cx(account['card'], styles['offer'])}>
      <h2>{title}</h2>
      <p className={styles['price']}>
        <b>{yen(offer.price_yen, locale)}</b> <small>{words.taxed}</small>
      </p>
      <p className={account['soft']}>{words.good(count(offer.days, locale))}</p>
      {!offer.for_sale && <p>{words.closed}</p>}
      {offer.for_sale && !me?.user && (
        <Link
          to="/sign-up"
          search={{ next: `/billing/topups/${storefront}` }}
          className={buttonClass({ look: 'primary', wide: true })}
        >
          {words.signUp}
        </Link>
      )}
      {offer.for_sale && onChoose && (
        <Button look="primary" wide onClick={onChoose}>
          {words.choose(title)}
        </Button>
      )}
    </li>
  )
}

function Offers({ storefront, me }: { storefront: StorefrontId; me: Me | null }) {
  const words = useWords(topUpWords)
  const offers = useQuery(topUpsQuery(storefront))
  const place = useMutation({ mutationFn: (id: string) => placeTopUpOrder(storefront, id) })
  const { mutate } = place
  const { choose } = route.useSearch()
  const chosen = choose !== undefined && mayBuy(me) && offers.data?.some((one) => one.id === choose && one.for_sale)
  // A refusal led here with what would allow it: only the button that pays is left to press.
  useEffect(() => {
    if (chosen && choose) mutate(choose)
  }, [chosen, choose, mutate])
  if (place.data) return <Sheet key={place.data.id} order={place.data} onBack={() => place.reset()} />
  if (offers.error) return <Failed error={offers.error} retry={() => offers.refetch()} />
  if (!offers.data) return <Skeleton height="16rem" />
  if (offers.data.length === 0) {
    return (
      <div className={area['empty']}>
        <Noren characters="準備中" cloth={storefront} />
        <h2>{words.empty}</h2>
      </div>
    )
  }
  return (
    <>
      {me?.user && !mayBuy(me) && <Notice tone="info" icon="person" title={words.notYours} />}
      <Summary error={place.error} />
      <ul className={styles['offers']} aria-label={words.list}>
        {offers.data.map((offer) => (
          <Card
            key={offer.id}
            offer={offer}
            me={me}
            onChoose={mayBuy(me) ? () => place.isPending || place.mutate(offer.id) : undefined}
          />
        ))}
      </ul>
    </>
  )
}

const ASK_EVERY_MS = 1500

// The address says how someone came back, which is no proof: the house's own answer about the order decides.
function Outcome({ storefront, order }: { storefront: StorefrontId; order: string }) {
  const words = useWords(topUpWords)
  const client = useQueryClient()
  const query = useQuery({
    ...topUpOrderQuery(order),
    refetchInterval: ({ state }) => (state.data?.paid || state.error ? false : ASK_EVERY_MS),
  })
  const paid = query.data?.paid === true
  useEffect(() => {
    if (paid) void forgetPlans(client)
  }, [paid, client])
  usePageTitle(paid ? words.done : words.waiting)
  if (query.error) return <Failed error={query.error} retry={() => query.refetch()} />
  return (
    <div className={house['centre']} role="status">
      <Noren characters={paid ? '御礼' : '帳場'} cloth={storefront} swaying={!paid} />
      <h1>{paid ? words.done : words.waiting}</h1>
      <p>{paid ? words.doneText : words.waitingText}</p>
      {paid && (
        <>
          <Link to={`/${storefront}`} className={buttonClass({ look: 'primary' })}>
            {words.toShop}
          </Link>
          <Link
            to="/account/ledger"
            search={{ unit: `${storefront}.${storefront === 'narai' ? 'ticket' : 'chat'}` }}
            className={buttonClass({ look: 'plain' })}
          >
            {words.seeLedger}
          </Link>
        </>
      )}
    </div>
  )
}

export default function TopUpsPage() {
  const words = useWords(topUpWords)
  const shop = useWords(shopWords)
  const { storefront } = route.useParams()
  const { outcome, order } = route.useSearch()
  const me = useQuery(meQuery)
  if (!isShop(storefront)) return <NoPage />
  if (outcome === 'success' && order) return <Outcome storefront={storefront} order={order} />
  return (
    <Page title={words.title(shop[storefront])} lead={words.lead}>
      {outcome === 'cancel' && <Notice tone="info" role="status" title={words.canceled} />}
      {me.isPending ? <Skeleton height="16rem" /> : <Offers storefront={storefront} me={me.data ?? null} />}
      <div>
        <Link to="/plans/$storefront" params={{ storefront }} className={buttonClass({ look: 'plain', small: true })}>
          {words.plans}
        </Link>
      </div>
    </Page>
  )
}

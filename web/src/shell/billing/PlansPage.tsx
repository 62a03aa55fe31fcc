import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import type { PlanOffer, Subscription } from '../../api/billing'
import { hasCode } from '../../api/problem'
import { meQuery } from '../../api/queries'
import type { Me, PlanView, StorefrontId } from '../../api/types'
import { childWords } from '../../i18n/authWords'
import { plansWords, shopWords } from '../../i18n/billingWords'
import { count, day, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Failed, Page } from '../account/parts'
import house from '../house.module.css'
import { NoPage } from '../NotFound'
import { usePageTitle } from '../page'
import { isShop } from '../paths'
import styles from './billing.module.css'
import { Comparison } from './Comparison'
import { grantLine } from './offers'
import { offersQuery, planOfQuery, subscriptionsQuery } from './queries'
import { mayBuy, subscriptionAt } from './shops'

const route = getRouteApi('/house/plans/$storefront')

interface Standing {
  storefront: StorefrontId
  me: Me | null
  now: PlanView | undefined
  subscription: Subscription | undefined
}

function Act({ offer, standing }: { offer: PlanOffer; standing: Standing }) {
  const words = useWords(plansWords)
  const locale = useLocale()
  const { storefront, me, now, subscription } = standing
  const current = now?.plan.id === offer.id
  const title = offer.title[locale]
  const confirm = `/billing/confirm/${storefront}/${offer.id}`
  if (!me?.user) {
    if (offer.price_yen === 0 && offer.id === 'guest') {
      return (
        <Link to={`/${storefront}`} className={buttonClass({ wide: true })}>
          {words.asGuest}
        </Link>
      )
    }
    const next = offer.price_yen === 0 ? `/plans/${storefront}` : confirm
    return (
      <Link
        to="/sign-up"
        search={{ next }}
        className={buttonClass({ look: offer.price_yen === 0 ? 'quiet' : 'primary', wide: true })}
      >
        {offer.price_yen === 0 ? words.signUp : words.apply(title)}
      </Link>
    )
  }
  if (!mayBuy(me)) return null
  if (offer.price_yen === 0) {
    if (current || !subscription) return null
    return (
      <p className={account['soft']}>
        {words.byCancel}{' '}
        <Link to="/account/plan" search={{ storefront }}>
          {words.manage}
        </Link>
      </p>
    )
  }
  const ending = current && Boolean(subscription?.cancel_at ?? subscription?.changes_to)
  const booked = subscription?.changes_to?.plan === offer.id && subscription.cancel_at === null
  if (booked) return null
  if (current && !ending) {
    return (
      <Link to="/account/plan" search={{ storefront }} className={buttonClass({ wide: true })}>
        {words.manage}
      </Link>
    )
  }
  const price = now?.plan.price_yen ?? 0
  const label = ending
    ? words.resume
    : price === 0 || !subscription
      ? words.apply(title)
      : offer.price_yen > price
        ? words.upgrade(title)
        : words.downgrade(title)
  return (
    <Link
      to="/billing/confirm/$storefront/$plan"
      params={{ storefront, plan: offer.id }}
      className={buttonClass({ look: offer.price_yen < price ? 'quiet' : 'primary', wide: true })}
    >
      {label}
    </Link>
  )
}

function Card({ offer, chosen, standing }: { offer: PlanOffer; chosen: boolean; standing: Standing }) {
  const words = useWords(plansWords)
  const locale = useLocale()
  const box = useRef<HTMLLIElement>(null)
  const current = standing.now?.plan.id === offer.id
  const ends = current ? (standing.subscription?.cancel_at ?? standing.subscription?.changes_to?.at) : null
  const change = standing.subscription?.changes_to
  useEffect(() => {
    if (chosen) box.current?.scrollIntoView?.({ block: 'center' })
  }, [chosen])
  return (
    <li ref={box} className={cx(account['card'], styles['offer'])} data-chosen={chosen}>
      <div className={area['title']}>
        <h2>{offer.title[locale]}</h2>
        {current && <Badge tone="accent">{words.current}</Badge>}
        {chosen && !current && <Badge tone="accent">{words.chosen}</Badge>}
      </div>
      <p className={styles['price']}>
        {offer.price_yen === 0 ? (
          <b>{words.free}</b>
        ) : (
          <>
            <b>{words.perMonth(yen(offer.price_yen, locale))}</b> <small>{words.taxed}</small>
          </>
        )}
      </p>
      {ends && <p className={account['soft']}>{words.ending(day(ends, locale))}</p>}
      {change?.plan === offer.id && <p className={account['soft']}>{words.from(day(change.at, locale))}</p>}
      <ul className={styles['points']}>
        {(offer.highlights ?? []).map((line) => (
          <li key={line.ja}>
            <Icon name="check" size={16} />
            <span>{line[locale]}</span>
          </li>
        ))}
        {/* A plan without lines of its own is told by what it counts; the comparison below has it all. */}
        {!offer.highlights?.length &&
          [
            ...offer.grants.map((grant) => grantLine(grant, locale)),
            words.limitLine(count(offer.limits.per_minute, locale), count(offer.limits.concurrent, locale)),
          ].map((line) => (
            <li key={line}>
              <Icon name="check" size={16} />
              <span>{line}</span>
            </li>
          ))}
      </ul>
      <Act offer={offer} standing={standing} />
    </li>
  )
}

function Offers({ storefront, chosen, me }: { storefront: StorefrontId; chosen: string | undefined; me: Me | null }) {
  const words = useWords(plansWords)
  const offers = useQuery(offersQuery(storefront))
  const now = useQuery({ ...planOfQuery(storefront), enabled: me !== null })
  const subscriptions = useQuery({ ...subscriptionsQuery, enabled: mayBuy(me) })
  const standing: Standing = {
    storefront,
    me,
    now: now.data,
    subscription: subscriptionAt(subscriptions.data, storefront),
  }
  if (offers.error && !hasCode(offers.error, 'no_plan')) {
    return <Failed error={offers.error} retry={() => offers.refetch()} />
  }
  // What one has decides what can be done, so the cards wait for it rather than change under a finger.
  const knows = (me === null || !now.isPending) && (!mayBuy(me) || !subscriptions.isPending)
  if (!offers.error && (!offers.data || !knows)) return <Skeleton height="24rem" />
  // Whoever has an account is no passing guest any more.
  const shown = (offers.data ?? []).filter(({ id, price_yen }) => !me?.user || id !== 'guest' || price_yen > 0)
  if (shown.length === 0) {
    return (
      <div className={area['empty']}>
        <Noren characters="準備中" cloth={storefront} />
        <h2>{words.empty}</h2>
        <p>{words.emptyText}</p>
        <Link to={`/${storefront}`} className={buttonClass({ look: 'primary' })}>
          {words.back}
        </Link>
      </div>
    )
  }
  return (
    <>
      {!me?.user && <Notice tone="info" icon="person" title={words.signUpFirst} />}
      {me?.user && !mayBuy(me) && <Notice tone="info" icon="person" title={words.notYours} />}
      <ul className={styles['offers']} aria-label={words.list}>
        {shown.map((offer) => (
          <Card key={offer.id} offer={offer} chosen={offer.id === chosen} standing={standing} />
        ))}
      </ul>
      <Comparison offers={shown} current={now.data?.plan.id} />
    </>
  )
}

// Children see no prices.
function NotForChildren() {
  const words = useWords(childWords)
  usePageTitle(words.notHere)
  return (
    <div className={house['centre']}>
      <Noren characters="暖簾" />
      <h1>{words.notHere}</h1>
      <Link to="/" className={buttonClass({ look: 'primary' })}>
        {words.back}
      </Link>
    </div>
  )
}

export default function PlansPage() {
  const words = useWords(plansWords)
  const shop = useWords(shopWords)
  const { storefront } = route.useParams()
  const { plan, next } = route.useSearch()
  const me = useQuery(meQuery)
  if (!isShop(storefront)) return <NoPage />
  if (me.data?.tenant.role === 'child') return <NotForChildren />
  return (
    <Page title={words.title(shop[storefront])} lead={words.lead}>
      {me.isPending ? (
        <Skeleton height="24rem" />
      ) : (
        <Offers storefront={storefront} chosen={plan} me={me.data ?? null} />
      )}
      <div>
        <Link to={next ?? `/${storefront}`} className={buttonClass({ look: 'plain', small: true })}>
          <Icon name="left" size={16} />
          {words.back}
        </Link>
      </div>
    </Page>
  )
}

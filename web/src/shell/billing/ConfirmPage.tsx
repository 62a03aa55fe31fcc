import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, Navigate, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { changeSubscription, type Order, startCheckout } from '../../api/billing'
import { hasCode, Told } from '../../api/problem'
import { meQuery } from '../../api/queries'
import type { Me } from '../../api/types'
import { confirmWords, plansWords, resultWords, shopWords } from '../../i18n/billingWords'
import { day, dayAndTime, yen } from '../../i18n/format'
import { legalWords } from '../../i18n/legalWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import account from '../account/account.module.css'
import { Failed, Page } from '../account/parts'
import { Summary } from '../form'
import { isShop } from '../paths'
import { useGuarded } from '../stepUp'
import styles from './billing.module.css'
import { goTo } from './go'
import { forgetPlans, orderQuery } from './queries'
import { mayBuy } from './shops'

const route = getRouteApi('/house/billing/confirm/$storefront/$plan')

const kinds = { new: 'kindNew', upgrade: 'kindUpgrade', downgrade: 'kindDowngrade', resume: 'kindResume' } as const

function Sums({ order }: { order: Order }) {
  const words = useWords(confirmWords)
  const locale = useLocale()
  const { proration } = order
  return (
    <section className={account['card']}>
      <h2>{words.sums}</h2>
      <dl className={styles['sums']}>
        {proration && (
          <>
            <dt>{words.charge}</dt>
            <dd>{yen(proration.charge_yen, locale)}</dd>
            <dt>{words.credit}</dt>
            <dd>{yen(-Math.abs(proration.credit_yen), locale)}</dd>
          </>
        )}
        <dt className={styles['strong']}>{words.dueNow}</dt>
        <dd className={styles['strong']}>{yen(order.due_now_yen, locale)}</dd>
        <dt>{words.total}</dt>
        <dd>
          {yen(order.total_yen, locale)} <small>{words.tax(yen(order.tax_yen, locale))}</small>
        </dd>
        <dt>{words.next}</dt>
        <dd>
          {order.next_charge_at === null
            ? words.noNext
            : words.nextAt(day(order.next_charge_at, locale), yen(order.next_charge_yen ?? order.total_yen, locale))}
        </dd>
      </dl>
      {proration && <p className={account['soft']}>{words.proration(day(proration.at, locale))}</p>}
      {order.kind === 'downgrade' && order.next_charge_at && (
        <p className={account['soft']}>{words.later(day(order.next_charge_at, locale))}</p>
      )}
    </section>
  )
}

// Reads like a form of a shop: what it is, what it costs and when, the terms, how to get out again, and only then the button.
function Sheet({ order, onStale }: { order: Order; onStale: () => void }) {
  const words = useWords(confirmWords)
  const legal = useWords(legalWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const client = useQueryClient()
  const storefront = isShop(order.storefront) ? order.storefront : 'misaki'
  const [leaving, setLeaving] = useState(false)
  // The browser may bring this page back just as it was left.
  useEffect(() => {
    const back = () => setLeaving(false)
    window.addEventListener('pageshow', back)
    return () => window.removeEventListener('pageshow', back)
  }, [])
  const place = async () => {
    if (order.kind === 'new') {
      const { url } = await startCheckout(order.id)
      setLeaving(true)
      goTo(url)
      return
    }
    if (order.subscription === null) throw new Told(confirmWords.noSubscription)
    await changeSubscription(order.subscription, order.id)
    await forgetPlans(client)
    if (order.kind === 'upgrade') {
      await navigate({ to: '/billing/result', search: { outcome: 'success', storefront, plan: order.plan.id } })
    } else {
      const done = order.kind === 'resume' ? 'resumed' : 'downgraded'
      await navigate({ to: '/account/plan', search: { storefront, done } })
    }
  }
  const submit = useGuarded({
    mutationFn: async () => {
      try {
        await place()
      } catch (error) {
        if (!hasCode(error, 'order_stale')) throw error
        onStale()
      }
    },
  })
  const act = () => {
    if (submit.isPending || leaving) return
    submit.mutate()
  }
  return (
    <>
      <section className={account['card']}>
        <h2>{words.plan}</h2>
        <div>
          <p className={account['planName']}>
            <b>{order.plan.title[locale]}</b>
            <span>{words[kinds[order.kind]]}</span>
          </p>
          {order.current && order.current.id !== order.plan.id && (
            <p className={account['soft']}>{words.from(order.current.title[locale], order.plan.title[locale])}</p>
          )}
        </div>
      </section>
      <Sums order={order} />
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
      <section className={account['card']}>
        <h2>{words.cancelling}</h2>
        <p>{words.cancellingText}</p>
        <p>
          <Link to="/legal/tokushoho">{legal.tokushohoTitle}</Link>
        </p>
      </section>
      <section className={styles['last']}>
        <Summary error={submit.error} />
        {Boolean(submit.error) && order.kind !== 'new' && <ToPlan storefront={order.storefront} />}
        <p className={account['soft']}>
          {order.kind === 'new' ? words.checkout : order.due_now_yen > 0 ? words.charged : words.uncharged}{' '}
          {words.validUntil(dayAndTime(order.expires_at, locale))}
        </p>
        <Button look="primary" wide aria-disabled={submit.isPending || leaving || undefined} onClick={act}>
          {submit.isPending || leaving ? words.going : words.submit}
        </Button>
      </section>
    </>
  )
}

// Where an unpaid bill is settled, and where one sees what one has already.
function ToPlan({ storefront }: { storefront: string }) {
  const words = useWords(resultWords)
  return (
    <div>
      <Link
        to="/account/plan"
        search={{ storefront: isShop(storefront) ? storefront : undefined }}
        className={buttonClass({ small: true })}
      >
        {words.toPlan}
      </Link>
    </div>
  )
}

// Stands above the new figures and takes the focus, so that nobody agrees to what they have not read.
function Changed() {
  const words = useWords(confirmWords)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current?.focus(), [])
  return <Notice ref={box} tone="warn" role="alert" title={words.stale} />
}

function Ordered({ me, storefront, plan }: { me: Me; storefront: string; plan: string }) {
  const words = useWords(confirmWords)
  const plans = useWords(plansWords)
  const order = useQuery({ ...orderQuery(storefront, plan), enabled: mayBuy(me) })
  const [stale, setStale] = useState(false)
  if (!mayBuy(me)) return <Notice tone="info" icon="person" title={plans.notYours} />
  if (order.error) {
    return (
      <>
        <Failed error={order.error} retry={() => order.refetch()} />
        <ToPlan storefront={storefront} />
      </>
    )
  }
  if (!order.data || order.isFetching) {
    return (
      <div role="status" aria-label={words.working}>
        <Skeleton height="32rem" />
      </div>
    )
  }
  return (
    <>
      {stale && <Changed />}
      {/* A new order is agreed to anew. */}
      <Sheet
        key={order.data.id}
        order={order.data}
        onStale={() => {
          setStale(true)
          void order.refetch()
        }}
      />
    </>
  )
}

export default function ConfirmPage() {
  const words = useWords(confirmWords)
  const shop = useWords(shopWords)
  const { storefront, plan } = route.useParams()
  const me = useQuery(meQuery)
  if (me.data === null || (me.data && !me.data.user)) {
    return <Navigate to="/sign-up" search={{ next: `/billing/confirm/${storefront}/${plan}` }} replace />
  }
  return (
    <div className={styles['paper']}>
      <Page title={words.title} lead={words.lead}>
        <p className={account['soft']}>{isShop(storefront) ? shop[storefront] : storefront}</p>
        {me.data ? <Ordered me={me.data} storefront={storefront} plan={plan} /> : <Skeleton height="32rem" />}
        <div>
          <Link
            to="/plans/$storefront"
            params={{ storefront }}
            search={{ plan }}
            className={buttonClass({ look: 'plain', small: true })}
          >
            <Icon name="left" size={16} />
            {words.back}
          </Link>
        </div>
      </Page>
    </div>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { cancelSubscription, openPortal, resumeSubscription, type Subscription } from '../../api/billing'
import { hasCode } from '../../api/problem'
import { meQuery } from '../../api/queries'
import type { Me, PlanView, StorefrontId } from '../../api/types'
import { accountWords } from '../../i18n/accountWords'
import { shopWords, standingWords } from '../../i18n/billingWords'
import { day, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { topUpWords } from '../../i18n/topUpWords'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { Noren } from '../../ui/Noren'
import { Notice } from '../../ui/Notice'
import { Segments } from '../../ui/Segments'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Confirm, Fetched, Page } from '../account/parts'
import { Usage } from '../account/Usage'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import { AutoTopUpCard } from './AutoTopUpCard'
import { BudgetCard } from './BudgetCard'
import styles from './billing.module.css'
import { Daily } from './Daily'
import { goTo } from './go'
import { useHoldsMore } from './more'
import { QuotaBar } from './QuotaBar'
import { forgetPlans, planOfQuery, subscriptionsQuery } from './queries'
import { Rates } from './Rates'
import { mayBuy, shops, subscriptionAt } from './shops'

const route = getRouteApi('/house/account/plan')

function usePortal() {
  return useGuarded({ mutationFn: async () => goTo((await openPortal()).url) })
}

function PortalButton({ primary = false }: { primary?: boolean }) {
  const words = useWords(standingWords)
  const portal = usePortal()
  return (
    <>
      <Button small look={primary ? 'primary' : 'quiet'} disabled={portal.isPending} onClick={() => portal.mutate()}>
        {primary ? words.updateCard : words.payment}
      </Button>
      <Summary error={portal.error} />
    </>
  )
}

// How one stands with the plan that one pays for, said before anything else and with the one thing to do about it.
function Status({
  view,
  subscription,
  buys,
}: {
  view: PlanView
  subscription: Subscription | undefined
  buys: boolean
}) {
  const words = useWords(standingWords)
  const locale = useLocale()
  const until = subscription?.cancel_at ?? view.expires_at
  const card = buys ? <PortalButton primary /> : null
  switch (view.status) {
    case 'grace':
      return (
        <Notice tone="warn" role="status" title={words.graceTitle} actions={card}>
          <p>{view.expires_at ? words.graceText(day(view.expires_at, locale)) : words.graceNoDate}</p>
        </Notice>
      )
    case 'on_hold':
      return (
        <Notice tone="bad" role="status" title={words.onHoldTitle} actions={card}>
          <p>{words.onHoldText}</p>
        </Notice>
      )
    case 'canceled':
      return (
        <Notice
          tone="info"
          role="status"
          title={words.canceledTitle}
          actions={buys && subscription ? <Resume subscription={subscription} /> : null}
        >
          {until && <p>{words.canceledText(day(until, locale))}</p>}
        </Notice>
      )
    case 'ended':
      return (
        <Notice tone="info" role="status" title={words.endedTitle}>
          <p>{words.endedText}</p>
        </Notice>
      )
    default:
      return subscription?.changes_to ? (
        <Notice
          tone="info"
          role="status"
          title={words.changesTitle(day(subscription.changes_to.at, locale), subscription.changes_to.title[locale])}
          actions={
            buys && (
              <Link
                to="/billing/confirm/$storefront/$plan"
                params={{ storefront: view.storefront, plan: view.plan.id }}
                className={buttonClass({ small: true })}
              >
                {words.keep}
              </Link>
            )
          }
        >
          <p>{words.changesText}</p>
        </Notice>
      ) : null
  }
}

function Resume({ subscription }: { subscription: Subscription }) {
  const words = useWords(standingWords)
  const client = useQueryClient()
  const resume = useGuarded({
    mutationFn: () => resumeSubscription(subscription.id),
    onSuccess: () => forgetPlans(client),
  })
  return (
    <>
      <Button small look="primary" disabled={resume.isPending} onClick={() => resume.mutate()}>
        {words.resume}
      </Button>
      <Summary error={resume.error} />
    </>
  )
}

function Cancel({ view, subscription }: { view: PlanView; subscription: Subscription }) {
  const words = useWords(standingWords)
  const locale = useLocale()
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const cancel = useGuarded({
    mutationFn: () => cancelSubscription(subscription.id),
    onSuccess: async () => {
      setAsking(false)
      await forgetPlans(client)
    },
  })
  const end = subscription.period_end ?? view.expires_at
  return (
    <>
      <Button small look="plain" onClick={() => setAsking(true)}>
        {words.cancel}
      </Button>
      {asking && (
        <Confirm
          title={words.cancelTitle(view.plan.title[locale])}
          text={end ? words.cancelText(day(end, locale)) : words.cancelTextNoDate}
          act={words.cancel}
          run={cancel}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}

function PlanCard({ view, me, storefront }: { view: PlanView; me: Me; storefront: StorefrontId }) {
  const words = useWords(standingWords)
  const names = useWords(accountWords)
  const topUps = useWords(topUpWords)
  const locale = useLocale()
  const buys = mayBuy(me)
  const subscriptions = useQuery({ ...subscriptionsQuery, enabled: buys })
  const subscription = subscriptionAt(subscriptions.data, storefront)
  const { plan, status } = view
  const goesOn = status === 'active' && plan.price_yen > 0 && subscription && subscription.cancel_at === null
  const renews = goesOn ? (subscription.period_end ?? view.expires_at) : null
  // What was just told to end may be known to the subscription before it is to the plan.
  const ending = subscription?.cancel_at && status === 'active' ? { ...view, status: 'canceled' as const } : view
  return (
    <section className={account['card']}>
      <h2>{words.plan}</h2>
      <Status view={ending} subscription={subscription} buys={buys} />
      <div>
        <p className={account['planName']}>
          <b>{plan.title[locale]}</b>
          <span>{plan.price_yen > 0 ? names.perMonth(yen(plan.price_yen, locale)) : names.free}</span>
          <Badge tone={ending.status === 'active' ? 'accent' : 'warn'}>{words[ending.status]}</Badge>
        </p>
        {renews && <p>{words.renews(day(renews, locale))}</p>}
        <p className={account['soft']}>{names.limits(view.limits.per_minute, view.limits.concurrent)}</p>
      </div>
      <div className={account['row']}>
        <Link
          to="/plans/$storefront"
          params={{ storefront }}
          className={buttonClass({ small: true, look: plan.price_yen > 0 ? 'quiet' : 'primary' })}
        >
          {plan.price_yen > 0 ? words.change : words.choose}
        </Link>
        {buys && subscription && status !== 'grace' && status !== 'on_hold' && <PortalButton />}
        {buys && (
          <Link
            to="/billing/topups/$storefront"
            params={{ storefront }}
            className={buttonClass({ small: true, look: 'plain' })}
          >
            {topUps.topUp}
          </Link>
        )}
        {buys && (
          <Link to="/account/receipts" className={buttonClass({ small: true, look: 'plain' })}>
            {words.receipts}
          </Link>
        )}
        {buys && subscription && subscription.cancel_at === null && <Cancel view={view} subscription={subscription} />}
      </div>
    </section>
  )
}

function Quotas({ view }: { view: PlanView }) {
  const words = useWords(standingWords)
  const holdsMore = useHoldsMore(view)
  return (
    <section className={account['card']}>
      <h2>{words.quotas}</h2>
      {view.quotas.length === 0 && <p className={account['soft']}>{words.noQuotas}</p>}
      {view.quotas.map((quota) => (
        <QuotaBar key={quota.unit + quota.every} quota={quota} more={holdsMore(quota)} />
      ))}
      {view.quotas[0] && (
        <div>
          <Link to="/account/ledger" search={{ unit: view.quotas[0].unit }} className={buttonClass({ small: true })}>
            {words.why}
          </Link>
        </div>
      )}
    </section>
  )
}

function Nothing({ storefront }: { storefront: StorefrontId }) {
  const words = useWords(standingWords)
  return (
    <div className={area['empty']}>
      <Noren characters="帳場" cloth={storefront} />
      <h2>{words.none}</h2>
      <p>{words.noneText}</p>
      <Link to="/plans/$storefront" params={{ storefront }} className={buttonClass({ look: 'primary' })}>
        {words.choose}
      </Link>
    </div>
  )
}

export default function StandingPage() {
  const words = useWords(standingWords)
  const shop = useWords(shopWords)
  const navigate = useNavigate()
  const { storefront = 'misaki', month, done } = route.useSearch()
  const { data: me } = useQuery(meQuery)
  const plan = useQuery(planOfQuery(storefront))
  return (
    <Page title={words.title} lead={words.lead}>
      <div className={styles['scroll']}>
        <Segments
          label={shop.choose}
          value={storefront}
          options={shops.map((value) => ({ value, text: shop[value] }))}
          onChange={(value) => void navigate({ to: '/account/plan', search: { storefront: value } })}
        />
      </div>
      {done && <Notice tone="info" icon="check" role="status" title={words[done]} />}
      {hasCode(plan.error, 'no_plan') ? (
        <Nothing storefront={storefront} />
      ) : (
        <>
          <div className={account['pair']}>
            <Fetched query={plan}>
              {(view) => (
                <>
                  <div className={account['column']}>
                    {me && <PlanCard view={view} me={me} storefront={storefront} />}
                    <Quotas view={view} />
                    <Rates storefront={storefront} />
                  </div>
                  <div className={account['column']}>
                    {me && view.quotas[0] && (
                      <BudgetCard key={view.quotas[0].unit} unit={view.quotas[0].unit} me={me} />
                    )}
                    {me && <BudgetCard key={`${storefront}.cost`} unit={`${storefront}.cost`} me={me} />}
                    {me && <AutoTopUpCard key={`auto-${storefront}`} storefront={storefront} me={me} />}
                  </div>
                </>
              )}
            </Fetched>
          </div>
          <Daily key={storefront} storefront={storefront} month={month} />
          <Usage storefront={storefront} />
        </>
      )}
    </Page>
  )
}

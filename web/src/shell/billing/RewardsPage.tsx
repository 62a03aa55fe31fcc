import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { acceptReferral, makeReferralCode, type Points, type Referrals, redeemPoints } from '../../api/billing'
import type { Locale } from '../../api/types'
import { count, day, yen } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { POINT_UNIT, rewardWords } from '../../i18n/rewardWords'
import { useWords, wordsOf } from '../../i18n/text'
import { amountOf, unitName } from '../../i18n/units'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import { Summary } from '../form'
import styles from './billing.module.css'
import { forgetPlans, pointsQuery, referralsQuery } from './queries'

const route = getRouteApi('/house/account/rewards')

type Earning = Points['earn'][number]
type Exchange = Points['exchanges'][number]
type Programme = Referrals['programmes'][number]
type Invitation = Referrals['invitations'][number]

function earningLine({ event, points, per_yen, days }: Earning, locale: Locale): string {
  const words = wordsOf(rewardWords, locale)
  const many = count(points, locale)
  const lasts = words.lasts(count(days, locale))
  if (event === 'review') return `${words.review(many)} · ${lasts}`
  return `${per_yen ? words.invoice(many, yen(per_yen, locale)) : words.paid(many)} · ${lasts}`
}

function ExchangeCard({ exchange, balance }: { exchange: Exchange; balance: number }) {
  const words = useWords(rewardWords)
  const locale = useLocale()
  const client = useQueryClient()
  const redeem = useMutation({
    mutationFn: () => redeemPoints(exchange.id),
    onSuccess: () => forgetPlans(client),
  })
  const title = exchange.title[locale]
  const missing = exchange.points - balance
  return (
    <li className={account['card']}>
      <h3>{title}</h3>
      <p className={styles['price']}>
        <b>{words.takes(count(exchange.points, locale))}</b>
      </p>
      <p className={account['soft']}>{words.good(count(exchange.days, locale))}</p>
      {redeem.isSuccess && <Notice tone="info" role="status" title={words.exchanged} />}
      <Summary error={redeem.error} />
      {missing > 0 ? (
        <p className={account['soft']}>{words.short(count(missing, locale))}</p>
      ) : (
        <Button
          look="primary"
          wide
          aria-label={words.exchangeFor(count(exchange.points, locale), title)}
          disabled={redeem.isPending}
          onClick={() => redeem.mutate()}
        >
          {words.exchange}
        </Button>
      )}
    </li>
  )
}

function PointsCard({ points }: { points: Points }) {
  const words = useWords(rewardWords)
  const locale = useLocale()
  return (
    <>
      <section className={account['card']}>
        <h2>{words.balance}</h2>
        <p className={styles['price']}>
          <b>{amountOf(points.unit, points.balance, locale)}</b>
        </p>
        <div>
          <Link to="/account/ledger" search={{ unit: points.unit }} className={buttonClass({ small: true })}>
            {words.why}
          </Link>
        </div>
        {points.earn.length > 0 && <h3>{words.earn}</h3>}
        <ul className={styles['rules']}>
          {points.earn.map((one) => (
            <li key={`${one.event}/${one.points}/${one.per_yen}`}>{earningLine(one, locale)}</li>
          ))}
        </ul>
      </section>
      {points.exchanges.length === 0 && <p>{words.noExchange}</p>}
      <ul className={styles['offers']} aria-label={words.exchange}>
        {points.exchanges.map((one) => (
          <ExchangeCard key={one.id} exchange={one} balance={points.balance} />
        ))}
      </ul>
    </>
  )
}

function ProgrammeCard({ programme }: { programme: Programme }) {
  const words = useWords(rewardWords)
  const locale = useLocale()
  const client = useQueryClient()
  const make = useMutation({
    mutationFn: () => makeReferralCode(programme.id),
    onSuccess: () => client.invalidateQueries({ queryKey: referralsQuery.queryKey }),
  })
  const { referrer, invited, code } = programme
  const reward = ({ unit, amount }: { unit: string; amount: number }) =>
    // an amount of points says what it counts
    unit === POINT_UNIT ? amountOf(unit, amount, locale) : `${unitName(unit, locale)} ${amountOf(unit, amount, locale)}`
  return (
    <section className={account['card']}>
      <h2>{programme.title[locale]}</h2>
      <p>{programme.trigger === 'invoice' ? words.atInvoice : words.atSignUp}</p>
      <ul className={styles['rules']}>
        {referrer && <li>{words.forUs(reward(referrer))}</li>}
        {invited && <li>{words.forThem(reward(invited))}</li>}
      </ul>
      {code ? (
        <>
          <Copy label={words.code} value={code.code} copy={words.copy} copied={words.copied} />
          <Copy label={words.link} value={code.link} copy={words.copy} copied={words.copied} />
          <p className={account['soft']}>{words.used(count(code.accepted, locale), count(code.most, locale))}</p>
        </>
      ) : (
        <div>
          <Button look="primary" disabled={make.isPending} onClick={() => make.mutate()}>
            {words.makeCode}
          </Button>
        </div>
      )}
      <Summary error={make.error} />
      <p className={account['soft']}>{words.back}</p>
    </section>
  )
}

function AcceptCard({ known }: { known: string | undefined }) {
  const words = useWords(rewardWords)
  const client = useQueryClient()
  const [code, setCode] = useState(known ?? '')
  const [wrong, setWrong] = useState(false)
  const accept = useMutation({ mutationFn: acceptReferral, onSuccess: () => forgetPlans(client) })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const said = code.trim()
    const bad = !/^[0-9A-Za-z]{8}$/.test(said)
    setWrong(bad)
    if (!bad) accept.mutate(said)
  }
  return (
    <section className={account['card']}>
      <h2>{words.have}</h2>
      {accept.isSuccess ? (
        <Notice tone="info" role="status" title={words.accepted} />
      ) : (
        <form className={styles['fields']} onSubmit={submit} noValidate>
          <Field
            label={words.enter}
            value={code}
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            error={wrong ? words.wrong : undefined}
            onChange={(event) => setCode(event.target.value)}
          />
          <Summary error={accept.error} />
          <Button type="submit" look={known ? 'primary' : 'quiet'} disabled={accept.isPending}>
            {words.accept}
          </Button>
        </form>
      )}
    </section>
  )
}

function History({ invitations }: { invitations: readonly Invitation[] }) {
  const words = useWords(rewardWords)
  const locale = useLocale()
  if (invitations.length === 0) return null
  return (
    <section className={account['card']}>
      <h2>{words.history}</h2>
      <ul className={styles['rules']}>
        {invitations.map((one) => (
          <li key={one.id}>
            {day(one.accepted_at, locale)} · {one.invited_by_us ? words.invited : words.wasInvited}{' '}
            <Badge tone={one.state === 'rewarded' ? 'accent' : 'plain'}>{words[one.state]}</Badge>
          </li>
        ))}
      </ul>
    </section>
  )
}

export default function RewardsPage() {
  const words = useWords(rewardWords)
  const { code } = route.useSearch()
  const points = useQuery(pointsQuery)
  const referrals = useQuery(referralsQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      {code && <AcceptCard known={code} />}
      <Fetched query={points}>{(found) => <PointsCard points={found} />}</Fetched>
      <Fetched query={referrals}>
        {(found) => (
          <>
            {found.programmes.length === 0 && <p>{words.none}</p>}
            {found.programmes.map((one) => (
              <ProgrammeCard key={one.id} programme={one} />
            ))}
            <History invitations={found.invitations} />
          </>
        )}
      </Fetched>
      {!code && <AcceptCard known={undefined} />}
    </Page>
  )
}

import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { describeProblem } from '../../api/problem'
import { meQuery, planQuery } from '../../api/queries'
import type { Me } from '../../api/types'
import { accountWords } from '../../i18n/accountWords'
import { day, yen } from '../../i18n/format'
import { areaWords } from '../../i18n/keyWords'
import { useLocale } from '../../i18n/locale'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { useHoldsMore } from '../billing/more'
import { QuotaBar } from '../billing/QuotaBar'
import { useSignOut } from '../leave'
import styles from './account.module.css'
import { Display } from './Display'
import { Ledger } from './Ledger'
import { Failed, Page } from './parts'
import { Usage } from './Usage'

function Who({ me }: { me: Me }) {
  const words = useWords(accountWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const leave = useSignOut()
  return (
    <section className={styles['card']}>
      <h2>{words.who}</h2>
      <div>
        <p className={styles['name']}>{me.user ? me.user.display_name || me.user.email : words.guest}</p>
        <p className={styles['soft']}>{me.user ? me.user.email : words.guestText}</p>
      </div>
      {leave.error && <Notice tone="bad" role="alert" title={describeProblem(leave.error, locale).summary} />}
      <div className={styles['row']}>
        {!me.user && (
          <Link to="/sign-up" search={{ next: '/account' }} className={buttonClass({ look: 'primary', small: true })}>
            {shell.signUp}
          </Link>
        )}
        <Button small disabled={leave.isPending} onClick={() => leave.mutate()}>
          {me.user ? words.signOut : words.guestSignOut}
        </Button>
      </div>
    </section>
  )
}

function Plan() {
  const words = useWords(accountWords)
  const area = useWords(areaWords)
  const locale = useLocale()
  const { data, error, isPending, refetch } = useQuery(planQuery)
  const holdsMore = useHoldsMore(data)
  return (
    <section className={styles['card']}>
      <h2>{words.planOf(words.misaki)}</h2>
      {isPending && <Skeleton height="8rem" />}
      {error && <Failed error={error} retry={() => refetch()} />}
      {data && (
        <>
          <div>
            <p className={styles['planName']}>
              <b>{data.plan.title[locale]}</b>
              <span>{data.plan.price_yen > 0 ? words.perMonth(yen(data.plan.price_yen, locale)) : words.free}</span>
              {data.expires_at && <span>{words.expires(day(data.expires_at, locale))}</span>}
            </p>
            <p className={styles['soft']}>{words.limits(data.limits.per_minute, data.limits.concurrent)}</p>
          </div>
          {data.quotas.map((quota) => (
            <QuotaBar key={quota.unit + quota.every} quota={quota} more={holdsMore(quota)} />
          ))}
          <div className={styles['row']}>
            <Link to="/misaki" className={buttonClass({ small: true })}>
              {words.visitMisaki}
            </Link>
            <Link to="/account/plan" className={buttonClass({ small: true, look: 'plain' })}>
              {area.plan}
            </Link>
          </div>
        </>
      )}
    </section>
  )
}

export default function OverviewPage() {
  const words = useWords(accountWords)
  const me = useQuery(meQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      {me.data && (
        <>
          <div className={styles['pair']}>
            <Plan />
            <div className={styles['column']}>
              <Who me={me.data} />
              <Display />
            </div>
          </div>
          <Usage />
          <Ledger />
        </>
      )}
    </Page>
  )
}

import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { RatePolicy } from '../../api/billing'
import type { Locale, StorefrontId } from '../../api/types'
import { standingWords } from '../../i18n/billingWords'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords, wordsOf } from '../../i18n/text'
import { amountOf, unitName } from '../../i18n/units'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Meter } from '../../ui/Meter'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Fetched } from '../account/parts'
import { rateLimitsQuery } from './queries'

export function spanOf(seconds: number, locale: Locale): string {
  const words = wordsOf(standingWords, locale)
  if (seconds >= 2 * 86_400) return words.days(count(Math.round(seconds / 86_400), locale))
  if (seconds >= 2 * 3600) return words.hours(count(Math.round(seconds / 3600), locale))
  if (seconds > 90) return words.minutes(count(Math.ceil(seconds / 60), locale))
  return words.seconds(count(Math.ceil(seconds), locale))
}

// Seconds since `since`, while something on the screen counts down.
function useElapsed(since: number, running: boolean): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!running) return
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [running])
  return Math.max(0, (now - since) / 1000)
}

function Policy({ policy, asked }: { policy: RatePolicy; asked: number }) {
  const words = useWords(standingWords)
  const locale = useLocale()
  const waits = policy.remaining < policy.quota && policy.reset_secs !== null
  const elapsed = useElapsed(asked, waits)
  const rest = Math.max(0, (policy.reset_secs ?? 0) - elapsed)
  const name = nameOf(policy, locale)
  const amount = (n: number) => (policy.unit === null ? count(n, locale) : amountOf(policy.unit, n, locale))
  const left = `${amount(policy.remaining)} / ${amount(policy.quota)}`
  return (
    <div className={account['quota']}>
      <p>
        <b>{left}</b>
        <span className={account['soft']}>{name}</span>
      </p>
      <Meter value={policy.remaining} max={policy.quota} label={name} words={left} />
      <p>
        <small>{waits && rest > 0 ? words.resetsIn(spanOf(rest, locale)) : waits ? '' : words.full}</small>
      </p>
    </div>
  )
}

function nameOf({ name, unit, window_secs }: RatePolicy, locale: Locale): string {
  const words = wordsOf(standingWords, locale)
  if (unit !== null) return unitName(unit, locale)
  if (/concurren/.test(name)) return words.rate_concurrent
  if (window_secs === 60) return words.rate_minute
  return window_secs === null ? name : words.window(spanOf(window_secs, locale))
}

export function Rates({ storefront }: { storefront: StorefrontId }) {
  const words = useWords(standingWords)
  const query = useQuery(rateLimitsQuery(storefront))
  return (
    <section className={account['card']}>
      <div className={area['cardHead']}>
        <h2>{words.rates}</h2>
        <Button small look="plain" onClick={() => void query.refetch()}>
          <Icon name="retry" size={16} />
          {words.refresh}
        </Button>
      </div>
      <p className={account['soft']}>{words.ratesText}</p>
      <Fetched query={query} height="7rem">
        {({ policies }) =>
          policies.map((policy) => (
            <Policy key={policy.name + (policy.unit ?? '')} policy={policy} asked={query.dataUpdatedAt} />
          ))
        }
      </Fetched>
    </section>
  )
}

import { Link } from '@tanstack/react-router'
import type { Quota } from '../../api/types'
import { quotaWords } from '../../i18n/accountWords'
import { unitWords } from '../../i18n/billingWords'
import { useLocale } from '../../i18n/locale'
import { CHAT_UNIT, quotaLeft, quotaResets, quotaUsed } from '../../i18n/quota'
import { useWords } from '../../i18n/text'
import { amountOf, unitName } from '../../i18n/units'
import { Meter } from '../../ui/Meter'
import account from '../account/account.module.css'

// `more`: the balance holds more than what the plan gives each period.
export function QuotaBar({ quota, more }: { quota: Quota; more: boolean }) {
  const words = useWords(unitWords)
  const kept = useWords(quotaWords)
  const locale = useLocale()
  const chats = quota.unit === CHAT_UNIT
  const amount = (n: number) => amountOf(quota.unit, n, locale)
  const left = chats
    ? quotaLeft(quota, locale, more)
    : quota.available > 0
      ? words.left(amount(quota.available))
      : words.none
  const used = chats ? quotaUsed(quota, locale) : words.usedOf(amount(quota.used), amount(quota.granted))
  const name = unitName(quota.unit, locale)
  return (
    <div className={account['quota']}>
      <p>
        <b>{left}</b>
        <span className={account['soft']}>{name}</span>
      </p>
      <Meter value={quota.available} max={quota.granted} label={name} words={`${left}, ${used}`} />
      <p>
        <small>{used}</small>
        <small>
          {more ? (
            <Link to="/account/ledger" search={{ unit: quota.unit }}>
              {kept.lots}
            </Link>
          ) : (
            quotaResets(quota, locale)
          )}
        </small>
      </p>
    </div>
  )
}

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useLocation } from '@tanstack/react-router'
import { useState } from 'react'
import { resendVerification, undoDeletion } from '../api/identity'
import { describeProblem } from '../api/problem'
import { meQuery, planQuery } from '../api/queries'
import type { Me, PlanView } from '../api/types'
import { day } from '../i18n/format'
import { useLocale } from '../i18n/locale'
import { bannerWords } from '../i18n/peopleWords'
import { useWords } from '../i18n/text'
import { Button, buttonClass } from '../ui/Button'
import { Icon } from '../ui/Icon'
import { Notice } from '../ui/Notice'
import { dismissForThisVisit, useArrival } from './arrival'
import styles from './house.module.css'
import { MailboxLink } from './MailboxLink'
import { isShop } from './paths'
import { guarded } from './stepUp'

function Deletion({ at }: { at: string }) {
  const words = useWords(bannerWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const undo = useMutation({
    mutationFn: () => guarded(undoDeletion),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: meQuery.queryKey }),
  })
  return (
    <Notice
      tone="warn"
      role="status"
      title={words.deletion(day(at, locale))}
      actions={
        <Button small look="primary" disabled={undo.isPending} onClick={() => undo.mutate()}>
          {words.undo}
        </Button>
      }
    >
      <p>{undo.error ? describeProblem(undo.error, locale).summary : words.deletionText}</p>
    </Notice>
  )
}

function Unconfirmed({ email }: { email: string }) {
  const words = useWords(bannerWords)
  const locale = useLocale()
  const { letterTo, firstKey, dismissed } = useArrival()
  const here = useLocation({ select: ({ pathname }) => pathname })
  const [roomy] = useState(() => window.matchMedia?.('(min-width: 40.01rem)').matches ?? true)
  const resend = useMutation({ mutationFn: resendVerification })
  if (dismissed) return null
  const justNow = letterTo === email
  // On a phone it is one line until somebody opens it.
  const sent = justNow ? words.letterSent(email) : words.confirmTitle
  const said = justNow ? words.letterSentText : words.confirmText(email)
  return (
    <details className={styles['fold']} open={roomy}>
      <summary>
        <Icon name="letter" />
        <span>{roomy ? sent : words.confirmTitle}</span>
      </summary>
      {justNow && !roomy && <p>{sent}</p>}
      <p role="status">{resend.error ? describeProblem(resend.error, locale).summary : said}</p>
      <div className={styles['foldActs']}>
        <MailboxLink small />
        {firstKey && here.startsWith('/genai') && (
          <Link to="/account/keys" className={buttonClass({ small: true })}>
            {words.firstKey}
          </Link>
        )}
        {resend.isSuccess ? (
          <span>{words.resent}</span>
        ) : (
          <Button small disabled={resend.isPending} onClick={() => resend.mutate()}>
            {words.resend}
          </Button>
        )}
        <Button small look="plain" onClick={dismissForThisVisit}>
          {words.later}
        </Button>
      </div>
    </details>
  )
}

// A payment failed. What comes next, by when, and the one thing to do about it; the card is changed on the plan's own page.
function Unpaid({ plan: { status, storefront, expires_at } }: { plan: PlanView }) {
  const words = useWords(bannerWords)
  const locale = useLocale()
  const grace = status === 'grace'
  const shop = isShop(storefront) ? storefront : undefined
  return (
    <Notice
      tone={grace ? 'warn' : 'bad'}
      role="status"
      title={grace ? words.grace : words.onHold}
      actions={
        <Link
          to="/account/plan"
          search={{ storefront: shop }}
          className={buttonClass({ small: true, look: 'primary' })}
        >
          {words.updateCard}
        </Link>
      }
    >
      {!grace && <p>{words.onHoldText}</p>}
      {grace && expires_at && <p>{words.graceText(day(expires_at, locale))}</p>}
    </Notice>
  )
}

function isUnpaid(plan: PlanView | undefined): plan is PlanView {
  return plan?.status === 'grace' || plan?.status === 'on_hold'
}

function waitsForConfirmation(me: Me | null | undefined): string | null {
  const user = me?.user
  return user && !user.email_verified ? user.email : null
}

// What a person should know on every page. It reads what the page has already learned and asks for nothing by itself.
export function Banners() {
  const { data: me } = useQuery({ ...meQuery, enabled: false })
  const { data: plan } = useQuery({ ...planQuery, enabled: false })
  // The plan's own page says it itself, with the way to the card.
  const here = useLocation({ select: ({ pathname }) => pathname })
  const email = waitsForConfirmation(me)
  // One at a time: whoever is about to leave need not confirm an address.
  const said = me?.deletion_at ? (
    <Deletion at={me.deletion_at} />
  ) : isUnpaid(plan) && here !== '/account/plan' ? (
    <Unpaid plan={plan} />
  ) : email ? (
    <Unconfirmed email={email} />
  ) : null
  return said && <div className={styles['banners']}>{said}</div>
}

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { resendVerification, undoDeletion } from '../api/identity'
import { describeProblem } from '../api/problem'
import { meQuery } from '../api/queries'
import type { Me } from '../api/types'
import { day } from '../i18n/format'
import { useLocale } from '../i18n/locale'
import { bannerWords } from '../i18n/peopleWords'
import { useWords } from '../i18n/text'
import { Button, buttonClass } from '../ui/Button'
import { Notice } from '../ui/Notice'
import { dismissForThisVisit, useArrival } from './arrival'
import styles from './house.module.css'
import { MailboxLink } from './MailboxLink'
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
  const resend = useMutation({ mutationFn: resendVerification })
  if (dismissed) return null
  const justNow = letterTo === email
  return (
    <Notice
      tone="info"
      icon="letter"
      role="status"
      title={justNow ? words.letterSent(email) : words.confirmTitle}
      actions={
        <>
          <MailboxLink small />
          {firstKey && (
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
        </>
      }
    >
      <p>
        {resend.error
          ? describeProblem(resend.error, locale).summary
          : justNow
            ? words.letterSentText
            : words.confirmText(email)}
      </p>
    </Notice>
  )
}

function waitsForConfirmation(me: Me | null | undefined): string | null {
  const user = me?.user
  return user && !user.email_verified ? user.email : null
}

// What a person should know on every page. It reads what the page has already learned and asks for nothing by itself.
export function Banners() {
  const { data: me } = useQuery({ ...meQuery, enabled: false })
  const email = waitsForConfirmation(me)
  // One at a time: whoever is about to leave need not confirm an address.
  const said = me?.deletion_at ? <Deletion at={me.deletion_at} /> : email ? <Unconfirmed email={email} /> : null
  return said && <div className={styles['banners']}>{said}</div>
}

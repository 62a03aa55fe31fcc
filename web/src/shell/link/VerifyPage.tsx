import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { resendVerification, verifyEmail } from '../../api/identity'
import { hasCode } from '../../api/problem'
import { meQuery } from '../../api/queries'
import { linkWords } from '../../i18n/linkWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { CurtainWaiting } from '../../ui/Noren'
import { Summary } from '../form'
import { useHanded } from '../handed'
import { MailboxLink } from '../MailboxLink'
import { useOnce } from '../once'
import { EmptyLink, LinkPage } from './parts'

export default function VerifyPage() {
  const words = useWords(linkWords)
  const queryClient = useQueryClient()
  const { token } = useHanded('/link/verify')
  const me = useQuery(meQuery)
  const run = useOnce(token || null, async () => {
    const answer = await verifyEmail(token)
    await queryClient.invalidateQueries({ queryKey: meQuery.queryKey })
    return answer
  })
  const resend = useMutation({ mutationFn: resendVerification })
  if (token === '') return <EmptyLink />
  if (run.isSuccess) {
    return (
      <LinkPage title={words.verified}>
        <p role="status">{words.verifiedText(run.data.email)}</p>
        <Link to="/account" className={buttonClass({ look: 'primary' })}>
          {words.toAccount}
        </Link>
      </LinkPage>
    )
  }
  if (run.error && hasCode(run.error, 'link_expired')) {
    const user = me.data?.user
    return (
      <LinkPage title={user?.email_verified ? words.verified : words.expiredTitle}>
        <p>{user?.email_verified ? words.alreadyVerified : words.expiredText}</p>
        {user && !user.email_verified && (
          <>
            <Summary error={resend.error} />
            {resend.isSuccess ? (
              <p role="status">{words.sentAgain}</p>
            ) : (
              <Button look="primary" disabled={resend.isPending} onClick={() => resend.mutate()}>
                {words.sendAgain}
              </Button>
            )}
            {resend.isSuccess && <MailboxLink />}
          </>
        )}
        {!user && (
          <>
            <p>{words.signInToResend}</p>
            <Link to="/sign-in" search={{ next: '/account/profile' }} className={buttonClass({ look: 'primary' })}>
              {words.toAccount}
            </Link>
          </>
        )}
        {user?.email_verified && (
          <Link to="/account" className={buttonClass({ look: 'primary' })}>
            {words.toAccount}
          </Link>
        )}
      </LinkPage>
    )
  }
  return (
    <LinkPage title={words.verifyTitle}>
      <Summary error={run.error} />
      {run.error ? (
        <Button look="primary" onClick={run.again}>
          {words.verifyTitle}
        </Button>
      ) : (
        <CurtainWaiting words={words.verifyWait} />
      )}
    </LinkPage>
  )
}

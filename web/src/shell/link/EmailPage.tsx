import { useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { verifyEmail } from '../../api/identity'
import { hasCode } from '../../api/problem'
import { meQuery } from '../../api/queries'
import { linkWords } from '../../i18n/linkWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { CurtainWaiting } from '../../ui/Noren'
import { Summary } from '../form'
import { useHanded } from '../handed'
import { useOnce } from '../once'
import { EmptyLink, LinkPage } from './parts'

export default function EmailPage() {
  const words = useWords(linkWords)
  const queryClient = useQueryClient()
  const { token } = useHanded('/link/email')
  const run = useOnce(token || null, async () => {
    const answer = await verifyEmail(token)
    await queryClient.invalidateQueries({ queryKey: meQuery.queryKey })
    return answer
  })
  if (token === '') return <EmptyLink />
  if (run.isSuccess) {
    return (
      <LinkPage title={words.changed}>
        <p role="status">{words.changedText(run.data.email)}</p>
        <Link to="/account" className={buttonClass({ look: 'primary' })}>
          {words.toAccount}
        </Link>
      </LinkPage>
    )
  }
  const expired = run.error !== null && hasCode(run.error, 'link_expired')
  return (
    <LinkPage title={expired ? words.expiredTitle : words.changeTitle}>
      {expired && (
        <>
          <p>{words.expiredText}</p>
          <Link to="/account/profile" className={buttonClass({ look: 'primary' })}>
            {words.changeAgain}
          </Link>
        </>
      )}
      {!expired && <Summary error={run.error} />}
      {!expired && run.error && (
        <Button look="primary" onClick={run.again}>
          {words.changeTitle}
        </Button>
      )}
      {!run.error && <CurtainWaiting words={words.verifyWait} />}
    </LinkPage>
  )
}

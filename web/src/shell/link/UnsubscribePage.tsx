import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { unsubscribe } from '../../api/identity'
import { linkWords } from '../../i18n/linkWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Summary } from '../form'
import { useHanded } from '../handed'
import { EmptyLink, LinkPage } from './parts'

export default function UnsubscribePage() {
  const words = useWords(linkWords)
  const { token } = useHanded('/unsubscribe')
  const run = useMutation({ mutationFn: () => unsubscribe(token) })
  if (token === '') return <EmptyLink />
  if (run.isSuccess) {
    return (
      <LinkPage title={words.unsubscribed}>
        <p role="status">{words.unsubscribedText}</p>
        <Link to="/" className={buttonClass()}>
          {words.home}
        </Link>
      </LinkPage>
    )
  }
  return (
    <LinkPage title={words.unsubscribeTitle}>
      <p>{words.unsubscribeText}</p>
      <Summary error={run.error} />
      <Button look="primary" disabled={run.isPending} onClick={() => run.mutate()}>
        {words.unsubscribe}
      </Button>
    </LinkPage>
  )
}

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { acceptInvitation, refreshInvitation, viewInvitation } from '../../api/identity'
import { hasCode } from '../../api/problem'
import { becomeSomeone, meQuery } from '../../api/queries'
import { authWords } from '../../i18n/authWords'
import { linkWords } from '../../i18n/linkWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { Failed } from '../account/parts'
import { Summary } from '../form'
import form from '../form.module.css'
import { useHanded } from '../handed'
import { MailboxLink } from '../MailboxLink'
import { useNameOf } from '../people'
import { EmptyLink, LinkPage } from './parts'

const here = { next: '/link/invite' }

export default function InvitePage() {
  const words = useWords(linkWords)
  const auth = useWords(authWords)
  const called = useNameOf()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const { token } = useHanded('/link/invite')
  const me = useQuery(meQuery)
  const view = useQuery({
    queryKey: ['house', 'invitation', token],
    queryFn: () => viewInvitation(token),
    enabled: token !== '',
    retry: false,
  })
  const accept = useMutation({
    mutationFn: () => acceptInvitation(token),
    onSuccess: (mine) => {
      becomeSomeone(queryClient, mine)
      void navigate({ to: mine.tenant.kind === 'family' ? '/account/family' : '/account/members' })
    },
  })
  const refresh = useMutation({ mutationFn: () => refreshInvitation(token) })
  if (token === '') return <EmptyLink />
  if (
    hasCode(view.error, 'link_expired') ||
    hasCode(view.error, 'not_found') ||
    hasCode(view.error, 'invitation_not_found')
  ) {
    return <EmptyLink title={words.inviteGone} text={words.inviteGoneText} />
  }
  const user = me.data?.user ?? null
  const stale = view.data?.stale || hasCode(accept.error, 'link_expired')
  const other = hasCode(accept.error, 'other_address')
  return (
    <LinkPage title={words.inviteTitle}>
      {view.isPending && <Skeleton height="10rem" />}
      {view.error && <Failed error={view.error} retry={() => view.refetch()} />}
      {view.data && (
        <>
          <p>
            <b>{words.inviteTo(view.data.tenant.name, called(view.data.role))}</b>
          </p>
          <p>{words.inviteFor(view.data.email)}</p>
          {stale && (
            <>
              <p>{words.inviteStale}</p>
              <Summary error={refresh.error} />
              {refresh.isSuccess ? (
                <>
                  <p role="status">{words.sentAgain}</p>
                  <MailboxLink />
                </>
              ) : (
                <Button look="primary" disabled={refresh.isPending} onClick={() => refresh.mutate()}>
                  {words.sendAgain}
                </Button>
              )}
            </>
          )}
          {!stale && user && !other && (
            <>
              <p>{words.inviteAs(user.email ?? user.display_name)}</p>
              <Summary error={accept.error} />
              <Button look="primary" disabled={accept.isPending} onClick={() => accept.mutate()}>
                {words.accept}
              </Button>
            </>
          )}
          {other && (
            <Notice tone="warn" role="alert" title={words.otherAddressTitle}>
              <p>{words.otherAddressText(view.data.email)}</p>
            </Notice>
          )}
          {!stale && (!user || other) && (
            <>
              {!user && <p>{words.signInFirst}</p>}
              <div className={form['row']}>
                <Link to="/sign-in" search={here} className={buttonClass({ look: 'primary' })}>
                  {other ? words.signInAsOther : auth.signIn}
                </Link>
                <Link to="/sign-up" search={here} className={buttonClass()}>
                  {auth.signUp}
                </Link>
              </div>
            </>
          )}
        </>
      )}
    </LinkPage>
  )
}

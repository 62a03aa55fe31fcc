import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { getShared, type SharedTalk } from '../../api/misaki'
import { hasCode } from '../../api/problem'
import { dateOf } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Failed } from '../../shell/account/parts'
import house from '../../shell/house.module.css'
import { usePageTitle, useRoom } from '../../shell/page'
import { buttonClass } from '../../ui/Button'
import { Noren } from '../../ui/Noren'
import { Skeleton } from '../../ui/Skeleton'
import { Persona, Prose, UserBubble } from './MessageView'
import message from './message.module.css'
import styles from './talk.module.css'

const route = getRouteApi('/house/misaki/s/$token')

function Talk({ talk }: { talk: SharedTalk }) {
  const words = useWords(roomWords)
  const misaki = useWords(misakiWords)
  const locale = useLocale()
  return (
    <div className={styles['shared']}>
      <header>
        <h1>{talk.title ?? words.sharedTitle}</h1>
        <p className={styles['soft']}>
          {words.sharedAt(dateOf(talk.shared_at, locale))} · {words.sharedNote}
        </p>
      </header>
      {talk.messages.map(({ role, text }, at) =>
        role === 'user' ? (
          // A shared talk never changes, so the place is the identity.
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          <UserBubble key={at} text={text} />
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          <article key={at} className={message['assistant']} aria-label={misaki.persona}>
            <Persona />
            <div className={message['body']}>
              <Prose text={text} partial={false} />
            </div>
          </article>
        ),
      )}
      <div>
        <Link to="/misaki" className={buttonClass({ look: 'primary' })}>
          {words.sharedVisit}
        </Link>
      </div>
    </div>
  )
}

// A talk that somebody shows to others: for reading only.
export default function SharedPage() {
  const words = useWords(roomWords)
  const shell = useWords(shellWords)
  const { token } = route.useParams()
  const talk = useQuery({ queryKey: ['misaki', 'shared', token], queryFn: () => getShared(token), retry: false })
  const signIn = hasCode(talk.error, 'share_needs_sign_in')
  const gone = hasCode(talk.error, 'share_not_found') || hasCode(talk.error, 'not_found')
  useRoom('misaki')
  usePageTitle(talk.data ? (talk.data.title ?? words.sharedTitle) : words.sharedTitle)
  if (talk.data) return <Talk talk={talk.data} />
  if (signIn || gone) {
    return (
      <div className={house['centre']}>
        <Noren characters="みさき" cloth="misaki" />
        <h1>{signIn ? words.sharedSignIn : words.sharedGone}</h1>
        <p>{signIn ? words.sharedSignInText : words.sharedGoneText}</p>
        {signIn ? (
          <Link to="/sign-in" search={{ next: `/misaki/s/${token}` }} className={buttonClass({ look: 'primary' })}>
            {shell.signIn}
          </Link>
        ) : (
          <Link to="/misaki" className={buttonClass({ look: 'primary' })}>
            {words.sharedVisit}
          </Link>
        )}
      </div>
    )
  }
  if (talk.error) return <Failed error={talk.error} retry={() => talk.refetch()} />
  return <Skeleton height="20rem" />
}

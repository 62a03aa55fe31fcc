import { Link } from '@tanstack/react-router'
import type { Me } from '../../api/types'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { LanguageButton } from '../../shell/Switches'
import { buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import mark from '../../ui/noren.svg'
import styles from './room.module.css'

// The way to everything that is not talk, at the foot of the list.
export function Ways({ me, onChosen }: { me: Me | undefined; onChosen?: () => void }) {
  const shell = useWords(shellWords)
  const words = useWords(misakiWords)
  const room = useWords(roomWords)
  const look = buttonClass({ look: 'plain', small: true })
  const chosen = onChosen ? { onClick: onChosen } : {}
  return (
    <footer className={styles['ways']}>
      <Link to="/misaki/memory" className={look} {...chosen}>
        <Icon name="book" />
        {room.memory}
      </Link>
      <Link to="/misaki/moving" className={look} {...chosen}>
        <Icon name="letter" />
        {room.moving}
      </Link>
      <Link to="/" className={look}>
        <img src={mark} alt="" width={22} height={22} />
        {shell.house}
      </Link>
      <LanguageButton />
      <Link to="/plans/$storefront" params={{ storefront: 'misaki' }} className={look}>
        {words.plans}
      </Link>
      <Link to="/account" className={look}>
        <Icon name="person" />
        <span className={styles['who']}>{me?.user?.display_name || shell.account}</span>
      </Link>
      {me && !me.user && (
        <Link to="/sign-in" search={{ next: '/misaki' }} className={buttonClass({ small: true })}>
          {shell.signIn}
        </Link>
      )}
      <p className={styles['law']}>
        <Link to="/legal/tokushoho">{room.legal}</Link>
        <Link to="/legal/terms">{room.terms}</Link>
        <Link to="/legal/privacy">{room.privacy}</Link>
      </p>
    </footer>
  )
}

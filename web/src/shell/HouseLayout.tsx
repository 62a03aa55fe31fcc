import { useQuery } from '@tanstack/react-query'
import { Link, Outlet } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { meQuery } from '../api/queries'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { buttonClass } from '../ui/Button'
import { cx } from '../ui/css'
import { Icon } from '../ui/Icon'
import mark from '../ui/noren.svg'
import styles from './house.module.css'
import { LanguageButton, SchemeButton } from './Switches'

function AccountLinks() {
  const words = useWords(shellWords)
  const { data: me, isPending } = useQuery(meQuery)
  if (isPending) return null
  return (
    <>
      {me && (
        <Link
          to="/account"
          className={cx(buttonClass({ look: 'plain', small: true, icon: !me.user }))}
          aria-label={me.user ? undefined : words.account}
          title={words.account}
        >
          <Icon name="person" />
          {me.user && <span className={styles['who']}>{me.user.display_name || words.account}</span>}
        </Link>
      )}
      {!me?.user && (
        <Link to="/sign-in" className={buttonClass({ small: true })}>
          {words.signIn}
        </Link>
      )}
    </>
  )
}

export function Frame({ children }: { children: ReactNode }) {
  const words = useWords(shellWords)
  return (
    <div className={styles['frame']}>
      <header className={styles['header']}>
        <Link to="/" className={styles['brand']}>
          <img src={mark} alt="" width={28} height={28} />
          {words.house}
        </Link>
        <nav className={styles['nav']} aria-label={words.navigation}>
          <LanguageButton />
          <SchemeButton />
          <AccountLinks />
        </nav>
      </header>
      <main id="main" tabIndex={-1} className={styles['main']}>
        {children}
      </main>
    </div>
  )
}

export function HouseLayout() {
  return (
    <Frame>
      <Outlet />
    </Frame>
  )
}

import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { houseQuery, meQuery } from '../api/queries'
import { childWords } from '../i18n/authWords'
import { legalWords } from '../i18n/legalWords'
import { mailboxWords } from '../i18n/linkWords'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button, buttonClass } from '../ui/Button'
import { cx } from '../ui/css'
import { Icon } from '../ui/Icon'
import mark from '../ui/noren.svg'
import { Banners } from './Banners'
import styles from './house.module.css'
import { useSignOut } from './leave'
import { LanguageButton, SchemeButton } from './Switches'
import { TenantMenu } from './TenantMenu'

function AccountLinks() {
  const words = useWords(shellWords)
  const { data: me, isPending } = useQuery(meQuery)
  if (isPending) return null
  return (
    <>
      {me && me.tenants.length > 1 && <TenantMenu me={me} />}
      {me && me.tenants.length <= 1 && (
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

// A child's header: a name and the way out, both large, and nothing that costs or can be set.
function ChildLinks({ name }: { name: string }) {
  const words = useWords(childWords)
  const leave = useSignOut()
  return (
    <>
      <Link to="/account" className={styles['childName']}>
        <Icon name="person" size={28} />
        <span className={styles['who']}>{name}</span>
      </Link>
      <Button className={styles['childLeave']} disabled={leave.isPending} onClick={() => leave.mutate()}>
        {words.leave}
      </Button>
    </>
  )
}

function Foot() {
  const words = useWords(mailboxWords)
  const legal = useWords(legalWords)
  const { data } = useQuery(houseQuery)
  return (
    <footer className={styles['foot']}>
      {data?.demo && (
        <>
          <span>{words.foot}</span>
          <Link to="/sandbox/mailbox">{words.open}</Link>
        </>
      )}
      <Link to="/legal/terms">{legal.termsTitle}</Link>
      <Link to="/legal/privacy">{legal.privacyTitle}</Link>
      <Link to="/legal/tokushoho">{legal.tokushohoTitle}</Link>
    </footer>
  )
}

export function Frame({ children }: { children: ReactNode }) {
  const words = useWords(shellWords)
  const { data: me } = useQuery(meQuery)
  const child = me?.tenant.role === 'child'
  return (
    <div className={styles['frame']}>
      <header className={styles['header']}>
        <Link to="/" className={styles['brand']} aria-label={words.house}>
          <img src={mark} alt="" width={28} height={28} />
          <span className={cx(child && styles['childHouse'])}>{words.house}</span>
        </Link>
        <nav className={styles['nav']} aria-label={words.navigation}>
          {child ? (
            <ChildLinks name={me.user?.display_name ?? ''} />
          ) : (
            <>
              <LanguageButton />
              <SchemeButton />
              <AccountLinks />
            </>
          )}
        </nav>
      </header>
      {!child && <Banners />}
      <main id="main" tabIndex={-1} className={styles['main']}>
        {children}
      </main>
      {!child && <Foot />}
    </div>
  )
}

import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { type MouseEvent, useRef } from 'react'
import { meQuery } from '../../api/queries'
import { adminWords } from '../../i18n/adminWords'
import { formWords } from '../../i18n/formWords'
import { areaWords } from '../../i18n/keyWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { Skeleton } from '../../ui/Skeleton'
import area from '../account/area.module.css'
import { Failed } from '../account/parts'
import house from '../house.module.css'
import { usePageTitle } from '../page'
import styles from './admin.module.css'
import { desks, mayOperate } from './desks'

function Stranger({ here }: { here: string }) {
  const words = useWords(adminWords)
  const shell = useWords(shellWords)
  usePageTitle(words.title)
  return (
    <div className={house['centre']}>
      <Noren characters="帳場" />
      <h1>{words.signIn}</h1>
      <p>{words.signInText}</p>
      <Link to="/sign-in" search={{ next: here }} className={buttonClass({ look: 'primary' })}>
        {shell.signIn}
      </Link>
    </div>
  )
}

function NotForYou() {
  const words = useWords(areaWords)
  const admin = useWords(adminWords)
  usePageTitle(words.notForYou)
  return (
    <div className={house['centre']}>
      <Noren characters="帳場" />
      <h1>{words.notForYou}</h1>
      <p>{admin.signInText}</p>
      <Link to="/account" className={buttonClass({ look: 'primary' })}>
        {words.overview}
      </Link>
    </div>
  )
}

function Links() {
  const words = useWords(adminWords)
  return (
    <ul className={styles['nav']}>
      {desks.map(({ id, to, icon }) => (
        <li key={id}>
          <Link to={to} activeOptions={{ exact: id === 'overview', includeSearch: false }} className={area['tab']}>
            <Icon name={icon} size={16} />
            {words[id]}
          </Link>
        </li>
      ))}
    </ul>
  )
}

// On a phone the list of pages lies behind a button.
function Bar({ path }: { path: string }) {
  const words = useWords(adminWords)
  const form = useWords(formWords)
  const box = useRef<HTMLDialogElement>(null)
  const here = desks.findLast(({ to }) => path === to || path.startsWith(`${to}/`)) ?? desks[0]
  const close = () => box.current?.close()
  const chosen = (event: MouseEvent) => {
    if (event.target instanceof Element && event.target.closest('a')) close()
  }
  return (
    <div className={styles['bar']}>
      <Button look="plain" icon aria-label={words.menu} onClick={() => box.current?.showModal()}>
        <Icon name="menu" />
      </Button>
      <span>
        {words.title} · {words[here.id]}
      </span>
      <dialog ref={box} className={styles['drawer']} aria-label={words.navigation}>
        {/* biome-ignore lint/a11y/noStaticElementInteractions: a link that is followed, by mouse or key, closes the list */}
        {/* biome-ignore lint/a11y/useKeyWithClickEvents: a key on a link is a click as well */}
        <div className={styles['drawerBody']} onClick={chosen}>
          <div className={styles['drawerHead']}>
            <span className={styles['name']}>{words.title}</span>
            <Button look="plain" icon aria-label={form.close} onClick={close}>
              <Icon name="close" />
            </Button>
          </div>
          <nav aria-label={words.navigation}>
            <Links />
          </nav>
        </div>
        {/* Everything beside the drawer closes it; the keyboard has Escape and the button. */}
        <button type="button" className={styles['outside']} tabIndex={-1} aria-hidden="true" onClick={close} />
      </dialog>
    </div>
  )
}

export function Console() {
  const words = useWords(adminWords)
  const me = useQuery(meQuery)
  const { pathname, href } = useLocation()
  if (me.isPending) return <Skeleton height="20rem" />
  if (me.data === undefined) return <Failed error={me.error} retry={() => me.refetch()} />
  if (!me.data?.user) return <Stranger here={href} />
  if (!mayOperate(me.data)) return <NotForYou />
  return (
    <div className={styles['console']}>
      <nav className={styles['side']} aria-label={words.navigation}>
        <p className={styles['name']}>{words.title}</p>
        <Links />
      </nav>
      <Bar path={pathname.replace(/\/$/, '')} />
      <div className={styles['content']}>
        <Outlet />
      </div>
    </div>
  )
}

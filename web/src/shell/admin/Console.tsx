import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { meQuery } from '../../api/queries'
import { adminWords } from '../../i18n/adminWords'
import { formWords } from '../../i18n/formWords'
import { areaWords } from '../../i18n/keyWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { SideNav } from '../../ui/SideNav'
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

export function Console() {
  const words = useWords(adminWords)
  const form = useWords(formWords)
  const me = useQuery(meQuery)
  const { pathname, href } = useLocation()
  if (me.isPending) return <Skeleton height="20rem" />
  if (me.data === undefined) return <Failed error={me.error} retry={() => me.refetch()} />
  if (!me.data?.user) return <Stranger here={href} />
  if (!mayOperate(me.data)) return <NotForYou />
  const path = pathname.replace(/\/$/, '')
  const here = desks.findLast(({ to }) => path === to || path.startsWith(`${to}/`)) ?? desks[0]
  return (
    <SideNav
      label={words.navigation}
      name={<p className={styles['name']}>{words.title}</p>}
      links={<Links />}
      here={`${words.title} · ${words[here.id]}`}
      open={words.menu}
      close={form.close}
    >
      <Outlet />
    </SideNav>
  )
}

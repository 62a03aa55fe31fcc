import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { meQuery } from '../../api/queries'
import type { Me } from '../../api/types'
import { accountWords } from '../../i18n/accountWords'
import { childWords } from '../../i18n/authWords'
import { areaWords } from '../../i18n/keyWords'
import { tenantWords } from '../../i18n/peopleWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { Skeleton } from '../../ui/Skeleton'
import house from '../house.module.css'
import { usePageTitle } from '../page'
import styles from './account.module.css'
import area from './area.module.css'
import { Display } from './Display'
import { Failed } from './parts'
import { can, mayOpen, sections } from './sections'

function Nobody() {
  const words = useWords(accountWords)
  const shell = useWords(shellWords)
  usePageTitle(words.title)
  return (
    <div className={house['centre']}>
      <Noren characters="帳場" />
      <h1>{words.nobody}</h1>
      <p>{words.nobodyText}</p>
      <div className={styles['row']}>
        <Link to="/sign-in" search={{ next: '/account' }} className={buttonClass({ look: 'primary' })}>
          {shell.signIn}
        </Link>
        <Link to="/misaki" className={buttonClass()}>
          {words.visitMisaki}
        </Link>
      </div>
      <Display />
    </div>
  )
}

function ChildHere({ name }: { name: string }) {
  const words = useWords(childWords)
  usePageTitle(words.title)
  return (
    <div className={`${house['centre']} ${area['child']}`}>
      <Noren characters="こんにちは" cloth="narai" />
      <h1>{words.hello(name)}</h1>
      <p>{words.inside}</p>
    </div>
  )
}

function NotForYou() {
  const words = useWords(areaWords)
  usePageTitle(words.notForYou)
  return (
    <div className={house['centre']}>
      <Noren characters="帳場" />
      <h1>{words.notForYou}</h1>
      <p>{words.notForYouText}</p>
      <Link to="/account" className={buttonClass({ look: 'primary' })}>
        {words.overview}
      </Link>
    </div>
  )
}

function AreaNav({ me, path }: { me: Me; path: string }) {
  const words = useWords(areaWords)
  const tenants = useWords(tenantWords)
  const box = useRef<HTMLElement>(null)
  const open = sections.filter(({ id }) => mayOpen(me, id))
  // On a phone the row scrolls; the tab of this page should be in sight.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page has another tab
  useEffect(() => {
    const here = box.current?.querySelector<HTMLElement>('[aria-current="page"]')
    if (here && box.current)
      box.current.scrollLeft = here.offsetLeft - box.current.clientWidth / 2 + here.offsetWidth / 2
  }, [path])
  return (
    <nav ref={box} className={area['nav']} aria-label={words.navigation}>
      <ul>
        {open.map(({ id, to, icon }) => (
          <li key={id}>
            <Link to={to} activeOptions={{ exact: true, includeSearch: false }} className={area['tab']}>
              <Icon name={icon} size={16} />
              {words[id]}
            </Link>
          </li>
        ))}
        {can(me, 'house.operate') && (
          <li>
            <Link to="/admin" className={area['tab']}>
              <Icon name="menu" size={16} />
              {words.operations}
            </Link>
          </li>
        )}
        {me.user && (
          <li>
            <Link to="/account/new" className={area['tab']}>
              <Icon name="plus" size={16} />
              {tenants.create}
            </Link>
          </li>
        )}
      </ul>
    </nav>
  )
}

export default function AreaPage() {
  const me = useQuery(meQuery)
  const path = useLocation({ select: ({ pathname }) => pathname.replace(/\/$/, '') })
  if (me.data === null) return <Nobody />
  if (me.isPending) return <Skeleton height="20rem" />
  if (me.error || !me.data) return <Failed error={me.error} retry={() => me.refetch()} />
  if (me.data.tenant.role === 'child') return <ChildHere name={me.data.user?.display_name ?? ''} />
  if (me.data.user === null && path === '/account') return <Outlet />
  // A page below a section, such as one receipt, opens to whom the section does.
  const section = sections.find(({ to }) => to === path || (to !== '/account' && path.startsWith(`${to}/`)))
  const shut = section ? !mayOpen(me.data, section.id) : me.data.user === null
  return (
    <div className={area['area']}>
      <AreaNav me={me.data} path={path} />
      {/* Acting for someone else begins every page anew. */}
      <div key={me.data.tenant.id} className={area['content']}>
        {shut ? <NotForYou /> : <Outlet />}
      </div>
    </div>
  )
}

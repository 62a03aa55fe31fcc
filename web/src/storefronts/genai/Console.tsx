import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { houseQuery, meQuery } from '../../api/queries'
import type { Me } from '../../api/types'
import { childWords } from '../../i18n/authWords'
import { formWords } from '../../i18n/formWords'
import { genaiWords } from '../../i18n/genaiWords'
import { areaWords } from '../../i18n/keyWords'
import { shellWords, welcomeWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Failed } from '../../shell/account/parts'
import { mayOpen } from '../../shell/account/sections'
import { DemoLogins } from '../../shell/DemoLogins'
import house from '../../shell/house.module.css'
import { usePageTitle, useRoom } from '../../shell/page'
import { buttonClass } from '../../ui/Button'
import { Icon, type IconName } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { SideNav } from '../../ui/SideNav'
import { Skeleton } from '../../ui/Skeleton'
import styles from './genai.module.css'

const build = [
  { id: 'quickstart', to: '/genai/quickstart', icon: 'right' },
  { id: 'playground', to: '/genai/playground', icon: 'send' },
  { id: 'docs', to: '/genai/docs', icon: 'copy' },
] as const
const observe = [
  { id: 'requests', to: '/genai/requests', icon: 'menu' },
  { id: 'batches', to: '/genai/batches', icon: 'book' },
  { id: 'statistics', to: '/genai/statistics', icon: 'chart' },
  { id: 'catalog', to: '/genai/catalog', icon: 'auto' },
  { id: 'status', to: '/genai/status', icon: 'check' },
] as const
// What is settled for this work, and pages of the account that belong to it as well.
const retention = { id: 'retention', to: '/genai/settings/retention', icon: 'book' } as const
const manage = [
  { id: 'keys', to: '/account/keys', icon: 'key' },
  { id: 'hooks', to: '/account/hooks', icon: 'letter' },
  { id: 'plan', to: '/account/plan', icon: 'clock' },
  { id: 'receipts', to: '/account/receipts', icon: 'copy' },
  { id: 'members', to: '/account/members', icon: 'person' },
  { id: 'audit', to: '/account/audit', icon: 'warn' },
] as const

interface Item {
  id: string
  to: string
  icon: IconName
  text: string
  search?: object
}

function Group({ title, items }: { title: string; items: readonly Item[] }) {
  if (items.length === 0) return null
  return (
    <>
      <p className={styles['group']}>{title}</p>
      <ul className={styles['links']}>
        {items.map(({ id, to, icon, text, search = {} }) => (
          <li key={id}>
            <Link to={to} search={search} activeOptions={{ includeSearch: false }} className={styles['link']}>
              <Icon name={icon} size={16} />
              {text}
            </Link>
          </li>
        ))}
      </ul>
    </>
  )
}

function Links({ me }: { me: Me | null | undefined }) {
  const words = useWords(genaiWords)
  const items = (list: readonly { id: keyof typeof words; to: string; icon: IconName }[]) =>
    list.map((item) => ({ ...item, text: String(words[item.id]) }))
  const grown = me?.user && me.tenant.role !== 'child'
  const mine = grown ? [retention, ...manage.filter(({ id }) => mayOpen(me, id))] : []
  return (
    <>
      <Group title={words.build} items={items(build)} />
      <Group title={words.observe} items={items(observe)} />
      <Group
        title={words.manage}
        items={items(mine).map((item) => (item.id === 'plan' ? { ...item, search: { storefront: 'genai' } } : item))}
      />
    </>
  )
}

function Stranger({ here }: { here: string }) {
  const words = useWords(genaiWords)
  const shell = useWords(shellWords)
  const { data } = useQuery(houseQuery)
  usePageTitle(words.signIn)
  return (
    <div className={house['centre']}>
      <Noren characters="鍵" cloth="genai" />
      <h1>{words.signIn}</h1>
      <p>{words.signInText}</p>
      <div className={styles['row']}>
        <Link to="/sign-up" search={{ next: here }} className={buttonClass({ look: 'primary' })}>
          {shell.signUp}
        </Link>
        <Link to="/sign-in" search={{ next: here }} className={buttonClass()}>
          {shell.signIn}
        </Link>
      </div>
      {data?.demo && <DemoLogins logins={data.demo_logins.filter(({ as }) => as !== 'guest')} next={here} />}
    </div>
  )
}

function ForGrownUps() {
  const area = useWords(areaWords)
  const child = useWords(childWords)
  usePageTitle(area.notForYou)
  return (
    <div className={house['centre']}>
      <h1>{area.notForYou}</h1>
      <p>{child.inside}</p>
    </div>
  )
}

// Pages that show what belongs to somebody; who is nobody yet is told how to become somebody, and comes back here.
export function Gate({ children }: { children: (me: Me) => ReactNode }) {
  const me = useQuery(meQuery)
  const { href } = useLocation()
  if (me.isPending) return <Skeleton height="20rem" />
  if (me.data === undefined) return <Failed error={me.error} retry={() => me.refetch()} />
  if (!me.data?.user) return <Stranger here={href} />
  if (me.data.tenant.role === 'child') return <ForGrownUps />
  // Acting for someone else begins every page anew.
  return <div key={me.data.tenant.id}>{children(me.data)}</div>
}

export function Console() {
  const words = useWords(genaiWords)
  const form = useWords(formWords)
  const welcome = useWords(welcomeWords)
  const { data: me } = useQuery(meQuery)
  const { pathname } = useLocation()
  useRoom('genai')
  const path = pathname.replace(/\/$/, '')
  const here = [...build, ...observe, retention].find(({ to }) => path === to || path.startsWith(`${to}/`))
  return (
    <SideNav
      label={words.navigation}
      name={
        <Link to="/genai" activeOptions={{ exact: true }} className={styles['name']}>
          {welcome.genai}
        </Link>
      }
      links={<Links me={me} />}
      here={here ? words[here.id] : welcome.genai}
      open={words.menu}
      close={form.close}
    >
      <Outlet />
    </SideNav>
  )
}

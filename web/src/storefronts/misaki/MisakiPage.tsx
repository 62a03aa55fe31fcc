import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useRouter, useRouterState } from '@tanstack/react-router'
import { useCallback, useEffect, useRef } from 'react'
import { chatQuery, chatsQuery, guestDoorQuery } from '../../api/queries'
import type { Me } from '../../api/types'
import { childWords } from '../../i18n/authWords'
import { misakiWords } from '../../i18n/misakiWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Banners } from '../../shell/Banners'
import { Frame } from '../../shell/Frame'
import house from '../../shell/house.module.css'
import { usePageTitle, useRoom } from '../../shell/page'
import { LanguageButton } from '../../shell/Switches'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import mark from '../../ui/noren.svg'
import { ChatList, UndoBar } from './ChatList'
import { ChatPane } from './ChatPane'
import { PassingPane } from './PassingPane'
import { RoomContext, roomOf } from './room'
import styles from './room.module.css'

function Ways({ me }: { me: Me | undefined }) {
  const shell = useWords(shellWords)
  const words = useWords(misakiWords)
  return (
    <footer className={styles['ways']}>
      <Link to="/" className={buttonClass({ look: 'plain', small: true })}>
        <img src={mark} alt="" width={22} height={22} />
        {shell.house}
      </Link>
      <LanguageButton />
      <Link
        to="/plans/$storefront"
        params={{ storefront: 'misaki' }}
        className={buttonClass({ look: 'plain', small: true })}
      >
        {words.plans}
      </Link>
      <Link to="/account" className={buttonClass({ look: 'plain', small: true })}>
        <Icon name="person" />
        <span className={styles['who']}>{me?.user?.display_name || shell.account}</span>
      </Link>
      {me && !me.user && (
        <Link to="/sign-in" search={{ next: '/misaki' }} className={buttonClass({ small: true })}>
          {shell.signIn}
        </Link>
      )}
    </footer>
  )
}

// A bar serves no children, and says so in their words.
function ForGrownUps() {
  const words = useWords(childWords)
  return (
    <Frame>
      <div className={house['centre']}>
        <Noren characters="みさき" cloth="misaki" />
        <h1>{words.notHere}</h1>
        <Link to="/" className={buttonClass({ look: 'primary' })}>
          {words.back}
        </Link>
      </div>
    </Frame>
  )
}

export default function MisakiPage() {
  const words = useWords(misakiWords)
  const client = useQueryClient()
  const navigate = useNavigate()
  const router = useRouter()
  const { chatId: param } = useParams({ strict: false })
  const chatId = param ?? null
  const passing = useRouterState({ select: (state) => /^\/misaki\/passing\/?$/.test(state.location.pathname) })
  const room = roomOf(client)
  const door = useQuery(guestDoorQuery(client))
  const { data: chat } = useQuery({ ...chatQuery(chatId ?? ''), enabled: false })
  // The list hears of a new conversation's title before the conversation itself is read again.
  const chats = useInfiniteQuery({ ...chatsQuery, enabled: false })
  const listed = chats.data?.pages.flatMap((page) => page.items).find((item) => item.id === chatId)
  const title = chatId === null ? null : (chat?.title ?? listed?.title ?? null)
  const drawer = useRef<HTMLDialogElement>(null)
  useRoom('misaki')
  usePageTitle(title === null ? words.name : `${title} | ${words.name}`)

  const tenant = door.data?.tenant.id
  useEffect(() => {
    if (tenant) room.belongTo(tenant)
  }, [room, tenant])

  const here = useRef(chatId)
  here.current = chatId
  const onChatOpened = useCallback(
    (id: string) => {
      // Someone who has already gone on to another conversation is not called back.
      if (here.current === null && router.state.location.pathname.replace(/\/$/, '') === '/misaki') {
        void navigate({ to: '/misaki/chat/$chatId', params: { chatId: id }, replace: true })
      }
    },
    [navigate, router],
  )
  const closeDrawer = () => drawer.current?.close()
  const onDeleted = (id: string) => {
    if (id === chatId) void navigate({ to: '/misaki' })
  }
  const list = { current: chatId, enabled: door.isSuccess, onDeleted }

  if (door.data?.tenant.role === 'child') return <ForGrownUps />

  return (
    <RoomContext.Provider value={room}>
      <div className={styles['room']}>
        <aside className={styles['side']}>
          <Link to="/misaki" className={buttonClass({ wide: true })}>
            <Icon name="plus" />
            {words.newChat}
          </Link>
          <ChatList {...list} />
          <UndoBar />
          <Ways me={door.data} />
        </aside>
        <dialog ref={drawer} className={styles['drawer']} aria-label={words.conversations}>
          <div className={styles['drawerBody']}>
            <div className={styles['drawerHead']}>
              <Link to="/misaki" className={buttonClass({ wide: true })} onClick={closeDrawer}>
                <Icon name="plus" />
                {words.newChat}
              </Link>
              <Button look="plain" icon aria-label={words.closeList} onClick={closeDrawer}>
                <Icon name="close" />
              </Button>
            </div>
            <ChatList {...list} onChosen={closeDrawer} />
            <UndoBar />
            <Ways me={door.data} />
          </div>
          {/* Everything beside the drawer closes it; the keyboard has Escape and the button. */}
          <button type="button" className={styles['outside']} tabIndex={-1} aria-hidden="true" onClick={closeDrawer} />
        </dialog>
        <main id="main" tabIndex={-1} className={styles['pane']}>
          <header className={styles['bar']}>
            <Button
              look="plain"
              icon
              className={styles['onlyNarrow']}
              aria-label={words.openList}
              onClick={() => drawer.current?.showModal()}
            >
              <Icon name="menu" />
            </Button>
            <h1>{words.name}</h1>
            {title !== null && <p className={styles['topic']}>{title}</p>}
            {passing && <p className={styles['topic']}>{words.passing}</p>}
            {!passing && (
              <Link
                to="/misaki/passing"
                className={`${buttonClass({ look: 'plain', icon: true })} ${styles['toPassing']}`}
                aria-label={words.passing}
                title={words.passing}
              >
                <Icon name="mask" />
              </Link>
            )}
            <Link
              to="/misaki"
              className={`${buttonClass({ look: 'plain', icon: true })} ${styles['onlyNarrow']}`}
              aria-label={words.newChat}
              title={words.newChat}
            >
              <Icon name="plus" />
            </Link>
          </header>
          <Banners />
          {passing && <PassingPane ready={door.isSuccess} />}
          {!passing && (
            <ChatPane
              chatId={chatId}
              door={{ ready: door.isSuccess, error: door.error, retry: () => void door.refetch() }}
              onChatOpened={onChatOpened}
              notices={
                <div className={styles['onlyNarrow']}>
                  <UndoBar />
                </div>
              }
            />
          )}
        </main>
      </div>
    </RoomContext.Provider>
  )
}

import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useRouter, useRouterState } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'
import { chatQuery, chatsQuery, foldersQuery, guestDoorQuery } from '../../api/queries'
import { childWords } from '../../i18n/authWords'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Banners } from '../../shell/Banners'
import { Frame } from '../../shell/Frame'
import house from '../../shell/house.module.css'
import { usePageTitle, useRoom } from '../../shell/page'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Noren } from '../../ui/Noren'
import { AgeGate } from './AgeGate'
import { ChatDialog } from './ChatDialog'
import { ChatList, UndoBar } from './ChatList'
import { ChatPane } from './ChatPane'
import { MemoryPane } from './MemoryPane'
import { MovingPane } from './MovingPane'
import { useMarks } from './marks'
import { PassingPane } from './PassingPane'
import { RoomContext, roomOf, useRoomState } from './room'
import styles from './room.module.css'
import { ShareDialog } from './ShareDialog'
import { ShortcutsDialog } from './ShortcutsDialog'
import { useShortcuts } from './shortcuts'
import { Ways } from './Ways'

// Says in which other conversation an answer has come, for whoever does not see the list.
function Answered({ titles }: { titles: readonly { id: string; title: string | null }[] }) {
  const words = useWords(roomWords)
  const misaki = useWords(misakiWords)
  const marks = useMarks(useRoomState().marks)
  const latest = [...marks].findLast(([, mark]) => mark === 'answered')?.[0]
  const title = titles.find(({ id }) => id === latest)?.title ?? misaki.untitled
  return (
    <p className="visually-hidden" role="status">
      {latest === undefined ? '' : words.answeredSaid(title)}
    </p>
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
  // What stands in the room beside conversations has an address of its own.
  const side = useRouterState({
    select: (state) => /^\/misaki\/(passing|memory|moving)\/?$/.exec(state.location.pathname)?.[1] ?? null,
  })
  const passing = side === 'passing'
  const room = roomOf(client)
  const door = useQuery(guestDoorQuery(client))
  const { data: chat } = useQuery({ ...chatQuery(chatId ?? ''), enabled: false })
  // The list hears of a new conversation's title before the conversation itself is read again.
  const chats = useInfiniteQuery({ ...chatsQuery, enabled: false })
  const listed = chats.data?.pages.flatMap((page) => page.items).find((item) => item.id === chatId)
  const title = chatId === null ? null : (chat?.title ?? listed?.title ?? null)
  const folders = useQuery({ ...foldersQuery, enabled: false })
  const drawer = useRef<HTMLDialogElement>(null)
  useRoom('misaki')
  const around = useWords(roomWords)
  const topic = side === 'memory' ? around.memory : side === 'moving' ? around.moving : passing ? words.passing : title
  const [open, setOpen] = useState<'share' | 'settings' | 'shortcuts' | null>(null)
  const close = () => setOpen(null)
  usePageTitle(topic === null ? words.name : `${topic} | ${words.name}`)

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
  useShortcuts({
    new: () => {
      void navigate({ to: '/misaki' })
      return true
    },
    search: () => {
      const box = () => [...document.querySelectorAll<HTMLElement>('[data-search]')].find((one) => one.offsetParent)
      // On a narrow screen the search lies in the drawer.
      if (!box()) drawer.current?.showModal()
      box()?.focus()
      return true
    },
    help: () => {
      setOpen('shortcuts')
      return true
    },
  })
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
            <Ways me={door.data} onChosen={closeDrawer} />
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
            {topic !== null && <p className={styles['topic']}>{topic}</p>}
            <span className={styles['acts']}>
              {chatId !== null && chat && (
                <>
                  <Button
                    look="plain"
                    icon
                    aria-label={around.share}
                    title={around.share}
                    onClick={() => setOpen('share')}
                  >
                    <Icon name="share" />
                  </Button>
                  <Button
                    look="plain"
                    icon
                    aria-label={around.talkMenu}
                    title={around.talkMenu}
                    onClick={() => setOpen('settings')}
                  >
                    <Icon name="more" />
                  </Button>
                </>
              )}
              <Button
                look="plain"
                icon
                className={styles['onlyWide']}
                aria-label={around.shortcuts}
                title={around.shortcuts}
                onClick={() => setOpen('shortcuts')}
              >
                <Icon name="keys" />
              </Button>
              {!passing && (
                <Link
                  to="/misaki/passing"
                  className={`${buttonClass({ look: 'plain', icon: true })} ${chatId === null ? '' : styles['onlyWide']}`}
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
            </span>
          </header>
          <Banners />
          {side === 'memory' || side === 'moving' ? (
            <section className={styles['scroller']}>
              <div className={styles['column']}>
                {side === 'memory' ? <MemoryPane ready={door.isSuccess} /> : <MovingPane ready={door.isSuccess} />}
              </div>
            </section>
          ) : (
            <AgeGate ready={door.isSuccess}>
              {passing ? (
                <PassingPane ready={door.isSuccess} />
              ) : (
                <ChatPane
                  chatId={chatId}
                  door={{
                    ready: door.isSuccess,
                    account: Boolean(door.data?.user),
                    error: door.error,
                    retry: () => void door.refetch(),
                  }}
                  onChatOpened={onChatOpened}
                  notices={
                    <div className={styles['onlyNarrow']}>
                      <UndoBar />
                    </div>
                  }
                />
              )}
            </AgeGate>
          )}
        </main>
        <Answered titles={chats.data?.pages.flatMap((page) => page.items) ?? []} />
        {open === 'shortcuts' && <ShortcutsDialog onClose={close} />}
        {open === 'share' && chatId !== null && <ShareDialog chat={chatId} onClose={close} />}
        {open === 'settings' && chat && <ChatDialog chat={chat} folders={folders.data ?? []} onClose={close} />}
      </div>
    </RoomContext.Provider>
  )
}

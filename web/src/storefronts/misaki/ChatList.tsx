import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useRef } from 'react'
import { describeProblem } from '../../api/problem'
import { chatsQuery } from '../../api/queries'
import type { ChatSummary } from '../../api/types'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { groupChats } from './chatGroups'
import { useDeletions } from './deletions'
import styles from './list.module.css'
import { useRoomState } from './room'

interface Props {
  current: string | null
  enabled: boolean
  onChosen?: () => void
  onDeleted: (id: string) => void
}

export function ChatList({ current, enabled, onChosen, onDeleted }: Props) {
  const words = useWords(misakiWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const { deletions } = useRoomState()
  const gone = useDeletions(deletions)
  const list = useRef<HTMLElement>(null)
  const query = useInfiniteQuery({ ...chatsQuery, enabled })
  const hidden = new Set(gone.filter((deletion) => deletion.state !== 'failed').map((deletion) => deletion.id))
  const chats = query.data?.pages.flatMap((page) => page.items).filter((chat) => !hidden.has(chat.id)) ?? []

  function remove(chat: ChatSummary) {
    deletions.begin(chat.id, chat.title ?? words.untitled)
    onDeleted(chat.id)
    // The button that had the focus is gone with its row.
    list.current?.focus()
  }

  return (
    <nav ref={list} tabIndex={-1} className={styles['list']} aria-label={words.conversations}>
      {query.isPending && (
        <div className={styles['pending']}>
          <Skeleton height="2.5rem" />
          <Skeleton height="2.5rem" />
          <Skeleton height="2.5rem" />
        </div>
      )}
      {query.error && (
        <Notice
          tone="bad"
          role="status"
          title={describeProblem(query.error, locale).summary}
          actions={
            <Button small onClick={() => query.refetch()}>
              {shell.retry}
            </Button>
          }
        />
      )}
      {query.data && chats.length === 0 && <p className={styles['none']}>{words.noChats}</p>}
      {groupChats(chats, new Date()).map((group) => (
        <section key={group.name}>
          <h2>{words[group.name]}</h2>
          <ul>
            {group.chats.map((chat) => (
              <li key={chat.id} className={styles['row']}>
                <Link
                  to="/misaki/chat/$chatId"
                  params={{ chatId: chat.id }}
                  className={styles['link']}
                  aria-current={chat.id === current ? 'page' : undefined}
                  {...(onChosen ? { onClick: onChosen } : {})}
                >
                  {chat.title ?? words.untitled}
                </Link>
                <button
                  type="button"
                  className={styles['delete']}
                  aria-label={words.deleteChat(chat.title ?? words.untitled)}
                  title={words.deleteChat(chat.title ?? words.untitled)}
                  onClick={() => remove(chat)}
                >
                  <Icon name="trash" size={18} />
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
      {query.hasNextPage && (
        <Button small look="plain" disabled={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
          {words.moreChats}
        </Button>
      )}
    </nav>
  )
}

export function UndoBar() {
  const words = useWords(misakiWords)
  const { deletions } = useRoomState()
  const gone = useDeletions(deletions).filter((deletion) => deletion.state !== 'gone')
  return (
    <div className={styles['undo']} role="status">
      {gone.map((deletion) => (
        <div key={deletion.id} className={styles['toast']} data-state={deletion.state}>
          <span>
            {deletion.state === 'failed' ? words.deleteFailed(deletion.title) : words.deleted(deletion.title)}
          </span>
          {deletion.state === 'failed' ? (
            <Button small look="plain" onClick={() => deletions.dismiss(deletion.id)}>
              {words.dismiss}
            </Button>
          ) : (
            <Button small onClick={() => deletions.undo(deletion.id)}>
              {words.undo}
            </Button>
          )}
        </div>
      ))}
    </div>
  )
}

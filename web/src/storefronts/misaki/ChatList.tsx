import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { describeProblem } from '../../api/problem'
import { chatsQuery, folderQuery, foldersQuery, pinnedQuery } from '../../api/queries'
import type { ChatSummary } from '../../api/types'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { ChatDialog } from './ChatDialog'
import { groupChats } from './chatGroups'
import { useDeletions } from './deletions'
import styles from './list.module.css'
import { useMarks } from './marks'
import { useRoomState } from './room'
import { SearchBox, SearchResults } from './Search'

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
  const around = useWords(roomWords)
  const { deletions, marks } = useRoomState()
  const gone = useDeletions(deletions)
  const marked = useMarks(marks)
  const list = useRef<HTMLElement>(null)
  const [sought, setSought] = useState('')
  const [folder, setFolder] = useState('')
  const [open, setOpen] = useState<ChatSummary | null>(null)
  const all = useInfiniteQuery({ ...chatsQuery, enabled })
  const inside = useInfiniteQuery({ ...folderQuery(folder), enabled: enabled && folder !== '' })
  const query = folder === '' ? all : inside
  const pins = useQuery({ ...pinnedQuery, enabled })
  const folders = useQuery({ ...foldersQuery, enabled }).data ?? []
  const hidden = new Set(gone.filter((deletion) => deletion.state !== 'failed').map((deletion) => deletion.id))
  const listed = query.data?.pages.flatMap((page) => page.items).filter((chat) => !hidden.has(chat.id)) ?? []
  const pinned = folder === '' ? (pins.data?.items ?? []).filter((chat) => !hidden.has(chat.id)) : []
  const chats = listed.filter((chat) => folder !== '' || !chat.pinned)
  const groups = [
    ...(pinned.length > 0 ? [{ name: 'pinned' as const, chats: pinned }] : []),
    ...groupChats(chats, new Date()),
  ]

  const mark = (id: string) => (marked.get(id) === 'answering' ? around.answeringThere : around.answeredThere)

  function remove(chat: ChatSummary) {
    deletions.begin(chat.id, chat.title ?? words.untitled)
    onDeleted(chat.id)
    // The button that had the focus is gone with its row.
    list.current?.focus()
  }

  return (
    <>
      <nav ref={list} tabIndex={-1} className={styles['list']} aria-label={words.conversations}>
        <SearchBox text={sought} onText={setSought} />
        {sought.trim() !== '' && <SearchResults text={sought.trim()} {...(onChosen ? { onChosen } : {})} />}
        {sought.trim() === '' && folders.length > 0 && (
          <label className={styles['folder']}>
            <span className="visually-hidden">{words.folder}</span>
            <select value={folder} onChange={(event) => setFolder(event.target.value)}>
              <option value="">{words.allFolders}</option>
              {folders.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
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
        {sought.trim() === '' && query.data && groups.length === 0 && <p className={styles['none']}>{words.noChats}</p>}
        {(sought.trim() === '' ? groups : []).map((group) => (
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
                    {marked.get(chat.id) !== undefined && (
                      <i className={styles['mark']} data-mark={marked.get(chat.id)} title={mark(chat.id)}>
                        <span className="visually-hidden">, {mark(chat.id)}</span>
                      </i>
                    )}
                  </Link>
                  <button
                    type="button"
                    className={styles['more']}
                    aria-label={words.chatMenu(chat.title ?? words.untitled)}
                    title={words.chatMenu(chat.title ?? words.untitled)}
                    onClick={() => setOpen(chat)}
                  >
                    <Icon name="more" size={18} />
                  </button>
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
        {sought.trim() === '' && query.hasNextPage && (
          <Button small look="plain" disabled={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
            {words.moreChats}
          </Button>
        )}
      </nav>
      {open && <ChatDialog chat={open} folders={folders} onClose={() => setOpen(null)} />}
    </>
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

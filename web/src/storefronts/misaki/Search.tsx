import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { showVersion } from '../../api/account'
import { describeProblem } from '../../api/problem'
import { chatQuery, searchQuery } from '../../api/queries'
import type { Findings } from '../../api/types'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { useWords } from '../../i18n/text'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import styles from './list.module.css'

const PAUSE_MS = 150

export function SearchBox({ text, onText }: { text: string; onText: (text: string) => void }) {
  const words = useWords(misakiWords)
  return (
    <search className={styles['search']}>
      <Icon name="search" size={18} />
      <input
        type="search"
        value={text}
        maxLength={100}
        aria-label={words.search}
        placeholder={words.search}
        autoComplete="off"
        data-search="true"
        onChange={(event) => onText(event.target.value)}
        onKeyDown={(event) => {
          // Inside of the drawer Escape would close that as well.
          if (event.key !== 'Escape' || text === '' || event.nativeEvent.isComposing) return
          event.preventDefault()
          event.stopPropagation()
          onText('')
        }}
      />
    </search>
  )
}

function usePaused(text: string): string {
  const [paused, setPaused] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setPaused(text), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text])
  return paused
}

type Found = Findings['messages'][number]

export function SearchResults({ text, onChosen }: { text: string; onChosen?: () => void }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const client = useQueryClient()
  const navigate = useNavigate()
  const { data, error } = useQuery({ ...searchQuery(usePaused(text)), placeholderData: keepPreviousData })

  // What was found may stand on a branch that is not shown.
  async function open(found: Found) {
    const chat = await showVersion(found.chat_id, found.id)
    client.setQueryData(chatQuery(chat.id).queryKey, chat)
    onChosen?.()
    await navigate({ to: '/misaki/chat/$chatId', params: { chatId: chat.id }, hash: found.id })
  }

  if (error) return <Notice tone="bad" role="status" title={describeProblem(error, locale).summary} />
  if (!data) return null
  return (
    <>
      <p className={styles['none']} role="status">
        {data.chats.length + data.messages.length === 0 && words.nothingFound}
      </p>
      {data.chats.length > 0 && (
        <section>
          <h2>{words.foundChats}</h2>
          <ul>
            {data.chats.map((chat) => (
              <li key={chat.id} className={styles['row']}>
                <Link
                  to="/misaki/chat/$chatId"
                  params={{ chatId: chat.id }}
                  className={styles['link']}
                  {...(onChosen ? { onClick: onChosen } : {})}
                >
                  {chat.title}
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
      {data.messages.length > 0 && (
        <section>
          <h2>{words.foundMessages}</h2>
          <ul>
            {data.messages.map((found) => (
              <li key={found.id} className={styles['row']}>
                <button type="button" className={styles['found']} onClick={() => void open(found)}>
                  <span>{found.title ?? words.untitled}</span>
                  <span>
                    {found.before}
                    <mark>{found.hit}</mark>
                    {found.after}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useSyncExternalStore } from 'react'
import { deleteMessage, showVersion } from '../../api/account'
import { askAgain, cancelRun, sendMessage } from '../../api/inference'
import { chatQuery, chatsQuery, guestDoorQuery, phrasesQuery, planQuery } from '../../api/queries'
import type { Chat, Message } from '../../api/types'
import { newKey } from '../../api/uuid'
import { currentLocale } from '../../i18n/locale'
import { isUnfinished, recordEnd, recordReply } from './chatCache'
import { matchPhrase, type PhraseSet, type Scene } from './phrases'
import { type Outgoing, type Room, useRoomState } from './room'

// So many of her last answers she does not say again, and from so many talks on somebody is a regular, as at the server.
const RECENT = 6
const REGULAR = 5

// The bar keeps Tokyo's hours wherever the guest is, as the server does.
function barTime(now: Date): { hour: number; month: number } {
  const parts = new Intl.DateTimeFormat('en-GB', {
    month: 'numeric',
    hour: '2-digit',
    hourCycle: 'h23',
    timeZone: 'Asia/Tokyo',
  }).formatToParts(now)
  const part = (type: 'hour' | 'month') => Number(parts.find((one) => one.type === type)?.value)
  return { hour: part('hour'), month: part('month') }
}

// What is known here of who is spoken to. Where the server knows better, its answer takes the place of ours.
function sceneOf(client: QueryClient, chatId: string | null, messages: readonly Message[], seed: string): Scene {
  const kept = client.getQueryData(chatsQuery.queryKey)?.pages.flatMap((page) => page.items) ?? []
  const talks = kept.filter((chat) => chat.id !== chatId).length
  const hers = messages.filter((message) => message.role === 'assistant').map((message) => message.text)
  return {
    ...barTime(new Date()),
    visits: talks === 0 ? 'first' : talks < REGULAR ? 'again' : 'regular',
    plan: client.getQueryData(planQuery.queryKey)?.plan.id ?? '',
    recent: hers.slice(-RECENT),
    seed,
  }
}

/** Whether a text is answered by a phrase, and so costs nothing. */
export function isCanned(phrases: PhraseSet, text: string): boolean {
  const scene = { ...barTime(new Date()), visits: 'again', plan: '', recent: [], seed: '' } as const
  return matchPhrase(phrases, text, scene) !== null
}

function isPhraseSet(value: unknown): value is PhraseSet {
  return typeof value === 'object' && value !== null && 'phrases' in value && Array.isArray(value.phrases)
}

export function usePhrases(): PhraseSet | null {
  const { data } = useQuery(phrasesQuery)
  return isPhraseSet(data) ? data : null
}

function follow(client: QueryClient, { board, marks }: Room, chatId: string, runId: string): void {
  marks.begin(chatId)
  void board.follow(runId, (end) => {
    marks.end(chatId)
    recordEnd(client, chatId, end)
    void client.invalidateQueries({ queryKey: planQuery.queryKey })
    void client.invalidateQueries({ queryKey: chatsQuery.queryKey })
  })
}

interface Options {
  chatId: string | null
  enabled: boolean
  onChatOpened: (chatId: string) => void
}

export interface Conversation {
  messages: readonly Message[]
  outgoing: readonly Outgoing[]
  chat: Chat | null
  loading: boolean
  error: unknown
  reload: () => void
  // The run that is being answered in this conversation, if any.
  running: string | null
  busy: boolean
  send: (text: string, insteadOf?: string) => void
  again: (message: string) => void
  show: (message: string) => Promise<void>
  remove: (message: string) => Promise<void>
  resend: (key: string) => void
  withdraw: (key: string) => void
  stop: () => void
  reconnect: (runId: string) => void
}

export function useConversation({ chatId, enabled, onChatOpened }: Options): Conversation {
  const client = useQueryClient()
  const room = useRoomState()
  const { board } = room
  const phrases = usePhrases()
  const query = useQuery({ ...chatQuery(chatId ?? ''), enabled: enabled && chatId !== null })
  const chat = chatId === null ? null : (query.data ?? null)
  const outbox = useSyncExternalStore(room.outbox.subscribe, room.outbox.get)
  const setOutbox = useCallback(
    (change: (items: readonly Outgoing[]) => readonly Outgoing[]) => room.outbox.set(change(room.outbox.get())),
    [room],
  )
  // A stop that was asked for before the run had a number.
  const stopWanted = useRef(new Set<string>())
  const opened = useRef(onChatOpened)
  opened.current = onChatOpened

  const messages = chat?.messages ?? []
  const running = messages.findLast(isUnfinished)?.run?.id ?? null
  const outgoing = outbox.filter((item) => item.chatId === chatId)

  // After a reload the conversation tells which answer is still being given; reading it goes on from the start.
  useEffect(() => {
    if (!chat) return
    for (const message of chat.messages) {
      if (message.run && isUnfinished(message)) follow(client, room, chat.id, message.run.id)
    }
  }, [client, room, chat])

  const stopRun = useCallback(
    async (runId: string) => {
      board.markStopping(runId, true)
      try {
        await cancelRun(runId)
      } catch {
        board.markStopping(runId, false)
      }
    },
    [board],
  )

  const post = useCallback(
    async (item: Outgoing) => {
      try {
        // Who comes for the first time may have written before the door has opened.
        await client.ensureQueryData(guestDoorQuery(client))
        const locale = currentLocale()
        const reply =
          item.again === null ? await sendMessage({ ...item, locale }) : await askAgain(item.again, locale, item.key)
        recordReply(client, reply)
        const opens = item.chatId === null
        // What else was said before there was a conversation belongs to the one that has begun now.
        setOutbox((items) =>
          items
            .filter((other) => other.key !== item.key)
            .map((other) => (opens && other.chatId === null ? { ...other, chatId: reply.chat_id } : other)),
        )
        if (opens) opened.current(reply.chat_id)
        // A reply does not say what it follows: another tab may have gone on with the conversation before.
        else void client.invalidateQueries({ queryKey: chatQuery(reply.chat_id).queryKey })
        void client.invalidateQueries({ queryKey: chatsQuery.queryKey })
        if (reply.kind === 'run') {
          if (reply.notice) room.notices.set(reply.assistant.id, reply.notice.text)
          follow(client, room, reply.chat_id, reply.run_id)
          if (stopWanted.current.delete(item.key)) void stopRun(reply.run_id)
        }
      } catch (error) {
        stopWanted.current.delete(item.key)
        const plan = client.getQueryData(planQuery.queryKey)?.plan.id ?? null
        setOutbox((items) =>
          items.map((other) => (other.key === item.key ? { ...other, state: 'failed', error, plan } : other)),
        )
      }
      void client.invalidateQueries({ queryKey: planQuery.queryKey })
    },
    [client, room, setOutbox, stopRun],
  )

  const begin = (item: Outgoing): void => {
    // An older refusal would stand below what is answered now.
    room.giveBack((other) => other.chatId === chatId)
    setOutbox((items) => [...items, item])
    void post(item)
  }

  const send = (text: string, insteadOf: string | null = null): void => {
    const key = newKey()
    const now = new Date()
    const before =
      insteadOf === null
        ? messages
        : messages.slice(
            0,
            messages.findIndex((message) => message.id === insteadOf),
          )
    const canned = phrases ? matchPhrase(phrases, text, sceneOf(client, chatId, before, key)) : null
    begin({ key, chatId, insteadOf, again: null, text, at: now.toISOString(), canned, state: 'sending' })
  }

  const again = (message: string): void => {
    const at = new Date().toISOString()
    begin({ key: newKey(), chatId, insteadOf: null, again: message, text: '', at, canned: null, state: 'sending' })
  }

  const put = (changed: Chat): void => {
    client.setQueryData<Chat>(chatQuery(changed.id).queryKey, changed)
  }

  // The same key: if the first try did arrive, the server returns its answer instead of asking twice.
  const resend = (key: string): void => {
    const failed = outbox.find((item) => item.key === key)
    if (!failed) return
    const { error: _, ...rest } = failed
    const item: Outgoing = { ...rest, state: 'sending' }
    setOutbox((items) => items.map((other) => (other.key === key ? item : other)))
    void post(item)
  }

  // While a version is on its way, what it takes the place of has left the screen.
  const leaving = outgoing.find((item) => item.state === 'sending' && (item.insteadOf ?? item.again) !== null)
  const cut = leaving ? messages.findIndex((message) => message.id === (leaving.insteadOf ?? leaving.again)) : -1

  return {
    messages: cut < 0 ? messages : messages.slice(0, cut),
    outgoing,
    chat,
    loading: chatId !== null && query.isPending,
    error: chatId === null ? null : query.error,
    reload: () => void query.refetch(),
    running,
    busy: running !== null || outgoing.some((item) => item.state === 'sending' && !item.canned),
    send,
    again,
    async show(message) {
      if (chatId !== null) put(await showVersion(chatId, message))
    },
    async remove(message) {
      put(await deleteMessage(message))
    },
    resend,
    withdraw: (key) => setOutbox((items) => items.filter((item) => item.key !== key)),
    stop() {
      if (running !== null) void stopRun(running)
      else for (const item of outgoing) if (item.state === 'sending') stopWanted.current.add(item.key)
    },
    reconnect: (runId) => {
      if (chat) follow(client, room, chat.id, runId)
    },
  }
}

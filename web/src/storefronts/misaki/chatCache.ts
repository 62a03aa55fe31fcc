import type { QueryClient } from '@tanstack/react-query'
import { chatQuery } from '../../api/queries'
import type { Chat, Message, SendReply } from '../../api/types'
import type { RunEnd } from './runBoard'

function withMessages(chat: Chat, added: readonly Message[]): Chat {
  const known = new Set(chat.messages.map((message) => message.id))
  if (added.every((message) => known.has(message.id))) return chat
  // Another version takes the place of the one that was shown, and of what followed that.
  const versions = new Set(added.flatMap((message) => message.versions))
  const at = chat.messages.findIndex((message) => versions.has(message.id))
  return { ...chat, messages: [...chat.messages.slice(0, at < 0 ? undefined : at), ...added] }
}

// Puts what a send returned into the cached conversation; a resend that returns the same messages adds nothing.
export function recordReply(client: QueryClient, reply: SendReply): void {
  const { user, assistant, chat_id: id } = reply
  client.setQueryData<Chat>(chatQuery(id).queryKey, (chat) =>
    withMessages(
      chat ?? {
        id,
        title: null,
        pinned: false,
        folder: null,
        created_at: user.at,
        updated_at: assistant.at,
        messages: [],
      },
      [user, assistant],
    ),
  )
}

export function endMessage(message: Message, end: RunEnd): Message {
  if (message.run?.id !== end.runId) return message
  return {
    ...message,
    text: end.text,
    run: { ...message.run, state: end.ended.state, reason: end.ended.reason, model: end.model ?? message.run.model },
  }
}

export function recordEnd(client: QueryClient, chatId: string, end: RunEnd): void {
  client.setQueryData<Chat>(chatQuery(chatId).queryKey, (chat) =>
    chat ? { ...chat, messages: chat.messages.map((message) => endMessage(message, end)) } : chat,
  )
}

export function recordFeedback(client: QueryClient, chatId: string, id: string, feedback: Message['feedback']): void {
  client.setQueryData<Chat>(chatQuery(chatId).queryKey, (chat) =>
    chat ? { ...chat, messages: chat.messages.map((one) => (one.id === id ? { ...one, feedback } : one)) } : chat,
  )
}

export function isUnfinished(message: Message): boolean {
  return message.run?.state === 'queued' || message.run?.state === 'running'
}

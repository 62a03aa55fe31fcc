import type { QueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import { deleteChat } from '../../api/account'
import { misakiAccess } from '../../api/inference'
import { chatQuery, chatsQuery } from '../../api/queries'
import type { Bilingual } from '../../api/types'
import { createStore, type Store } from '../../i18n/store'
import { createDeletions, type Deletions } from './deletions'
import { createDrafts, type Drafts } from './drafts'
import { createMarks, type Marks } from './marks'
import type { PhraseHit } from './phrases'
import { createRunBoard, type RunBoard } from './runBoard'

// A line that is on its way to the house.
export interface Outgoing {
  key: string
  chatId: string | null
  // What it takes the place of: a question put differently, or an answer asked for anew.
  insteadOf: string | null
  again: string | null
  text: string
  at: string
  canned: PhraseHit | null
  state: 'sending' | 'failed'
  error?: unknown
  // On which plan it was refused, as far as that was known.
  plan?: string | null
}

// What outlives a single page of the bar: answers that are being given, lines that are half written or could not be
// sent, and deletions that can still be taken back.
export interface Room {
  board: RunBoard
  deletions: Deletions
  marks: Marks
  drafts: Drafts
  outbox: Store<readonly Outgoing[]>
  // What the house told beside an answer, by message.
  notices: Map<string, Bilingual>
  // Lines that were refused become drafts again.
  giveBack: (which: (item: Outgoing) => boolean) => void
  belongTo: (tenant: string) => void
}

const rooms = new WeakMap<QueryClient, Room>()

export function roomOf(client: QueryClient): Room {
  const known = rooms.get(client)
  if (known) return known
  const board = createRunBoard(misakiAccess.access)
  const marks = createMarks()
  const drafts = createDrafts()
  const outbox = createStore<readonly Outgoing[]>([])
  let owner: string | null = null
  const giveBack: Room['giveBack'] = (which) => {
    const refused = outbox.get().filter((item) => item.state === 'failed' && which(item))
    if (refused.length === 0) return
    for (const { text, chatId } of refused.toReversed()) if (text !== '') drafts.giveBack(chatId ?? 'new', text)
    outbox.set(outbox.get().filter((item) => !refused.includes(item)))
  }
  const room: Room = {
    board,
    marks,
    drafts,
    outbox,
    notices: new Map(),
    giveBack,
    belongTo(tenant) {
      drafts.belongTo(tenant)
      if (owner !== null && owner !== tenant) {
        board.reset()
        marks.reset()
        outbox.set([])
      }
      owner = tenant
    },
    deletions: createDeletions(deleteChat, (id) => {
      client.removeQueries({ queryKey: chatQuery(id).queryKey })
      void client.invalidateQueries({ queryKey: chatsQuery.queryKey })
    }),
  }
  window.addEventListener('pagehide', () => {
    room.deletions.flush()
    // So they are there after a way over the payment company's page, too.
    giveBack(() => true)
  })
  rooms.set(client, room)
  return room
}

export const RoomContext = createContext<Room | null>(null)

export function useRoomState(): Room {
  const room = useContext(RoomContext)
  if (!room) throw new Error('outside of the room')
  return room
}

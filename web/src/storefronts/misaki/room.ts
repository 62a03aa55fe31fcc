import type { QueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import { deleteChat } from '../../api/account'
import { misakiAccess } from '../../api/inference'
import { chatQuery, chatsQuery } from '../../api/queries'
import { createDeletions, type Deletions } from './deletions'
import { createRunBoard, type RunBoard } from './runBoard'

// What outlives a single page of the bar: answers that are being given and deletions that can still be taken back.
export interface Room {
  board: RunBoard
  deletions: Deletions
  belongTo: (tenant: string) => void
}

const rooms = new WeakMap<QueryClient, Room>()

export function roomOf(client: QueryClient): Room {
  const known = rooms.get(client)
  if (known) return known
  const board = createRunBoard(misakiAccess.access)
  let owner: string | null = null
  const room: Room = {
    board,
    belongTo(tenant) {
      if (owner !== null && owner !== tenant) board.reset()
      owner = tenant
    },
    deletions: createDeletions(deleteChat, (id) => {
      client.removeQueries({ queryKey: chatQuery(id).queryKey })
      void client.invalidateQueries({ queryKey: chatsQuery.queryKey })
    }),
  }
  window.addEventListener('pagehide', room.deletions.flush)
  rooms.set(client, room)
  return room
}

export const RoomContext = createContext<Room | null>(null)

export function useRoomState(): Room {
  const room = useContext(RoomContext)
  if (!room) throw new Error('outside of the room')
  return room
}

import type { ChatSummary } from '../../api/types'

export type GroupName = 'today' | 'yesterday' | 'week' | 'earlier'

export interface ChatGroup {
  name: GroupName
  chats: ChatSummary[]
}

function startOfDay(at: Date, daysBack: number): number {
  // Through the calendar, not by 24 hours: days with a clock change are 23 or 25 hours long.
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() - daysBack).getTime()
}

export function groupChats(chats: readonly ChatSummary[], now: Date): ChatGroup[] {
  const today = startOfDay(now, 0)
  const yesterday = startOfDay(now, 1)
  const week = startOfDay(now, 7)
  const groups: Record<GroupName, ChatSummary[]> = { today: [], yesterday: [], week: [], earlier: [] }
  const newestFirst = chats.toSorted((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at))
  for (const chat of newestFirst) {
    const at = Date.parse(chat.updated_at)
    const name = at >= today ? 'today' : at >= yesterday ? 'yesterday' : at >= week ? 'week' : 'earlier'
    groups[name].push(chat)
  }
  const order = ['today', 'yesterday', 'week', 'earlier'] as const
  return order.map((name) => ({ name, chats: groups[name] })).filter((group) => group.chats.length > 0)
}

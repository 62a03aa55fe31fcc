import { describe, expect, test } from 'vitest'
import { groupChats } from './chatGroups'

const now = new Date(2026, 10, 20, 0, 30)
const chat = (id: string, ...at: [number, number, number, number, number]) => {
  const time = new Date(...at).toISOString()
  return { id, title: id, pinned: false, folder: null, created_at: time, updated_at: time }
}
const shape = (groups: ReturnType<typeof groupChats>) =>
  groups.map(({ name, chats }) => [name, chats.map(({ id }) => id)])

describe('the list of conversations', () => {
  test('is grouped by calendar days of the reader, newest first', () => {
    const groups = groupChats(
      [
        chat('old', 2026, 10, 12, 23, 59),
        chat('seven', 2026, 10, 13, 0, 0),
        chat('last minute', 2026, 10, 19, 23, 59),
        chat('yesterday', 2026, 10, 19, 0, 0),
        chat('before', 2026, 10, 18, 23, 59),
        chat('today', 2026, 10, 20, 0, 0),
        chat('later today', 2026, 10, 20, 0, 29),
      ],
      now,
    )
    expect(shape(groups)).toEqual([
      ['today', ['later today', 'today']],
      ['yesterday', ['last minute', 'yesterday']],
      ['week', ['before', 'seven']],
      ['earlier', ['old']],
    ])
  })

  test('leaves empty groups out', () => {
    expect(groupChats([], now)).toEqual([])
    expect(shape(groupChats([chat('a', 2025, 0, 1, 0, 0)], now))).toEqual([['earlier', ['a']]])
  })

  test('takes a clock that runs ahead for today', () => {
    expect(shape(groupChats([chat('ahead', 2026, 10, 21, 5, 0)], now))).toEqual([['today', ['ahead']]])
  })
})

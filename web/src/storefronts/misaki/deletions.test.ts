import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDeletions, UNDO_MS } from './deletions'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function setUp(remove = vi.fn(async () => undefined)) {
  const afterwards = vi.fn()
  return { deletions: createDeletions(remove, afterwards), remove, afterwards }
}

describe('deleting a conversation', () => {
  test('happens ten seconds later', async () => {
    const { deletions, remove, afterwards } = setUp()
    deletions.begin('chat_1', 'おでん')
    await vi.advanceTimersByTimeAsync(UNDO_MS - 1)
    expect(remove).not.toHaveBeenCalled()
    expect(deletions.get()).toEqual([{ id: 'chat_1', title: 'おでん', state: 'waiting' }])
    await vi.advanceTimersByTimeAsync(1)
    expect(remove).toHaveBeenCalledExactlyOnceWith('chat_1', false)
    expect(afterwards).toHaveBeenCalledExactlyOnceWith('chat_1')
    expect(deletions.get()).toEqual([])
  })

  test('does not happen when it was taken back', async () => {
    const { deletions, remove } = setUp()
    deletions.begin('chat_1', 'おでん')
    deletions.undo('chat_1')
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2)
    expect(remove).not.toHaveBeenCalled()
    expect(deletions.get()).toEqual([])
  })

  test('is settled at once when the page is left', async () => {
    const { deletions, remove } = setUp()
    deletions.begin('chat_1', 'a')
    deletions.begin('chat_2', 'b')
    deletions.flush()
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2)
    expect(remove.mock.calls).toEqual([
      ['chat_1', true],
      ['chat_2', true],
    ])
  })

  test('that fails is said, and the conversation is back', async () => {
    const { deletions } = setUp(vi.fn(async () => Promise.reject(new Error('no'))))
    deletions.begin('chat_1', 'おでん')
    await vi.advanceTimersByTimeAsync(UNDO_MS)
    expect(deletions.get()).toEqual([{ id: 'chat_1', title: 'おでん', state: 'failed' }])
    deletions.dismiss('chat_1')
    expect(deletions.get()).toEqual([])
  })
})

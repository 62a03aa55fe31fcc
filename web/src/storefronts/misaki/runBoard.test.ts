import { describe, expect, test, vi } from 'vitest'
import type { RunStreamOptions } from '../../api/runStream'
import type { Message, RunEvent } from '../../api/types'
import { endMessage } from './chatCache'
import { createRunBoard, type RunEnd } from './runBoard'

const access = async () => ({ url: '', token: '' })
const ended: RunEvent = {
  id: 9,
  event: 'ended',
  data: { state: 'completed', reason: null, tokens_in: 1, tokens_out: 2, cost_nano_usd: 3 },
}

function hand() {
  const asked: RunStreamOptions[] = []
  let give: (event: RunEvent | Error) => void = () => undefined
  async function* read(options: RunStreamOptions) {
    asked.push(options)
    for (;;) {
      const event = await new Promise<RunEvent | Error>((resolve) => {
        give = resolve
      })
      if (event instanceof Error) throw event
      yield event
      if (event.event === 'ended') return
    }
  }
  return {
    read,
    asked,
    async give(event: RunEvent | Error) {
      give(event)
      await new Promise((resolve) => setTimeout(resolve))
    },
  }
}

describe('the board of running answers', () => {
  test('rebuilds the text from the first event and tells its end once', async () => {
    const line = hand()
    const board = createRunBoard(access, line.read)
    const onEnd = vi.fn<(end: RunEnd) => void>()
    void board.follow('run_1', onEnd)
    void board.follow('run_1', onEnd)
    expect(line.asked).toHaveLength(1)
    expect(line.asked[0]?.startingAfter).toBe(0)
    await line.give({ id: 1, event: 'started', data: { run_id: 'run_1', model: 'sandbox-mama' } })
    await line.give({ id: 2, event: 'delta', data: { text: 'いらっ' } })
    await line.give({ id: 3, event: 'delta', data: { text: 'しゃい' } })
    expect(board.get('run_1')).toMatchObject({ text: 'いらっしゃい', model: 'sandbox-mama' })
    await line.give(ended)
    expect(onEnd).toHaveBeenCalledExactlyOnceWith({
      runId: 'run_1',
      text: 'いらっしゃい',
      model: 'sandbox-mama',
      ended: ended.data,
    })
    expect(board.get('run_1')).toBeNull()
  })

  test('drops what is taken back, and shows what takes its place', async () => {
    const line = hand()
    const board = createRunBoard(access, line.read)
    const onEnd = vi.fn<(end: RunEnd) => void>()
    void board.follow('run_1', onEnd)
    await line.give({ id: 1, event: 'delta', data: { text: 'あら、それは' } })
    await line.give({ id: 2, event: 'withdrawn', data: { category: 'house' } })
    expect(board.get('run_1')).toMatchObject({ text: '', withdrawn: true })
    await line.give({ id: 3, event: 'delta', data: { text: 'よしましょう' } })
    await line.give(ended)
    expect(onEnd.mock.calls[0]?.[0].text).toBe('よしましょう')
  })

  test('says when the line is lost, and takes it up again', async () => {
    const line = hand()
    const board = createRunBoard(access, line.read)
    void board.follow('run_1', () => undefined)
    await line.give({ id: 2, event: 'delta', data: { text: 'い' } })
    await line.give(new Error('gone'))
    expect(board.get('run_1')).toMatchObject({ text: 'い', line: 'lost' })
    void board.follow('run_1', () => undefined)
    expect(line.asked).toHaveLength(2)
    expect(board.get('run_1')?.line).toBe('open')
  })

  test('forgets everything when someone else comes in', async () => {
    const line = hand()
    const board = createRunBoard(access, line.read)
    const onEnd = vi.fn()
    void board.follow('run_1', onEnd)
    board.reset()
    expect(line.asked[0]?.signal?.aborted).toBe(true)
    await line.give(ended)
    expect(onEnd).not.toHaveBeenCalled()
    expect(board.get('run_1')).toBeNull()
  })
})

test('an end replaces the durable text instead of adding to it', () => {
  const message: Message = {
    id: 'msg_1',
    role: 'assistant',
    text: 'いらっ',
    at: '2026-11-20T00:00:00Z',
    versions: ['msg_1'],
    canned: null,
    run: { id: 'run_1', state: 'running', reason: null, is_closed: false, model: null },
    feedback: null,
  }
  const end: RunEnd = {
    runId: 'run_1',
    text: 'いらっしゃい',
    model: 'm',
    ended: { state: 'failed', reason: 'upstream_failed', tokens_in: 0, tokens_out: 0, cost_nano_usd: 0 },
  }
  expect(endMessage(message, end)).toMatchObject({
    text: 'いらっしゃい',
    run: { state: 'failed', reason: 'upstream_failed', model: 'm' },
  })
  expect(endMessage(message, { ...end, runId: 'run_2' })).toBe(message)
})

import { describe, expect, test } from 'vitest'
import { createSseParser, type SseMessage } from './sse'

const utf8 = new TextEncoder()

function parse(...parts: Uint8Array[]): SseMessage[] {
  const found: SseMessage[] = []
  const feed = createSseParser((message) => found.push(message))
  for (const part of parts) feed(part)
  return found
}

const stream = [
  ': ping\n\n',
  'id: 1\nevent: started\ndata: {"run_id":"run_1","model":"sandbox-mama"}\n\n',
  'id: 2\nevent: delta\ndata: {"text":"これは「重要」な話。👍🏽"}\n\n',
  ': ping\n\n',
  'id:3\r\nevent:delta\r\ndata:{"text":\r\ndata: "二行"}\r\n\r\n',
  'id: 4\revent: ended\rdata: {"state":"completed"}\r\r',
].join('')

const expected: SseMessage[] = [
  { id: '1', event: 'started', data: '{"run_id":"run_1","model":"sandbox-mama"}' },
  { id: '2', event: 'delta', data: '{"text":"これは「重要」な話。👍🏽"}' },
  { id: '3', event: 'delta', data: '{"text":\n"二行"}' },
  { id: '4', event: 'ended', data: '{"state":"completed"}' },
]

describe('the event stream parser', () => {
  const bytes = utf8.encode(stream)

  test('reads a whole stream', () => expect(parse(bytes)).toEqual(expected))

  test('reads it when it is cut at any byte', () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(parse(bytes.slice(0, at), bytes.slice(at)), `cut at byte ${at}`).toEqual(expected)
    }
  })

  test('reads it byte by byte', () => {
    expect(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(expected)
  })

  test('delivers nothing of an event that was not finished', () => {
    expect(parse(utf8.encode('id: 1\ndata: a\n'))).toEqual([])
  })

  test('keeps the id for events that carry none, and names them', () => {
    expect(parse(utf8.encode('id: 7\ndata: a\n\ndata: b\n\n'))).toEqual([
      { id: '7', event: 'message', data: 'a' },
      { id: '7', event: 'message', data: 'b' },
    ])
  })

  test('keeps empty lines of data apart from line ends that were split', () => {
    expect(parse(utf8.encode('data: a\r'), utf8.encode('\n'), utf8.encode('\r'), utf8.encode('\n'))).toEqual([
      { id: null, event: 'message', data: 'a' },
    ])
  })

  test('skips a byte order mark and unknown fields', () => {
    expect(parse(utf8.encode('\ufeffretry: 10\nfoo: bar\ndata: a\n\n'))).toEqual([
      { id: null, event: 'message', data: 'a' },
    ])
  })
})

export interface SseMessage {
  id: string | null
  event: string
  data: string
}

// A parser of text/event-stream that may be fed at any byte boundary. Comments (`: ping`) carry nothing and are
// dropped; an event that the stream never finished with a blank line is not delivered, as the standard says.
export function createSseParser(onMessage: (message: SseMessage) => void): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder()
  let rest = ''
  let skipLineFeed = false
  let id: string | null = null
  let event = ''
  let data: string[] = []

  function line(text: string): void {
    if (text === '') {
      if (data.length > 0) onMessage({ id, event: event || 'message', data: data.join('\n') })
      event = ''
      data = []
      return
    }
    const colon = text.indexOf(':')
    if (colon === 0) return
    const field = colon === -1 ? text : text.slice(0, colon)
    const raw = colon === -1 ? '' : text.slice(colon + 1)
    const value = raw.startsWith(' ') ? raw.slice(1) : raw
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
    else if (field === 'id' && !value.includes('\0')) id = value
  }

  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true })
    // A carriage return at the end of one piece and a line feed at the start of the next are one line end.
    if (text === '') return
    if (skipLineFeed && text.startsWith('\n')) text = text.slice(1)
    skipLineFeed = text.endsWith('\r')
    rest += text
    for (;;) {
      const end = rest.search(/[\r\n]/)
      if (end === -1) return
      const width = rest[end] === '\r' && rest[end + 1] === '\n' ? 2 : 1
      line(rest.slice(0, end))
      rest = rest.slice(end + width)
    }
  }
}

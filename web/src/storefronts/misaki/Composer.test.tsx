import { cleanup, createEvent, fireEvent, render, screen } from '@testing-library/react'
import { useState } from 'react'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Composer, LONGEST, lengthOf } from './Composer'

afterEach(cleanup)

function Held({
  first = '',
  busy = false,
  onSend,
}: {
  first?: string
  busy?: boolean
  onSend: (text: string) => void
}) {
  const [text, setText] = useState(first)
  return (
    <Composer
      text={text}
      onText={setText}
      onSend={onSend}
      onStop={() => undefined}
      busy={busy}
      stopping={false}
      touch={false}
    />
  )
}

const box = () => screen.getByRole('textbox')

describe('a Japanese conversion confirmed with Enter', () => {
  test('is not sent when keydown comes first (Chrome, Firefox)', () => {
    const onSend = vi.fn()
    render(<Held first="きょう" onSend={onSend} />)
    fireEvent.compositionStart(box())
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 229, isComposing: true })
    fireEvent.compositionEnd(box())
    fireEvent.keyUp(box(), { key: 'Enter', keyCode: 13 })
    expect(onSend).not.toHaveBeenCalled()
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 13 })
    expect(onSend).toHaveBeenCalledExactlyOnceWith('きょう')
  })

  test('is not sent when compositionend comes first (Safari)', () => {
    const onSend = vi.fn()
    render(<Held first="今日" onSend={onSend} />)
    fireEvent.compositionStart(box())
    fireEvent.compositionEnd(box())
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 229, isComposing: false })
    fireEvent.keyUp(box(), { key: 'Enter', keyCode: 229 })
    expect(onSend).not.toHaveBeenCalled()
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 13 })
    expect(onSend).toHaveBeenCalledExactlyOnceWith('今日')
  })
})

describe('the composer', () => {
  test('keeps the text and the newline key away from sending while an answer is given', () => {
    const onSend = vi.fn()
    render(<Held first="続き" busy onSend={onSend} />)
    const event = createEvent.keyDown(box(), { key: 'Enter', keyCode: 13 })
    fireEvent(box(), event)
    expect(onSend).not.toHaveBeenCalled()
    expect(event.defaultPrevented).toBe(true)
    expect(box()).toHaveProperty('value', '続き')
    expect(screen.getByRole('button', { name: '止める' })).toBeTruthy()
  })

  test('does not send blanks', () => {
    const onSend = vi.fn()
    render(<Held first={' 　\n'} onSend={onSend} />)
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 13 })
    expect(onSend).not.toHaveBeenCalled()
  })

  test('counts near the limit and refuses beyond it, by characters as the server counts them', () => {
    const onSend = vi.fn()
    render(<Held first={'𠮟'.repeat(LONGEST - 5)} onSend={onSend} />)
    expect(screen.getByText('あと5文字')).toBeTruthy()
    fireEvent.change(box(), { target: { value: '𠮟'.repeat(LONGEST + 3) } })
    expect(screen.getByText(/3文字多い/)).toBeTruthy()
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 13 })
    expect(onSend).not.toHaveBeenCalled()
    expect(lengthOf('𠮟👍')).toBe(2)
  })
})

import { describe, expect, test } from 'vitest'
import { sendsMessage } from './keys'

const enter = {
  key: 'Enter',
  shiftKey: false,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  isComposing: false,
  keyCode: 13,
}

describe('Enter', () => {
  test('sends on a keyboard', () => expect(sendsMessage(enter, false)).toBe(true))
  test('with Shift starts a new line', () => expect(sendsMessage({ ...enter, shiftKey: true }, false)).toBe(false))
  test('starts a new line on a touch keyboard', () => expect(sendsMessage(enter, true)).toBe(false))
  test('with Ctrl or Command sends anywhere', () => {
    expect(sendsMessage({ ...enter, ctrlKey: true }, true)).toBe(true)
    expect(sendsMessage({ ...enter, metaKey: true }, true)).toBe(true)
  })
  test('during a conversion never sends, not even with Ctrl', () => {
    expect(sendsMessage({ ...enter, isComposing: true, keyCode: 229 }, false)).toBe(false)
    expect(sendsMessage({ ...enter, isComposing: true }, false)).toBe(false)
    expect(sendsMessage({ ...enter, isComposing: true, ctrlKey: true }, false)).toBe(false)
  })
  test('that Safari reports after the conversion has ended does not send', () => {
    expect(sendsMessage({ ...enter, isComposing: false, keyCode: 229 }, false)).toBe(false)
  })
  test('is the only key that sends', () => expect(sendsMessage({ ...enter, key: 'a', keyCode: 65 }, false)).toBe(false))
})

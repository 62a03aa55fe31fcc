import { describe, expect, test } from 'vitest'
import { keysOf, shortcutOf } from './shortcuts'

const key = (key: string, more: Partial<KeyboardEvent> = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  isComposing: false,
  keyCode: 0,
  ...more,
})

describe('shortcuts', () => {
  test.each([
    [key('k', { ctrlKey: true }), 'search'],
    [key('k', { metaKey: true }), 'search'],
    [key('O', { ctrlKey: true, shiftKey: true }), 'new'],
    [key('C', { ctrlKey: true, shiftKey: true }), 'copy'],
    [key('c', { ctrlKey: true }), null],
    [key('i', { ctrlKey: true }), 'focus'],
    [key('/', { ctrlKey: true }), 'help'],
    [key('/', { ctrlKey: true, shiftKey: true }), 'help'],
    [key('/'), null],
    [key('k'), null],
    [key('k', { ctrlKey: true, altKey: true }), null],
    [key('Escape'), 'stop'],
    [key('Escape', { shiftKey: true }), null],
  ])('%o', (event, found) => expect(shortcutOf(event)).toBe(found))

  test('a key that belongs to a conversion does nothing', () => {
    expect(shortcutOf(key('Escape', { isComposing: true }))).toBeNull()
    expect(shortcutOf(key('k', { ctrlKey: true, keyCode: 229 }))).toBeNull()
  })

  test('are called as on the keyboard at hand', () => {
    expect(keysOf('new', true)).toEqual(['⌘', '⇧', 'O'])
    expect(keysOf('new', false)).toEqual(['Ctrl', 'Shift', 'O'])
  })
})

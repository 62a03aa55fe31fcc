import { useEffect, useRef } from 'react'
import { isConversionKey } from '../../ui/keys'

export type Shortcut = 'new' | 'search' | 'stop' | 'copy' | 'focus' | 'help'

type Key = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey' | 'isComposing' | 'keyCode'>

const held: Record<string, Shortcut> = { k: 'search', i: 'focus', '/': 'help' }
const heldShifted: Record<string, Shortcut> = { o: 'new', c: 'copy', '/': 'help' }

// Each takes Ctrl or ⌘, so that nothing happens to whoever only types, or speaks letters. Escape alone is for stopping.
export function shortcutOf(event: Key): Shortcut | null {
  if (isConversionKey(event)) return null
  const ctrl = event.ctrlKey || event.metaKey
  if (event.key === 'Escape') return ctrl || event.shiftKey || event.altKey ? null : 'stop'
  if (!ctrl || event.altKey) return null
  return (event.shiftKey ? heldShifted : held)[event.key.toLowerCase()] ?? null
}

// How the keys are called here: ⌘ on a Mac, Ctrl elsewhere.
export function keysOf(shortcut: Shortcut, mac = /mac/i.test(globalThis.navigator?.platform ?? '')): string[] {
  const key = mac ? '⌘' : 'Ctrl'
  const shift = mac ? '⇧' : 'Shift'
  return {
    new: [key, shift, 'O'],
    search: [key, 'K'],
    stop: ['Esc'],
    copy: [key, shift, 'C'],
    focus: [key, 'I'],
    help: [key, '/'],
  }[shortcut]
}

// A handler that returns false did nothing, and the browser goes on with the key.
export function useShortcuts(handlers: Partial<Record<Shortcut, () => boolean | undefined>>): void {
  const latest = useRef(handlers)
  latest.current = handlers
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // An open dialog has keys of its own.
      if (event.defaultPrevented || document.querySelector('dialog[open]')) return
      const shortcut = shortcutOf(event)
      const handler = shortcut && latest.current[shortcut]
      if (handler && handler() !== false) event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}

interface Key {
  key: string
  shiftKey: boolean
  ctrlKey: boolean
  altKey: boolean
  metaKey: boolean
  isComposing: boolean
  keyCode: number
}

// Enter that confirms a Japanese conversion must never send. Chrome and Firefox report isComposing on that key;
// Safari ends the composition first and then reports a plain Enter whose keyCode is still 229.
export function isConversionKey(event: Pick<Key, 'isComposing' | 'keyCode'>): boolean {
  return event.isComposing || event.keyCode === 229
}

export function sendsMessage(event: Key, touch: boolean): boolean {
  if (event.key !== 'Enter' || isConversionKey(event)) return false
  if (event.ctrlKey || event.metaKey) return true
  return !touch && !event.shiftKey && !event.altKey
}

// On a touch keyboard there is no comfortable Shift + Enter, so Enter writes a new line and the button sends.
export function isTouch(): boolean {
  return globalThis.matchMedia?.('(hover: none) and (pointer: coarse)').matches ?? false
}

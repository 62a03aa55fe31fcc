import { type KeyboardEvent, type Ref, useImperativeHandle, useLayoutEffect, useRef } from 'react'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { useWords } from '../../i18n/text'
import { Icon } from '../../ui/Icon'
import { isTouch, sendsMessage } from '../../ui/keys'
import styles from './composer.module.css'

export const LONGEST = 4000
const TELL_FROM = 3600

// Characters as the server counts them: an emoji or a rare kanji outside the basic plane is one.
export function lengthOf(text: string): number {
  let length = 0
  for (const _ of text) length += 1
  return length
}

export interface ComposerHandle {
  focus: () => void
}

interface Props {
  text: string
  onText: (text: string) => void
  onSend: (text: string) => void
  onStop: () => void
  busy: boolean
  stopping: boolean
  touch?: boolean
  ref?: Ref<ComposerHandle>
}

export function Composer({ text, onText, onSend, onStop, busy, stopping, touch = isTouch(), ref }: Props) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const area = useRef<HTMLTextAreaElement>(null)
  useImperativeHandle(ref, () => ({ focus: () => area.current?.focus() }), [])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const box = area.current
    if (!box) return
    box.style.height = 'auto'
    box.style.height = `${box.scrollHeight}px`
  }, [text])

  const length = lengthOf(text)
  const over = length > LONGEST
  const sendable = text.trim() !== '' && !over && !busy

  function send() {
    if (sendable) onSend(text.trim())
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    const { key, shiftKey, ctrlKey, altKey, metaKey, keyCode } = event
    const { isComposing } = event.nativeEvent
    if (!sendsMessage({ key, shiftKey, ctrlKey, altKey, metaKey, keyCode, isComposing }, touch)) return
    event.preventDefault()
    send()
  }

  return (
    <form
      className={styles['composer']}
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <textarea
        ref={area}
        className={styles['text']}
        rows={1}
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKeyDown}
        aria-label={words.composer}
        aria-describedby="composer-count"
        aria-invalid={over || undefined}
        placeholder={words.placeholder}
        title={touch ? undefined : words.keys}
        enterKeyHint={touch ? 'enter' : 'send'}
        autoComplete="off"
      />
      {busy ? (
        <button
          type="button"
          className={styles['act']}
          data-stop="true"
          onClick={onStop}
          disabled={stopping}
          aria-label={words.stop}
          title={words.stop}
        >
          <Icon name="stop" size={22} />
        </button>
      ) : (
        <button type="submit" className={styles['act']} disabled={!sendable} aria-label={words.send} title={words.send}>
          <Icon name="send" size={22} />
        </button>
      )}
      <span id="composer-count" className={styles['count']} data-over={over} role="status">
        {over && words.charsOver(count(length - LONGEST, locale))}
        {!over && length >= TELL_FROM && words.charsLeft(count(LONGEST - length, locale))}
      </span>
    </form>
  )
}

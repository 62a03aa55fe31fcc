import { lazy, memo, Suspense, useEffect, useRef, useState } from 'react'
import type { Message } from '../../api/types'
import { clock, count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { whyFailed } from '../../i18n/whyWords'
import { Announcer } from '../../ui/Announcer'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { CopyIcon } from '../../ui/CopyIcon'
import { Icon, type IconName } from '../../ui/Icon'
import { isTouch, sendsMessage } from '../../ui/keys'
import { Notice } from '../../ui/Notice'
import { LONGEST, lengthOf } from './Composer'
import { isUnfinished } from './chatCache'
import { Feedback } from './Feedback'
import styles from './message.module.css'
import { useRoomState } from './room'
import { useLiveRun } from './runBoard'

const Markdown = lazy(() => import('./Markdown').then((module) => ({ default: module.Markdown })))

// What can be done with a message on record.
export interface MessageActs {
  edit: (message: Message, text: string) => void
  again: (message: Message) => void
  show: (id: string) => void
  remove: (message: Message) => void
  judged: (message: Message, feedback: Message['feedback']) => void
}

function Act({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }) {
  return (
    <button type="button" className={styles['copy']} aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} size={18} />
    </button>
  )
}

function Versions({ message, acts }: { message: Message; acts: MessageActs }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const { versions } = message
  const at = versions.indexOf(message.id)
  if (versions.length < 2 || at < 0) return null
  const step = (to: number, icon: IconName, label: string) => (
    <button
      type="button"
      className={styles['copy']}
      aria-label={label}
      title={label}
      disabled={versions[to] === undefined}
      onClick={() => versions[to] !== undefined && acts.show(versions[to])}
    >
      <Icon name={icon} size={16} />
    </button>
  )
  return (
    <fieldset className={styles['versions']} aria-label={words.versions}>
      {step(at - 1, 'left', words.olderVersion)}
      <span role="status">
        {count(at + 1, locale)}/{count(versions.length, locale)}
      </span>
      {step(at + 1, 'right', words.newerVersion)}
    </fieldset>
  )
}

function Rewriting({ text, onSend, onClose }: { text: string; onSend: (text: string) => void; onClose: () => void }) {
  const words = useWords(misakiWords)
  const [draft, setDraft] = useState(text)
  const area = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    area.current?.focus()
    area.current?.setSelectionRange(text.length, text.length)
  }, [text])
  const fits = draft.trim() !== '' && draft.trim() !== text && lengthOf(draft) <= LONGEST
  return (
    <form
      className={styles['rewriting']}
      onSubmit={(event) => {
        event.preventDefault()
        if (fits) onSend(draft.trim())
      }}
    >
      <textarea
        ref={area}
        value={draft}
        rows={Math.min(8, draft.split('\n').length + 1)}
        aria-label={words.editMessage}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          const { key, shiftKey, ctrlKey, altKey, metaKey, keyCode } = event
          const { isComposing } = event.nativeEvent
          if (key === 'Escape' && !isComposing) {
            event.preventDefault()
            onClose()
          } else if (sendsMessage({ key, shiftKey, ctrlKey, altKey, metaKey, keyCode, isComposing }, isTouch())) {
            event.preventDefault()
            if (fits) onSend(draft.trim())
          }
        }}
      />
      <p className={styles['note']}>{words.editKeeps}</p>
      <div>
        <Button small look="plain" onClick={onClose}>
          {words.cancel}
        </Button>
        <Button small look="primary" type="submit" disabled={!fits}>
          {words.editSend}
        </Button>
      </div>
    </form>
  )
}

export function UserBubble({ text, message, acts }: { text: string; message?: Message; acts?: MessageActs | null }) {
  const words = useWords(misakiWords)
  const [editing, setEditing] = useState(false)
  return (
    <article className={styles['user']} aria-label={words.you} id={message?.id}>
      {editing && message && acts ? (
        <Rewriting
          text={text}
          onClose={() => setEditing(false)}
          onSend={(changed) => {
            setEditing(false)
            acts.edit(message, changed)
          }}
        />
      ) : (
        <p>{text}</p>
      )}
      {message && acts && !editing && (
        <footer className={styles['meta']} data-quiet="true">
          <At at={message.at} />
          <Versions message={message} acts={acts} />
          <Act icon="pen" label={words.editMessage} onClick={() => setEditing(true)} />
          <CopyButton text={text} />
          <Act icon="trash" label={words.deleteMessage} onClick={() => acts.remove(message)} />
        </footer>
      )}
    </article>
  )
}

function CopyButton({ text }: { text: string }) {
  const words = useWords(misakiWords)
  return <CopyIcon className={styles['copy']} text={text} copy={words.copy} copied={words.copied} />
}

function At({ at }: { at: string }) {
  const locale = useLocale()
  return (
    <time dateTime={at} title={dayAndTime(at, locale)}>
      {clock(at, locale)}
    </time>
  )
}

// Who answered, and why: the rule of a prepared reply, or the model that the plan leads to.
function Why({ message, model }: { message: Message; model: string | null }) {
  const words = useWords(roomWords)
  const misaki = useWords(misakiWords)
  const [open, setOpen] = useState(false)
  const { canned } = message
  if (!canned && !model) return null
  return (
    <>
      <button
        type="button"
        className={canned ? styles['why'] : styles['copy']}
        aria-expanded={open}
        aria-label={canned ? undefined : words.why}
        title={canned ? misaki.cannedWhy : words.why}
        onClick={() => setOpen(!open)}
      >
        {canned ? <Badge>{misaki.canned}</Badge> : <Icon name="info" size={18} />}
      </button>
      {open && (
        <p className={styles['whyText']} role="status">
          {canned ? words.byRule(words[`rule_${canned.rule}`] ?? canned.rule) : words.byModel(model ?? '')}
          {canned && <code>{canned.id}</code>}
        </p>
      )}
    </>
  )
}

export function Persona() {
  return (
    <span className={styles['persona']} lang="ja" aria-hidden="true">
      酒
    </span>
  )
}

export function Waiting({ words: said }: { words: string }) {
  return (
    <p className={styles['waiting']} role="status">
      <span className={styles['dots']} aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {said}
    </p>
  )
}

function Thinking() {
  const words = useWords(misakiWords)
  const [long, setLong] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), 4000)
    return () => clearTimeout(timer)
  }, [])
  return <Waiting words={long ? words.thinkingLong : words.thinking} />
}

export function Prose({ text, partial }: { text: string; partial: boolean }) {
  return (
    <div className={styles['prose']}>
      <Suspense fallback={<p className={styles['plain']}>{text}</p>}>
        <Markdown text={text} partial={partial} />
      </Suspense>
    </div>
  )
}

function FailedRun({ reason, onAgain }: { reason: string | null; onAgain: (() => void) | null }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  return (
    <Notice
      tone="warn"
      role="status"
      title={words.failed}
      actions={
        onAgain && (
          <Button small onClick={onAgain}>
            <Icon name="retry" size={16} />
            {words.askAgain}
          </Button>
        )
      }
    >
      <p>{whyFailed(reason, locale)}</p>
    </Notice>
  )
}

interface Props {
  message: Message
  acts: MessageActs | null
  onAgain: (() => void) | null
  onReconnect: (runId: string) => void
}

export const AssistantMessage = memo(function AssistantMessage({ message, acts, onAgain, onReconnect }: Props) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const { board, notices } = useRoomState()
  const live = useLiveRun(board, message.run?.id ?? null)
  const notice = notices.get(message.id)
  // Seen while it grew: its end is announced too.
  const [watched] = useState(() => isUnfinished(message))
  const growing = isUnfinished(message)
  // What was cut short keeps its open emphasis for ever, so it is healed like what still grows.
  const partial = message.run !== null && message.run.state !== 'completed'
  // The stream rebuilds from the first word; until it has caught up, what was durable stays on screen.
  const caughtUp = live !== null && (live.withdrawn || live.text.length >= message.text.length)
  const text = live && growing && caughtUp ? live.text : message.text
  const model = live?.model ?? message.run?.model ?? null
  const runId = message.run?.id
  return (
    <article className={styles['assistant']} aria-label={words.persona} data-growing={growing} id={message.id}>
      <Persona />
      <div className={styles['body']}>
        {notice && <p className={styles['note']}>{notice[locale]}</p>}
        {text === '' && growing && live?.aside && (
          <p className={styles['aside']} role="status">
            {live.aside[locale]}
          </p>
        )}
        {text === '' && growing && live?.line !== 'lost' && <Thinking />}
        {text !== '' && <Prose text={text} partial={partial} />}
        {watched && <Announcer text={text} done={!growing} />}
        {growing && live?.line === 'waiting' && <Waiting words={words.reconnecting} />}
        {growing && live?.line === 'lost' && runId && (
          <Notice
            tone="warn"
            role="status"
            title={words.lost}
            actions={
              <Button small onClick={() => onReconnect(runId)}>
                <Icon name="retry" size={16} />
                {words.reconnect}
              </Button>
            }
          >
            <p>{words.lostText}</p>
          </Notice>
        )}
        {message.run?.state === 'cancelled' && (
          <p className={styles['note']}>{message.run.reason === 'moderated' ? words.moderated : words.stopped}</p>
        )}
        {message.run?.is_closed && <p className={styles['note']}>{words.closed}</p>}
        {message.run?.state === 'failed' && <FailedRun reason={message.run.reason} onAgain={onAgain} />}
        {!growing && (text !== '' || message.versions.length > 1) && (
          <footer className={styles['meta']}>
            {message.canned && <Why message={message} model={model} />}
            <At at={message.at} />
            {acts && <Versions message={message} acts={acts} />}
            {text !== '' && <CopyButton text={text} />}
            {acts && (
              <>
                <Act icon="retry" label={words.anew} onClick={() => acts.again(message)} />
                <Feedback message={message} onSaid={acts.judged} />
                <Act icon="trash" label={words.deleteMessage} onClick={() => acts.remove(message)} />
              </>
            )}
            {!message.canned && <Why message={message} model={model} />}
          </footer>
        )}
      </div>
    </article>
  )
})

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { cancelRun, sayInPassing } from '../../api/inference'
import { describeProblem } from '../../api/problem'
import { guestDoorQuery, planQuery } from '../../api/queries'
import type { Message } from '../../api/types'
import { newKey } from '../../api/uuid'
import { currentLocale, useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { useWords } from '../../i18n/text'
import { Icon } from '../../ui/Icon'
import { isTouch } from '../../ui/keys'
import { Notice } from '../../ui/Notice'
import { Composer, type ComposerHandle } from './Composer'
import { isUnfinished } from './chatCache'
import { AssistantMessage, UserBubble, Waiting } from './MessageView'
import { useRoomState } from './room'
import styles from './room.module.css'
import type { RunEnd } from './runBoard'
import { useLiveRun } from './runBoard'
import { useFollowEnd } from './useFollowEnd'

const MOST = 40
const MOST_CHARS = 18_000

// As much of the end of the talk as may be sent along.
export function recent(messages: readonly Message[]): { role: Message['role']; text: string }[] {
  const kept: { role: Message['role']; text: string }[] = []
  let chars = 0
  for (const { role, text } of messages.toReversed()) {
    chars += text.length
    if (kept.length === MOST || chars > MOST_CHARS) break
    if (text !== '') kept.unshift({ role, text })
  }
  return kept
}

// A talk that this page alone remembers: leave it, and it is gone.
export function PassingPane({ ready }: { ready: boolean }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const client = useQueryClient()
  const { board } = useRoomState()
  useQuery({ ...planQuery, enabled: ready })
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const composer = useRef<ComposerHandle>(null)
  const { away, toEnd } = useFollowEnd(scroller, content, 'passing')
  const [messages, setMessages] = useState<readonly Message[]>([])
  const [draft, setDraft] = useState('')
  const [sending, setSending] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const running = messages.findLast(isUnfinished)?.run?.id ?? null
  const live = useLiveRun(board, running)

  useEffect(() => {
    if (!isTouch()) composer.current?.focus()
  }, [])

  const message = (role: Message['role'], text: string, more: Partial<Message> = {}): Message => {
    const id = newKey()
    return {
      id,
      role,
      text,
      at: new Date().toISOString(),
      versions: [id],
      canned: null,
      run: null,
      feedback: null,
      ...more,
    }
  }
  const end = (ended: RunEnd) => {
    setMessages((all) =>
      all.map((one) =>
        one.run?.id === ended.runId
          ? { ...one, text: ended.text, run: { ...one.run, ...ended.ended, model: ended.model } }
          : one,
      ),
    )
    void client.invalidateQueries({ queryKey: planQuery.queryKey })
  }

  async function send(text: string) {
    const earlier = recent(messages)
    setDraft('')
    setError(null)
    setSending(true)
    setMessages((all) => [...all, message('user', text)])
    toEnd()
    try {
      await client.ensureQueryData(guestDoorQuery(client))
      const answer = await sayInPassing(earlier, text, currentLocale())
      if (answer.kind === 'canned') {
        setMessages((all) => [...all, message('assistant', answer.text, { canned: answer.canned })])
      } else {
        const run = { id: answer.run_id, state: 'queued' as const, reason: null, is_closed: false, model: null }
        setMessages((all) => [...all, message('assistant', '', { run })])
        void board.follow(answer.run_id, end)
      }
    } catch (problem) {
      setError(problem)
      setMessages((all) => all.slice(0, -1))
      setDraft(text)
    }
    setSending(false)
  }

  const problem = error === null ? null : describeProblem(error, locale)
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section ref={scroller} className={styles['scroller']} aria-label={words.conversation} tabIndex={0}>
        <div ref={content} className={styles['column']} data-empty={messages.length === 0}>
          {messages.length === 0 && (
            <div className={styles['entrance']}>
              <Icon name="mask" size={40} />
              <h2>{words.passingTitle}</h2>
              <p>{words.passingText}</p>
            </div>
          )}
          {messages.map((one) =>
            one.role === 'user' ? (
              <UserBubble key={one.id} text={one.text} />
            ) : (
              <AssistantMessage
                key={one.id}
                message={one}
                acts={null}
                onAgain={null}
                onReconnect={(run) => void board.follow(run, end)}
              />
            ),
          )}
          {sending && <Waiting words={words.sending} />}
          {problem && <Notice tone="bad" role="alert" title={problem.summary} />}
        </div>
      </section>
      <div className={styles['foot']}>
        {away && (
          <button type="button" className={styles['latest']} onClick={() => toEnd(true)}>
            <Icon name="down" size={16} />
            {words.toLatest}
          </button>
        )}
        <Composer
          ref={composer}
          text={draft}
          onText={setDraft}
          onSend={(text) => void send(text)}
          onStop={() => running !== null && void cancelRun(running)}
          busy={running !== null || sending}
          stopping={live?.stopping ?? false}
        />
        <p className={styles['disclosure']}>{words.passingFoot}</p>
      </div>
    </>
  )
}

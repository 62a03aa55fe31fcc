import { useId, useState } from 'react'
import { judge, type Reason, reasons, unjudge } from '../../api/misaki'
import { describeProblem } from '../../api/problem'
import type { Message } from '../../api/types'
import { useLocale } from '../../i18n/locale'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { TextArea } from '../../ui/TextArea'
import list from './list.module.css'
import styles from './message.module.css'

interface Props {
  message: Message
  onSaid: (message: Message, feedback: Message['feedback']) => void
}

// Whether an answer was good. A thumb counts at once; why it was not may be told, or left.
export function Feedback({ message, onSaid }: Props) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const [asking, setAsking] = useState(false)
  const [said, setSaid] = useState('')
  const given = message.feedback ?? null

  async function press(liked: boolean) {
    const before = given
    const away = given?.liked === liked
    const at = new Date().toISOString()
    onSaid(message, away ? null : { liked, reason: null, text: null, with_talk: false, at })
    try {
      if (away) await unjudge(message.id)
      else onSaid(message, await judge(message.id, { liked }))
      setSaid(away ? words.feedbackTaken : words.feedbackThanks)
      if (!liked && !away) setAsking(true)
    } catch (error) {
      onSaid(message, before)
      setSaid(describeProblem(error, locale).summary)
    }
  }

  return (
    <>
      <button
        type="button"
        className={styles['copy']}
        aria-pressed={given?.liked === true}
        aria-label={words.good}
        title={words.good}
        onClick={() => void press(true)}
      >
        <Icon name="thumbUp" size={18} />
      </button>
      <button
        type="button"
        className={styles['copy']}
        aria-pressed={given?.liked === false}
        aria-label={words.bad}
        title={words.bad}
        onClick={() => void press(false)}
      >
        <Icon name="thumbDown" size={18} />
      </button>
      <span className="visually-hidden" role="status">
        {said}
      </span>
      {asking && (
        <WhyNot
          message={message}
          onClose={() => setAsking(false)}
          onSaid={(feedback) => {
            setAsking(false)
            onSaid(message, feedback)
          }}
        />
      )}
    </>
  )
}

interface WhyNotProps {
  message: Message
  onClose: () => void
  onSaid: (feedback: Message['feedback']) => void
}

function WhyNot({ message, onClose, onSaid }: WhyNotProps) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const name = useId()
  const [reason, setReason] = useState<Reason | null>(message.feedback?.reason ?? null)
  const [text, setText] = useState(message.feedback?.text ?? '')
  const [withTalk, setWithTalk] = useState(false)
  const [error, setError] = useState<unknown>(null)

  async function tell() {
    try {
      onSaid(
        await judge(message.id, {
          liked: false,
          ...(reason ? { reason } : {}),
          ...(text.trim() ? { text: text.trim() } : {}),
          with_talk: withTalk,
        }),
      )
    } catch (problem) {
      setError(problem)
    }
  }
  return (
    <Dialog title={words.whyBad} closeLabel={words.close} onClose={onClose}>
      <form
        className={list['settings']}
        onSubmit={(event) => {
          event.preventDefault()
          void tell()
        }}
      >
        <fieldset className={styles['reasons']}>
          <legend className="visually-hidden">{words.whyBad}</legend>
          {reasons.map((one) => (
            <label key={one}>
              <input type="radio" name={name} checked={reason === one} onChange={() => setReason(one)} />
              <span>{words[`reason_${one}`]}</span>
            </label>
          ))}
        </fieldset>
        <TextArea
          label={words.feedbackMore}
          rows={3}
          maxLength={500}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Check checked={withTalk} onChange={(event) => setWithTalk(event.target.checked)}>
          {words.withTalk}
        </Check>
        {error !== null && <Notice tone="bad" role="alert" title={describeProblem(error, locale).summary} />}
        <div className={list['choices']}>
          <Button look="plain" onClick={onClose}>
            {words.notNow}
          </Button>
          <Button look="primary" type="submit">
            {words.tell}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

import { Link } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { describeProblem } from '../../api/problem'
import { count, dollarsFromNano } from '../../i18n/format'
import { talkWords } from '../../i18n/genaiTalkWords'
import { genaiPlayWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { whyFailed } from '../../i18n/whyWords'
import { Announcer } from '../../ui/Announcer'
import { Button, buttonClass } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { duration } from './format'
import genai from './genai.module.css'
import type { Answer, Turn } from './play'
import styles from './play.module.css'

function AnswerView({ answer }: { answer: Answer }) {
  const words = useWords(genaiPlayWords)
  const talk = useWords(talkWords)
  const locale = useLocale()
  const over = answer.endedAt !== null
  const problem = answer.error ? describeProblem(answer.error, locale) : null
  return (
    <div className={styles['answer']} data-state={answer.state}>
      <h2>{answer.model}</h2>
      {answer.text !== '' && (
        <p className={styles['text']} lang="">
          {answer.text}
        </p>
      )}
      {answer.gone && <p className={genai['soft']}>{talk.answerGone}</p>}
      {!over && answer.text === '' && (
        <p className={genai['soft']}>{answer.state === 'asking' ? words.asking : words.streaming}</p>
      )}
      <Announcer text={answer.text} done={over} />
      {problem && (
        <Notice
          tone="bad"
          role="status"
          title={problem.summary}
          actions={
            <>
              {problem.suggestion && (
                <Link to={problem.suggestion.url} className={buttonClass({ small: true })}>
                  {words.seePlan}
                </Link>
              )}
              {problem.topup && (
                <Link to={problem.topup.url} className={buttonClass({ small: true })}>
                  {problem.topup.title}
                </Link>
              )}
            </>
          }
        />
      )}
      {answer.state === 'cancelled' && <small>{words.cancelled}</small>}
      {answer.state === 'failed' && !problem && (
        <Notice tone="bad" role="status" title={words.failed}>
          <p>
            {whyFailed(answer.reason, locale)} {answer.reason && <code>{answer.reason}</code>}
          </p>
        </Notice>
      )}
      {over && answer.tokens && (
        <small>
          {words.facts(
            duration((answer.endedAt ?? 0) - answer.startedAt, locale),
            count(answer.tokens.input, locale),
            count(answer.tokens.output, locale),
            dollarsFromNano(answer.costNano ?? 0, locale),
          )}{' '}
          {answer.runId && (
            <Link to="/genai/requests/$requestId" params={{ requestId: answer.runId }}>
              {words.record}
            </Link>
          )}
        </small>
      )}
    </div>
  )
}

// All is over, and something did not get its answer.
function isLost({ answers }: Turn): boolean {
  return answers.every(({ endedAt }) => endedAt !== null) && answers.some(({ state }) => state === 'failed')
}

interface Props {
  turns: readonly Turn[]
  // Puts a question back to where it was written.
  onPutBack: (text: string) => void
}

export function Turns({ turns, onPutBack }: Props) {
  const words = useWords(genaiPlayWords)
  const talk = useWords(talkWords)
  const box = useRef<HTMLElement>(null)
  const last = turns.at(-1)
  const grown = last?.answers.map(({ text }) => text.length).join()
  // Stays at the end while somebody is there, and where they are when they read further up.
  const atEnd = useRef(true)
  // biome-ignore lint/correctness/useExhaustiveDependencies: what has grown is what moves the end
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [grown, turns.length])
  return (
    <section
      ref={box}
      className={styles['turns']}
      aria-label={words.conversation}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, clientHeight, scrollTop } }) => {
        atEnd.current = scrollHeight - clientHeight - scrollTop < 24
      }}
    >
      {turns.length === 0 && <Empty cloth="genai" mark="問答" title={words.empty} text={words.emptyText} />}
      {turns.map((turn) => (
        <div key={turn.id}>
          <p className={styles['asked']}>
            <small>{words.you}</small>
            {turn.text ?? <span className={genai['soft']}>{talk.askedGone}</span>}
          </p>
          <div className={styles['columns']}>
            {turn.answers.map((answer, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns keep their places
              <AnswerView key={at} answer={answer} />
            ))}
          </div>
          {turn === last && turn.text !== null && isLost(turn) && (
            <div>
              <Button small onClick={() => onPutBack(turn.text ?? '')}>
                <Icon name="retry" size={16} />
                {words.putBack}
              </Button>
            </div>
          )}
        </div>
      ))}
    </section>
  )
}

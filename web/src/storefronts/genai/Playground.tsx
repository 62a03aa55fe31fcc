import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { type KeyboardEvent, type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { type Ask, type Model, quoteInference } from '../../api/genai'
import { describeProblem } from '../../api/problem'
import { genaiPlanQuery } from '../../api/queries'
import { count, dollarsFromNano } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { genaiPlayWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { offersQuery } from '../../shell/billing/queries'
import { Announcer } from '../../ui/Announcer'
import { Button, buttonClass } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Choose, Small } from '../../ui/Choose'
import { Dialog } from '../../ui/Dialog'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import { isConversionKey } from '../../ui/keys'
import { Notice } from '../../ui/Notice'
import { Gate } from './Console'
import { duration, perMillion } from './format'
import genai from './genai.module.css'
import { Presets } from './Presets'
import { Page, Snippets } from './parts'
import { type Answer, askOf, conversation, emptySettings, type Fault, faultsOf, type Settings, type Turn } from './play'
import styles from './play.module.css'
import { modelsQuery } from './queries'
import { useAnswers } from './useAnswers'

const SAYS_LATEST = 500

// Waits until typing has paused, so that a quote is asked for once a thought and not once a letter.
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SAYS_LATEST)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}

function AnswerView({ answer }: { answer: Answer }) {
  const words = useWords(genaiPlayWords)
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
        <small>
          {words.failed} {answer.reason && <code>{answer.reason}</code>}
        </small>
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

function Turns({ turns }: { turns: readonly Turn[] }) {
  const words = useWords(genaiPlayWords)
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
            {turn.text}
          </p>
          <div className={styles['columns']}>
            {turn.answers.map((answer, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns keep their places
              <AnswerView key={at} answer={answer} />
            ))}
          </div>
        </div>
      ))}
    </section>
  )
}

// What sending would cost at most, asked of the house and reserving nothing.
function QuoteLine({ asks }: { asks: readonly Ask[] }) {
  const words = useWords(genaiPlayWords)
  const locale = useLocale()
  const settled = useSettled(asks)
  const said = settled.every(({ messages }) => messages.at(-1)?.role === 'user')
  const query = useQuery({
    queryKey: ['genai', 'quote', settled],
    queryFn: ({ signal }) => Promise.all(settled.map((ask) => quoteInference(ask, signal))),
    enabled: said && settled.length > 0,
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 60_000,
  })
  if (!said || settled.length === 0) return <span className={styles['quote']} />
  if (query.error) {
    const { summary, suggestion } = describeProblem(query.error, locale)
    return (
      <span className={styles['quote']} role="status">
        {summary} {suggestion && <Link to={suggestion.url}>{words.seePlan}</Link>}
      </span>
    )
  }
  const quotes = query.data ?? []
  const sum = (of: (quote: (typeof quotes)[number]) => number) => quotes.reduce((all, one) => all + of(one), 0)
  return (
    <span className={styles['quote']} role="status">
      {query.data === undefined
        ? words.quoting
        : words.quote(
            count(
              sum((one) => one.input_tokens),
              locale,
            ),
            count(
              sum((one) => one.max_output_tokens),
              locale,
            ),
            dollarsFromNano(
              sum((one) => one.cost_upper_bound_nano_usd),
              locale,
            ),
          )}
    </span>
  )
}

interface ModelChoiceProps {
  label: string
  models: readonly Model[]
  value: string
  onChange: (model: string) => void
}

function ModelChoice({ label, models, value, onChange }: ModelChoiceProps) {
  const words = useWords(genaiPlayWords)
  const locale = useLocale()
  const offers = useQuery({ ...offersQuery('genai'), retry: false }).data
  const planTitle = (id: string) => offers?.find((offer) => offer.id === id)?.title[locale] ?? id
  const chosen = models.find(({ name }) => name === value)
  const options = models.map(({ name, price, in_plan, cheapest_plan }) => ({
    value: name,
    text: in_plan
      ? `${name} · ${perMillion(price.input_nano_usd)} / ${perMillion(price.output_nano_usd)}`
      : cheapest_plan === null
        ? words.lockedNoPlan(name)
        : words.locked(name, planTitle(cheapest_plan)),
  }))
  return (
    <div className={styles['fields']}>
      <Choose label={label} value={value} options={options} onChange={(model) => onChange(model ?? '')} />
      {chosen && !chosen.in_plan && chosen.cheapest_plan !== null && (
        <Notice
          tone="info"
          icon="key"
          title={words.openedBy(planTitle(chosen.cheapest_plan))}
          actions={
            <Link
              to="/plans/$storefront"
              params={{ storefront: 'genai' }}
              search={{ plan: chosen.cheapest_plan }}
              className={buttonClass({ small: true })}
            >
              {words.seePlan}
            </Link>
          }
        />
      )}
    </div>
  )
}

interface FigureProps {
  label: string
  value: string
  range: [string, string]
  wrong: boolean
  onChange: (value: string) => void
}

function Figure({ label, value, range, wrong, onChange }: FigureProps) {
  const words = useWords(genaiPlayWords)
  return (
    <Small label={label}>
      {(id) => (
        <>
          <input
            id={id}
            inputMode="decimal"
            autoComplete="off"
            value={value}
            aria-invalid={wrong || undefined}
            aria-describedby={`${id}-hint`}
            onChange={(event) => onChange(event.target.value)}
          />
          <small id={`${id}-hint`}>{words.range(...range)}</small>
        </>
      )}
    </Small>
  )
}

interface AreaProps {
  label: string
  hint: string
  value: string
  rows: number
  onChange: (value: string) => void
}

function Area({ label, hint, value, rows, onChange }: AreaProps) {
  return (
    <Small label={label}>
      {(id) => (
        <>
          <textarea
            id={id}
            rows={rows}
            value={value}
            aria-describedby={`${id}-hint`}
            onChange={(event) => onChange(event.target.value)}
          />
          <small id={`${id}-hint`}>{hint}</small>
        </>
      )}
    </Small>
  )
}

interface SettingsProps {
  models: readonly Model[]
  settings: Settings
  faults: readonly Fault[]
  onChange: (part: Partial<Settings>) => void
}

function SettingsForm({ models, settings, faults, onChange }: SettingsProps) {
  const words = useWords(genaiPlayWords)
  const [first = '', second] = settings.models
  const compared = second !== undefined
  const figure = (name: Fault, label: string, range: [string, string]) => (
    <Figure
      label={label}
      value={settings[name]}
      range={range}
      wrong={faults.includes(name)}
      onChange={(value) => onChange({ [name]: value })}
    />
  )
  return (
    <div className={styles['fields']}>
      <ModelChoice
        label={words.model}
        models={models}
        value={first}
        onChange={(model) => onChange({ models: compared ? [model, second] : [model] })}
      />
      <Check
        checked={compared}
        onChange={(event) => {
          const other = models.find(({ name, in_plan }) => in_plan && name !== first)?.name ?? first
          onChange({ models: event.target.checked ? [first, other] : [first] })
        }}
      >
        {words.compare}
      </Check>
      {compared && (
        <ModelChoice
          label={words.modelB}
          models={models}
          value={second}
          onChange={(model) => onChange({ models: [first, model] })}
        />
      )}
      <p className={genai['soft']}>{words.per}</p>
      <Area
        label={words.system}
        hint={words.systemHint}
        rows={3}
        value={settings.system}
        onChange={(system) => onChange({ system })}
      />
      {figure('maxTokens', words.maxTokens, ['1', '8192'])}
      <div className={styles['pair']}>
        {figure('temperature', words.temperature, ['0', '2'])}
        {figure('topP', words.topP, ['0', '1'])}
      </div>
      <Area
        label={words.stop}
        hint={words.stopHint}
        rows={2}
        value={settings.stop}
        onChange={(stop) => onChange({ stop })}
      />
    </div>
  )
}

interface ComposerProps {
  text: string
  onText: (text: string) => void
  onSend: () => void
  sendable: boolean
  busy: boolean
  onStop: () => void
  children: ReactNode
}

function Composer({ text, onText, onSend, sendable, busy, onStop, children }: ComposerProps) {
  const words = useWords(genaiPlayWords)
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const { key, ctrlKey, metaKey, keyCode } = event
    if (key !== 'Enter' || !(ctrlKey || metaKey)) return
    if (isConversionKey({ isComposing: event.nativeEvent.isComposing, keyCode })) return
    event.preventDefault()
    if (sendable) onSend()
  }
  return (
    <form
      className={styles['composer']}
      onSubmit={(event) => {
        event.preventDefault()
        if (sendable) onSend()
      }}
    >
      <textarea
        value={text}
        rows={3}
        aria-label={words.message}
        placeholder={words.keys}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className={styles['foot']}>
        {children}
        {busy ? (
          <Button look="danger" small onClick={onStop}>
            <Icon name="stop" size={16} />
            {words.stopIt}
          </Button>
        ) : (
          <Button type="submit" look="primary" small disabled={!sendable}>
            <Icon name="send" size={16} />
            {words.send}
          </Button>
        )}
      </div>
    </form>
  )
}

function CodeExport({ ask, onClose }: { ask: Ask; onClose: () => void }) {
  const words = useWords(genaiPlayWords)
  const form = useWords(formWords)
  const plan = useQuery(genaiPlanQuery)
  return (
    <Dialog title={words.codeTitle} closeLabel={form.close} onClose={onClose}>
      <Fetched query={plan}>{({ inference: { url } }) => <Snippets call={{ url, key: null, ask }} />}</Fetched>
    </Dialog>
  )
}

function Play({ models }: { models: readonly Model[] }) {
  const words = useWords(genaiPlayWords)
  const { model: wanted } = useSearch({ strict: false }) as { model?: string }
  const [settings, setSettings] = useState<Settings>(() => {
    const first = models.find(({ name }) => name === wanted) ?? models.find(({ in_plan }) => in_plan) ?? models[0]
    return { ...emptySettings, models: first ? [first.name] : [] }
  })
  const [text, setText] = useState('')
  const [showCode, setShowCode] = useState(false)
  // On a phone the conversation comes first; beside it there is room for the settings.
  const [roomy] = useState(() => window.matchMedia?.('(min-width: 60.01rem)').matches ?? true)
  const { turns, send, stop, empty, busy } = useAnswers()
  const faults = faultsOf(settings)
  const asks = useMemo(
    () =>
      faultsOf(settings).length > 0
        ? []
        : settings.models.map((model, column) =>
            askOf(settings, model, conversation(settings.system, turns, column, text)),
          ),
    [settings, turns, text],
  )
  const open = settings.models.every((name) => models.some((model) => model.name === name && model.in_plan))
  const sendable = text.trim() !== '' && !busy && open && asks.length > 0
  const change = (part: Partial<Settings>) => setSettings((now) => ({ ...now, ...part }))
  const exported = asks[0] && { ...asks[0], messages: asks[0].messages.length > 0 ? asks[0].messages : [] }
  return (
    <div className={styles['play']}>
      <div className={styles['work']}>
        <Turns turns={turns} />
        <Composer
          text={text}
          onText={setText}
          sendable={sendable}
          busy={busy}
          onStop={stop}
          onSend={() => {
            send(text.trim(), asks)
            setText('')
          }}
        >
          {busy ? <span className={styles['quote']}>{words.streaming}</span> : <QuoteLine asks={asks} />}
        </Composer>
        <div className={genai['row']}>
          <Button small disabled={!exported || exported.messages.length === 0} onClick={() => setShowCode(true)}>
            <Icon name="copy" size={16} />
            {words.getCode}
          </Button>
          <Button small look="plain" disabled={turns.length === 0 || busy} onClick={empty}>
            {words.clear}
          </Button>
        </div>
      </div>
      <div className={styles['side']}>
        <details className={styles['settings']} open={roomy}>
          <summary>{words.settings}</summary>
          <SettingsForm models={models} settings={settings} faults={faults} onChange={change} />
          <Presets settings={settings} onLoad={(loaded) => setSettings(loaded)} known={models} />
        </details>
      </div>
      {showCode && exported && <CodeExport ask={exported} onClose={() => setShowCode(false)} />}
    </div>
  )
}

export function Playground() {
  const words = useWords(genaiPlayWords)
  return (
    <Gate>
      {() => (
        <Page title={words.title}>
          <Models />
        </Page>
      )}
    </Gate>
  )
}

function Models() {
  const words = useWords(genaiPlayWords)
  const models = useQuery(modelsQuery)
  return (
    <Fetched query={models} height="24rem">
      {(all) => {
        const chats = all.filter(({ kind }) => kind !== 'embedding')
        return chats.length === 0 ? <Empty cloth="genai" mark="空" title={words.noModels} /> : <Play models={chats} />
      }}
    </Fetched>
  )
}

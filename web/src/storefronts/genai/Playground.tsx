import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type KeyboardEvent, type ReactNode, type Ref, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { type Ask, type Model, quoteInference } from '../../api/genai'
import { describeProblem } from '../../api/problem'
import { genaiPlanQuery } from '../../api/queries'
import { count, dollarsFromNano } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { talkWords } from '../../i18n/genaiTalkWords'
import { genaiPlayWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { Button, buttonClass } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import { isConversionKey } from '../../ui/keys'
import { Notice } from '../../ui/Notice'
import { Gate } from './Console'
import genai from './genai.module.css'
import { SettingsForm } from './PlaySettings'
import { Presets } from './Presets'
import { Page, Snippets } from './parts'
import { askOf, conversation, emptySettings, faultsOf, type Settings, settingsOf, type Turn, turnsOf } from './play'
import styles from './play.module.css'
import { createPlayDrafts, type PlayDraft, type PlayDrafts } from './playDrafts'
import { entryQuery, modelsQuery, talkQuery } from './queries'
import type { PlaySearch } from './search'
import { Talks } from './Talks'
import { Turns } from './Turns'
import { useAnswers } from './useAnswers'
import { useKeeping } from './useKeeping'

const NOTHING: Turn[] = []
// The conversation that has no address yet.
const NEW = 'new'
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

interface ComposerProps {
  text: string
  onText: (text: string) => void
  onSend: () => void
  sendable: boolean
  busy: boolean
  onStop: () => void
  area: Ref<HTMLTextAreaElement>
  children: ReactNode
}

function Composer({ text, onText, onSend, sendable, busy, onStop, area, children }: ComposerProps) {
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
        ref={area}
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

interface ConversationProps {
  models: readonly Model[]
  settings: Settings
  // The talk that is gone on with, and what was said in it.
  talk: string | null
  before: Turn[]
  onBegun: (talk: string) => void
  drafts: PlayDrafts
  // Under which name what is half written here is kept.
  place: string
}

function Conversation({ models, settings, talk, before, onBegun, drafts, place }: ConversationProps) {
  const words = useWords(genaiPlayWords)
  const talks = useWords(talkWords)
  const locale = useLocale()
  const [text, setText] = useState(() => drafts.get(place)?.text ?? '')
  const area = useRef<HTMLTextAreaElement>(null)
  const write = (now: string) => {
    setText(now)
    drafts.write(place, { text: now })
  }
  const [showCode, setShowCode] = useState(false)
  const { keep, problem } = useKeeping(talk, onBegun)
  const { turns, send, stop, busy } = useAnswers(before, keep)
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
  const exported = asks[0]
  const forgotten = turns.some((turn) => turn.text === null || turn.answers.some(({ gone }) => gone))
  return (
    <>
      <Turns
        turns={turns}
        onPutBack={(question) => {
          // A question that comes back waits above what has been typed since.
          write(text === '' ? question : `${question}\n${text}`)
          area.current?.focus()
        }}
      />
      {forgotten && (
        <Notice
          tone="info"
          title={talks.forgotten}
          actions={
            <Link to="/genai/settings/retention" className={buttonClass({ small: true })}>
              {talks.retention}
            </Link>
          }
        />
      )}
      {problem !== null && (
        <Notice tone="bad" role="status" title={talks.notKept(describeProblem(problem, locale).summary)} />
      )}
      <Composer
        area={area}
        text={text}
        onText={write}
        sendable={sendable}
        busy={busy}
        onStop={stop}
        onSend={() => {
          send(text.trim(), asks)
          write('')
        }}
      >
        {busy ? <span className={styles['quote']}>{words.streaming}</span> : <QuoteLine asks={asks} />}
      </Composer>
      <div className={genai['row']}>
        <Button small disabled={!exported || exported.messages.length === 0} onClick={() => setShowCode(true)}>
          <Icon name="copy" size={16} />
          {words.getCode}
        </Button>
      </div>
      {showCode && exported && <CodeExport ask={exported} onClose={() => setShowCode(false)} />}
    </>
  )
}

// A talk that was kept, with the settings of what was asked last.
function Opened({
  talk,
  onSettings,
  ...rest
}: Omit<ConversationProps, 'before'> & { onSettings: (part: Partial<Settings>) => void }) {
  const query = useQuery(talkQuery(talk ?? ''))
  const last = query.data?.turns.at(-1)
  const asked = useQueries({
    queries: [...(last?.answers ?? [])].sort((a, b) => a.place - b.place).map(({ id }) => entryQuery(id)),
    combine: (all) => ({
      settled: all.every(({ isPending }) => !isPending),
      entries: all.flatMap(({ data }) => data ?? []),
    }),
  })
  const { settled, entries } = asked
  const taken = useRef(false)
  useEffect(() => {
    if (taken.current || last === undefined || !settled) return
    taken.current = true
    onSettings(settingsOf(entries))
  }, [last, settled, entries, onSettings])
  return (
    <Fetched query={query} height="20rem">
      {(detail) => <Conversation {...rest} talk={talk} before={turnsOf(detail)} />}
    </Fetched>
  )
}

interface Shown {
  // Changes with each conversation that is begun or opened.
  key: number
  opened: string | null
  // As which it is kept.
  talk: string | null
}

// Which conversation is shown. The address says so, except for one that nothing was asked in yet.
function useShown() {
  const { talk: wanted = null } = useSearch({ strict: false }) as PlaySearch
  const navigate = useNavigate()
  const [shown, setShown] = useState<Shown>({ key: 0, opened: wanted, talk: wanted })
  useEffect(() => {
    setShown((now) => (now.talk === wanted ? now : { key: now.key + 1, opened: wanted, talk: wanted }))
  }, [wanted])
  const key = useRef(shown.key)
  key.current = shown.key
  const begun = useCallback(
    (at: number, talk: string) => {
      // Somebody may have gone elsewhere meanwhile.
      if (key.current !== at) return false
      setShown((now) => ({ ...now, talk }))
      void navigate({ to: '/genai/playground', search: { talk }, replace: true })
      return true
    },
    [navigate],
  )
  const anew = useCallback(() => {
    setShown((now) => ({ key: now.key + 1, opened: null, talk: null }))
    void navigate({ to: '/genai/playground', search: {} })
  }, [navigate])
  return { shown, begun, anew }
}

// What was set here before; else the model that the address names, or the first one that may be asked. A model that is gone since is
// not asked.
function firstSettings(models: readonly Model[], draft: PlayDraft | null, asked: string | null): Settings {
  const kept = draft?.settings ?? null
  const named = kept !== null && draft?.asked === asked ? undefined : models.find(({ name }) => name === asked)
  const known = kept?.models.filter((model) => models.some(({ name }) => name === model)) ?? []
  const first = named ?? models.find(({ in_plan }) => in_plan) ?? models[0]
  return { ...(kept ?? emptySettings), models: named || known.length === 0 ? (first ? [first.name] : []) : known }
}

function Play({ models, tenant }: { models: readonly Model[]; tenant: string }) {
  const words = useWords(genaiPlayWords)
  const talks = useWords(talkWords)
  const { model: wanted } = useSearch({ strict: false }) as PlaySearch
  const { shown, begun, anew } = useShown()
  const [drafts] = useState(() => createPlayDrafts(tenant))
  const place = shown.talk ?? NEW
  const [settings, setSettings] = useState(() => firstSettings(models, drafts.get(place), wanted ?? null))
  // On a phone the conversation comes first; beside it there is room for the settings.
  const [roomy] = useState(() => window.matchMedia?.('(min-width: 60.01rem)').matches ?? true)
  // Another conversation comes with what was set in it here.
  const { key, opened } = shown
  const at = useRef(key)
  useEffect(() => {
    if (at.current === key) return
    at.current = key
    const draft = drafts.get(place)
    if (draft?.settings) setSettings(firstSettings(models, draft, draft.asked))
  }, [key, place, drafts, models])
  const set = (next: Settings) => {
    setSettings(next)
    drafts.write(place, { settings: next, asked: wanted ?? null })
  }
  const take = useCallback(
    (part: Partial<Settings>) => {
      // What was set here since then is newer than what was asked with.
      if (drafts.get(place)?.settings) return
      // A model that is gone since is not asked.
      const known = part.models?.filter((model) => models.some(({ name }) => name === model)) ?? []
      setSettings((now) => ({ ...now, ...part, ...(known.length > 0 ? { models: known } : {}) }))
    },
    [models, drafts, place],
  )
  const onBegun = (talk: string) => {
    if (begun(key, talk)) drafts.move(NEW, talk)
  }
  const begin = () => {
    // A new chat begins with what is set now, and one in which nothing was asked yet begins empty.
    if (place === NEW) drafts.write(NEW, { text: '' })
    else if (!drafts.get(NEW)) drafts.write(NEW, { settings })
    anew()
  }
  const parts = { models, settings, onBegun, drafts, place }
  return (
    <div className={styles['play']}>
      <div className={styles['work']}>
        <div className={genai['row']}>
          <Button small onClick={begin}>
            <Icon name="plus" size={16} />
            {talks.anew}
          </Button>
        </div>
        {opened === null ? (
          <Conversation key={key} {...parts} talk={null} before={NOTHING} />
        ) : (
          <Opened key={key} {...parts} talk={opened} onSettings={take} />
        )}
      </div>
      <div className={styles['side']}>
        <Talks shown={shown.talk} open={roomy} onGone={anew} />
        <details className={styles['settings']} open={roomy}>
          <summary>{words.settings}</summary>
          <SettingsForm
            models={models}
            settings={settings}
            faults={faultsOf(settings)}
            onChange={(part) => set({ ...settings, ...part })}
          />
          <Presets settings={settings} onLoad={set} known={models} />
        </details>
      </div>
    </div>
  )
}

export function Playground() {
  const words = useWords(genaiPlayWords)
  return (
    <Gate>
      {(me) => (
        <Page title={words.title}>
          <Models tenant={me.tenant.id} />
        </Page>
      )}
    </Gate>
  )
}

function Models({ tenant }: { tenant: string }) {
  const words = useWords(genaiPlayWords)
  const models = useQuery(modelsQuery)
  return (
    <Fetched query={models} height="24rem">
      {(all) => {
        const chats = all.filter(({ kind }) => kind !== 'embedding')
        return chats.length === 0 ? (
          <Empty cloth="genai" mark="空" title={words.noModels} />
        ) : (
          <Play models={chats} tenant={tenant} />
        )
      }}
    </Fetched>
  )
}

import type { Ask, HistoryEntry, Said } from '../../api/genai'
import type { TalkAnswer, TalkDetail } from '../../api/talks'

// What somebody has set, as typed: an empty field leaves the choice to the model.
export interface Settings {
  models: string[]
  system: string
  maxTokens: string
  temperature: string
  topP: string
  stop: string
}

export const emptySettings: Settings = { models: [], system: '', maxTokens: '512', temperature: '', topP: '', stop: '' }

export interface Answer {
  model: string
  runId: string | null
  text: string
  state: 'asking' | 'streaming' | 'completed' | 'failed' | 'cancelled'
  reason: string | null
  error: unknown
  tokens: { input: number; output: number } | null
  costNano: number | null
  // What it said is no longer kept.
  gone: boolean
  startedAt: number
  endedAt: number | null
}

export interface Turn {
  id: string
  // Null where it is no longer kept.
  text: string | null
  // One for each model that was asked, in the order of the columns.
  answers: Answer[]
}

export type PlayEvent =
  | { type: 'asked'; id: string; text: string; models: readonly string[]; at: number }
  | { type: 'accepted'; turn: string; column: number; runId: string }
  | { type: 'grown'; turn: string; column: number; text: string }
  | { type: 'refused'; turn: string; column: number; error: unknown; at: number }
  | {
      type: 'ended'
      turn: string
      column: number
      state: 'completed' | 'failed' | 'cancelled'
      reason: string | null
      tokens: { input: number; output: number }
      costNano: number
      at: number
    }

function answered(turns: readonly Turn[], turn: string, column: number, part: (before: Answer) => Partial<Answer>) {
  return turns.map((one) =>
    one.id === turn
      ? {
          ...one,
          answers: one.answers.map((answer, at) => (at === column ? { ...answer, ...part(answer) } : answer)),
        }
      : one,
  )
}

export function played(turns: readonly Turn[], event: PlayEvent): Turn[] {
  switch (event.type) {
    case 'asked':
      return [
        ...turns,
        {
          id: event.id,
          text: event.text,
          answers: event.models.map((model) => ({
            model,
            runId: null,
            text: '',
            state: 'asking',
            reason: null,
            error: null,
            tokens: null,
            costNano: null,
            gone: false,
            startedAt: event.at,
            endedAt: null,
          })),
        },
      ]
    case 'accepted':
      return answered(turns, event.turn, event.column, () => ({ runId: event.runId, state: 'streaming' }))
    case 'grown':
      return answered(turns, event.turn, event.column, () => ({ text: event.text }))
    case 'refused':
      return answered(turns, event.turn, event.column, () => ({
        state: 'failed',
        error: event.error,
        endedAt: event.at,
      }))
    case 'ended':
      return answered(turns, event.turn, event.column, () => ({
        state: event.state,
        reason: event.reason,
        tokens: event.tokens,
        costNano: event.costNano,
        endedAt: event.at,
      }))
  }
}

export function underWay(turns: readonly Turn[]): { runId: string | null }[] {
  return turns.flatMap(({ answers }) => answers.filter(({ state }) => state === 'asking' || state === 'streaming'))
}

// What one column's model is told: only turns that it answered itself, since a stranger's words would be put into its mouth.
export function conversation(system: string, turns: readonly Turn[], column: number, next: string): Said[] {
  const said: Said[] = system.trim() === '' ? [] : [{ role: 'system', content: system.trim() }]
  for (const turn of turns) {
    const answer = turn.answers[column]
    if (!answer || answer.text === '' || turn.text === null) continue
    said.push({ role: 'user', content: turn.text }, { role: 'assistant', content: answer.text })
  }
  if (next.trim() !== '') said.push({ role: 'user', content: next.trim() })
  return said
}

function answerOf(answer: TalkAnswer): Answer {
  const { status, completed_at, created_at } = answer
  const over = completed_at !== null
  return {
    model: answer.model,
    runId: answer.id,
    text: answer.text ?? '',
    state: status === 'queued' || status === 'processing' ? 'streaming' : status,
    reason: answer.error?.code ?? null,
    error: null,
    tokens: over ? { input: answer.tokens.input, output: answer.tokens.output } : null,
    costNano: over ? answer.cost_nano_usd : null,
    gone: over && answer.text === null,
    startedAt: Date.parse(created_at),
    endedAt: over ? Date.parse(completed_at) : null,
  }
}

// One that was refused and never ran.
const never: Answer = {
  model: '—',
  runId: null,
  text: '',
  state: 'failed',
  reason: null,
  error: null,
  tokens: null,
  costNano: null,
  gone: false,
  startedAt: 0,
  endedAt: 0,
}

// A conversation as it was kept. Columns keep their places, and an answer under way is followed from its beginning.
export function turnsOf({ turns }: TalkDetail): Turn[] {
  return turns.map(({ id, asked, answers }) => {
    const columns = Math.max(...answers.map(({ place }) => place)) + 1
    const at = (place: number) => answers.find((answer) => answer.place === place)
    return {
      id,
      text: asked,
      answers: Array.from({ length: columns }, (_, place) => {
        const answer = at(place)
        return answer ? answerOf(answer) : never
      }),
    }
  })
}

function typed(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : ''
}

// What was set when these were asked, one request for each column.
export function settingsOf(entries: readonly HistoryEntry[]): Partial<Settings> {
  const [first] = entries
  if (first === undefined) return {}
  const { messages, parameters } = first
  const stop = parameters?.['stop']
  return {
    models: entries.map(({ model }) => model),
    ...(messages === null ? {} : { system: messages.find(({ role }) => role === 'system')?.text ?? '' }),
    ...(parameters === null
      ? {}
      : {
          maxTokens: typed(parameters['max_tokens']),
          temperature: typed(parameters['temperature']),
          topP: typed(parameters['top_p']),
          stop: Array.isArray(stop) ? stop.map(String).join('\n') : typed(stop),
        }),
  }
}

export type Fault = 'maxTokens' | 'temperature' | 'topP'

const ranges: Record<Fault, { from: number; to: number; whole: boolean }> = {
  maxTokens: { from: 1, to: 8192, whole: true },
  temperature: { from: 0, to: 2, whole: false },
  topP: { from: 0, to: 1, whole: false },
}

function figure(text: string): number | null {
  const plain = text.normalize('NFKC').trim()
  return plain === '' ? null : Number(plain)
}

export function faultsOf(settings: Settings): Fault[] {
  return (Object.keys(ranges) as Fault[]).filter((name) => {
    const value = figure(settings[name])
    const { from, to, whole } = ranges[name]
    return value !== null && (!(value >= from && value <= to) || (whole && !Number.isInteger(value)))
  })
}

export function stopsOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, 4)
}

export function askOf(settings: Settings, model: string, messages: Said[]): Ask {
  const maxTokens = figure(settings.maxTokens)
  const temperature = figure(settings.temperature)
  const topP = figure(settings.topP)
  const stop = stopsOf(settings.stop)
  return {
    model,
    messages,
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
    ...(temperature === null ? {} : { temperature }),
    ...(topP === null ? {} : { top_p: topP }),
    ...(stop.length > 0 ? { stop } : {}),
  }
}

import type { RequestStatus } from '../../api/genai'
import { groupings, isSpan, type SpanName, type Split } from './spans'

type Search = Record<string, unknown>

// The router reads what looks like a number as one.
function word(value: unknown, longest = 200): string | undefined {
  const text = typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && text.trim() !== '' && text.length <= longest ? text : undefined
}

function day(value: unknown): string | undefined {
  const text = word(value, 10)
  return text !== undefined && /^20\d\d-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : undefined
}

export const statuses = ['queued', 'processing', 'completed', 'failed', 'cancelled'] as const

export interface RequestsSearch {
  model?: string | undefined
  status?: RequestStatus | undefined
  key?: string | undefined
  tag?: string | undefined
  from?: string | undefined
  to?: string | undefined
  q?: string | undefined
}

// What is not accepted must be named as absent: the router keeps what a validation leaves out.
export function requestsSearch(search: Search): RequestsSearch {
  return {
    model: word(search['model']),
    status: statuses.find((status) => status === search['status']),
    key: word(search['key']),
    tag: word(search['tag']),
    from: day(search['from']),
    to: day(search['to']),
    q: word(search['q']),
  }
}

// Days are chosen by the clock of whoever looks; the last one is meant whole.
export function filterOf({ from, to, ...rest }: RequestsSearch) {
  const beginning = from === undefined ? undefined : new Date(`${from}T00:00:00`).toISOString()
  const end = to === undefined ? undefined : new Date(`${to}T00:00:00`)
  end?.setDate(end.getDate() + 1)
  return { ...rest, from: beginning, to: end?.toISOString() }
}

export interface StatisticsSearch {
  span?: SpanName | undefined
  by?: Split | undefined
}

export function statisticsSearch(search: Search): StatisticsSearch {
  const { span, by } = search
  return { span: isSpan(span) ? span : undefined, by: groupings.find((one) => one === by) }
}

export interface PlaySearch {
  model?: string | undefined
  talk?: string | undefined
}

export function playSearch(search: Search): PlaySearch {
  return { model: word(search['model']), talk: word(search['talk'], 60) }
}

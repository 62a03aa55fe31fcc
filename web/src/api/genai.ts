// The inference API as its console sees it: what was asked, what it cost, which models there are.

import { currentLocale } from '../i18n/locale'
import type { Delivery } from './hooks'
import { genaiAccess } from './inference'
import { ApiError, toProblem, unwrap } from './problem'
import type { Bilingual, Page } from './types'

export type RequestStatus = 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled'
export type Health = 'up' | 'slow' | 'down' | 'unknown'

export interface Tokens {
  input: number
  output: number
  cached: number
  written: number
  thought: number
}

export interface Inference {
  id: string
  status: RequestStatus
  model: string
  model_used: string | null
  door: string
  queue_position: number | null
  created_at: string
  started_at: string | null
  completed_at: string | null
  processing_time_ms: number | null
  tokens: Tokens
  cost_nano_usd: number
  is_cached: boolean
  // False once its text is gone.
  is_stored: boolean
  tags: string[]
  error: { code: string; title: Bilingual } | null
}

export interface HistoryItem extends Inference {
  prompt_excerpt: string | null
  text_excerpt: string | null
  // True where its text is here but does not open.
  is_closed: boolean
  key: { id: string; name: string } | null
}

export interface Said {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface Kept {
  role: string
  text: string
  images: number
  documents: number
  tool_calls: unknown[]
}

export interface TimelineEntry {
  at: string
  what: string
  detail: string | null
}

export interface HistoryEntry extends HistoryItem {
  messages: Kept[] | null
  parameters: Record<string, unknown> | null
  text: string | null
  tool_calls: unknown[] | null
  finish_reason: string | null
  timeline: TimelineEntry[]
  // The address that was to be told of the end.
  webhook: { url: string; events: string[]; deliveries: Delivery[] } | null
}

export interface HistoryFilter {
  model?: string | undefined
  status?: RequestStatus | undefined
  key?: string | undefined
  tag?: string | undefined
  from?: string | undefined
  to?: string | undefined
  q?: string | undefined
}

export interface Figures {
  requests: number
  completed: number
  failed: number
  cancelled: number
  success_rate: number | null
  mean_ms: number | null
  p95_ms: number | null
  tokens: Tokens
  cost_nano_usd: number
}

export type Grouping = 'none' | 'model' | 'key' | 'tag' | 'day' | 'hour' | 'minute'

export interface Statistics {
  totals: Figures
  zone: string
  groups: (Figures & { name: string; id: string | null })[]
  // What is not shown by itself, of more groups than are.
  others: (Figures & { groups: number }) | null
}

interface Prices {
  input_nano_usd: number
  cached_nano_usd: number
  output_nano_usd: number
  written_nano_usd: number
}

export interface Model {
  name: string
  kind: string
  // For 1,000 tokens, in billionths of a US dollar.
  price: Prices & { long: (Prices & { over: number }) | null }
  in_plan: boolean
  cheapest_plan: string | null
  health: Health
}

export interface ModelStatus {
  model: string
  health: Health
  success_rate_1h: number | null
  p50_ms: number | null
}

export interface ProviderStatus {
  provider: string
  health: Health
  success_rate_1h: number | null
  first_word_p50_ms: number | null
}

export interface Status {
  items: ModelStatus[]
  // Those that were asked in the last hour.
  providers: ProviderStatus[]
}

export interface Ask {
  model: string
  messages: Said[]
  max_tokens?: number
  temperature?: number
  top_p?: number
  stop?: string[]
}

export interface Quote {
  model: string
  input_tokens: number
  max_output_tokens: number
  cost_upper_bound_nano_usd: number
  units: { unit: string; amount: number }
}

export const keeps = ['always', 'days', 'metadata', 'none'] as const
export type Keep = (typeof keeps)[number]

export interface KeepRule {
  keep: Keep
  // With `days` only.
  days: number | null
}

export interface Retention {
  tenant: KeepRule
  // What goes before the tenant's rule.
  keys: (KeepRule & { key: { id: string; name: string } })[]
}

type Facts = Record<string, string | number | undefined>

export function withQuery(path: string, facts: Facts): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(facts)) if (value !== undefined) query.set(name, String(value))
  return query.size > 0 ? `${path}?${query}` : path
}

export async function read<T>(request: Request): Promise<T> {
  request.headers.set('accept-language', currentLocale())
  const answer = async () => {
    const response = await globalThis.fetch(request)
    const body: unknown = response.status === 204 ? undefined : await response.json().catch(() => undefined)
    return response.ok ? { data: body as T, response } : { error: body, response }
  }
  return unwrap(answer())
}

export function onAccount(method: string, path: string, body?: unknown, signal?: AbortSignal): Request {
  return new Request(new URL(path, window.location.origin), {
    method,
    credentials: 'same-origin',
    ...(signal ? { signal } : {}),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
}

// A call goes out with a live token, and once more with a new one when the first was refused.
async function onInference<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const call = async (fresh: boolean) => {
    const { url, token } = await genaiAccess.access(fresh)
    return read<T>(
      new Request(`${url}${path}`, {
        method: 'POST',
        credentials: 'omit',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...(signal ? { signal } : {}),
      }),
    )
  }
  try {
    return await call(false)
  } catch (error) {
    if (!(error instanceof ApiError && error.problem.status === 401)) throw error
    return call(true)
  }
}

export function getHistory(filter: HistoryFilter, cursor: string | null, limit = 25): Promise<Page<HistoryItem>> {
  return read(onAccount('GET', withQuery('/history', { ...filter, limit, cursor: cursor ?? undefined })))
}

export function getHistoryEntry(id: string): Promise<HistoryEntry> {
  return read(onAccount('GET', `/history/${encodeURIComponent(id)}`))
}

export function deleteHistoryEntry(id: string): Promise<unknown> {
  return read(onAccount('DELETE', `/history/${encodeURIComponent(id)}`))
}

export function deleteHistory(ids: readonly string[]): Promise<{ deleted: number }> {
  return read(onAccount('POST', '/history/delete', { ids }))
}

export interface Span {
  from?: string | undefined
  to?: string | undefined
}

export function getStatistics(by: Grouping, span: Span): Promise<Statistics> {
  return read(onAccount('GET', withQuery('/statistics', { by, ...span })))
}

// The forms in which the sums can be taken away, and what each is called on the wire.
const tables = { csv: 'text/csv', parquet: 'application/vnd.apache.parquet' } as const
export type TableForm = keyof typeof tables

export async function getStatisticsTable(form: TableForm, by: Grouping, span: Span): Promise<Blob> {
  const request = onAccount('GET', withQuery('/statistics', { by, ...span }))
  request.headers.set('accept', tables[form])
  const response = await globalThis.fetch(request)
  if (!response.ok) throw new ApiError(toProblem(await response.json().catch(() => null), response))
  return response.blob()
}

export async function getModels(): Promise<Model[]> {
  return (await read<{ items: Model[] }>(onAccount('GET', '/genai/models'))).items
}

export function getStatus(): Promise<Status> {
  return read(onAccount('GET', '/status'))
}

export function getRetention(): Promise<Retention> {
  return read(onAccount('GET', '/genai/retention'))
}

// For the whole tenant, or for one key.
export function setRetention(key: string | null, { keep, days }: KeepRule): Promise<Retention> {
  const path = key === null ? '/genai/retention' : `/genai/retention/${encodeURIComponent(key)}`
  return read(onAccount('PUT', path, days === null ? { keep } : { keep, days }))
}

export function takeBackRetention(key: string): Promise<unknown> {
  return read(onAccount('DELETE', `/genai/retention/${encodeURIComponent(key)}`))
}

export function startInference(ask: Ask): Promise<Inference> {
  return onInference('/inference', ask)
}

export function quoteInference(ask: Ask, signal?: AbortSignal): Promise<Quote> {
  return onInference('/inference/quote', ask, signal)
}

export function cancelInference(id: string): Promise<Inference> {
  return onInference(`/inference/${encodeURIComponent(id)}/cancel`, {})
}

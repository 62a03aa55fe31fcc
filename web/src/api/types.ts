// The HTTP contract, written by hand until the server's OpenAPI document exists. `npm run api` then writes
// schema.gen.ts, `paths` is imported from there, and the names below become aliases of its components.

export type Locale = 'ja' | 'en'
export type Bilingual = Record<Locale, string>

export interface FieldProblem {
  pointer: string
  code: string
  text: Bilingual
}

export interface Problem {
  type: string
  code: string
  status: number
  title: string
  detail?: string
  text?: Bilingual
  request_id?: string
  errors?: FieldProblem[]
  retry_after?: number
  suggestion?: { plan: string; title: Bilingual; url: string }
}

export interface Me {
  user: { id: string; email: string; display_name: string | null; locale: Locale } | null
  tenant: { id: string; kind: string }
  guest: boolean
}

export type DemoRole = 'guest' | 'free' | 'paid' | 'vip'

export interface DemoLogin {
  as: DemoRole
  email: string | null
  password: string | null
  title: Bilingual
}

export type StorefrontId = 'misaki' | 'webgpt' | 'genai' | 'narai'

export interface House {
  name: string
  version: string
  demo: boolean
  demo_logins: DemoLogin[]
  storefronts: { id: StorefrontId; open: boolean }[]
  readiness: { id: string; ready: boolean; text: Bilingual }[]
}

export interface Quota {
  unit: string
  granted: number
  available: number
  held: number
  used: number
  resets_at: string | null
  every: 'day' | 'month'
}

export interface PlanView {
  storefront: string
  plan: { id: string; version: number; title: Bilingual; price_yen: number }
  status: string
  expires_at: string | null
  limits: { per_minute: number; concurrent: number }
  quotas: Quota[]
  features: Record<string, unknown>
  inference: { url: string; token: string; expires_at: string }
}

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

export interface UsageRow {
  run_id: string
  at: string
  model: string | null
  tokens_in: number
  tokens_out: number
  cost_nano_usd: number
  unit: string
  amount: number
  outcome: 'completed' | 'failed' | 'cancelled'
}

export interface LedgerBalance {
  account: string
  unit: string
  balance: number
}

export interface LedgerEntry {
  transfer_id: string
  at: string
  kind: string
  account: string
  unit: string
  amount: number
  lot_id: string | null
  ref: string | null
}

export type LedgerPage = Page<LedgerEntry> & { balances: LedgerBalance[] }

export type RunState = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'
export type MatchRule = 'exact' | 'folded' | 'pattern'

export interface MessageRun {
  id: string
  state: RunState
  reason: string | null
  model: string | null
}

export interface Message {
  id: string
  role: 'user' | 'assistant'
  text: string
  at: string
  canned: { id: string; rule: MatchRule } | null
  run: MessageRun | null
}

export interface ChatSummary {
  id: string
  title: string | null
  created_at: string
  updated_at: string
}

export interface Chat extends ChatSummary {
  messages: Message[]
}

export type SendReply =
  | { kind: 'canned'; chat_id: string; user: Message; assistant: Message }
  | { kind: 'run'; chat_id: string; user: Message; assistant: Message; run_id: string }

export interface Run {
  id: string
  state: RunState
  reason: string | null
  model: string | null
  route: string
  tokens_in: number
  tokens_out: number
  cost_nano_usd: number
  output: string
  created_at: string
  started_at: string | null
  ended_at: string | null
  last_event_id: number
}

export interface EndedData {
  state: 'completed' | 'failed' | 'cancelled'
  reason: string | null
  tokens_in: number
  tokens_out: number
  cost_nano_usd: number
}

export type RunEvent =
  | { id: number; event: 'started'; data: { run_id: string; model: string } }
  | { id: number; event: 'delta'; data: { text: string } }
  | { id: number; event: 'ended'; data: EndedData }

type Answer<T, Status extends number = 200> = {
  responses: { [S in Status]: { content: { 'application/json': T } } } & {
    default: { content: { 'application/problem+json': Problem } }
  }
}
type Empty = {
  responses: { 204: { content?: never } } & { default: { content: { 'application/problem+json': Problem } } }
}
type Json<T> = { requestBody: { content: { 'application/json': T } } }
type Query<T> = { parameters: { query: T } }
type Path<T> = { parameters: { path: T } }
type Paging = { limit?: number; cursor?: string }

// The shape openapi-fetch reads; the same names as in the generated file.
export interface paths {
  '/auth/register': {
    post: Json<{ email: string; password: string; display_name?: string; locale?: Locale }> & Answer<Me, 201>
  }
  '/auth/login': { post: Json<{ email: string; password: string }> & Answer<Me> }
  '/auth/logout': { post: Empty }
  '/auth/guest': { post: Answer<Me, 200 | 201> }
  '/auth/me': { get: Answer<Me> }
  '/house': { get: Answer<House> }
  '/demo/sign-in': { post: Json<{ as: DemoRole }> & Answer<Me> }
  '/billing/plan': { get: Query<{ storefront: string }> & Answer<PlanView> }
  '/billing/usage': { get: Query<{ storefront: string } & Paging> & Answer<Page<UsageRow>> }
  '/billing/ledger': { get: Query<{ unit: string } & Paging> & Answer<LedgerPage> }
  '/api/misaki/phrases': { get: Answer<unknown> }
  '/api/misaki/chats': { get: Query<Paging> & Answer<Page<ChatSummary>> }
  '/api/misaki/chats/{chat}': {
    get: Path<{ chat: string }> & Answer<Chat>
    delete: Path<{ chat: string }> & Empty
  }
  '/misaki/messages': {
    post: { parameters: { header: { 'Idempotency-Key': string } } } & Json<{
      chat_id: string | null
      text: string
      locale?: Locale
    }> &
      Answer<SendReply, 200 | 202>
  }
  '/inference/{run}': { get: Path<{ run: string }> & Answer<Run> }
  '/inference/{run}/cancel': { post: Path<{ run: string }> & Answer<Run> }
}

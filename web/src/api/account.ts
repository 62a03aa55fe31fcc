import { account } from './client'
import { ApiError, hasCode, unwrap } from './problem'
import type {
  Chat,
  ChatSummary,
  DemoRole,
  Findings,
  House,
  LedgerPage,
  Locale,
  Me,
  Page,
  PlanView,
  Registered,
  SecondStep,
  UsageRow,
} from './types'

export interface Registration {
  email: string
  password: string
  displayName: string
  locale: Locale
}

export function register({ email, password, displayName, locale }: Registration): Promise<Registered> {
  const named = displayName === '' ? {} : { display_name: displayName }
  return unwrap(account.POST('/auth/register', { body: { email, password, locale, ...named } }))
}

// Whoever has set up a second factor gets a ticket for it instead of a session.
export function signIn(email: string, password: string): Promise<Me | SecondStep> {
  return unwrap(account.POST('/auth/login', { body: { email, password } }))
}

export function signInAsDemo(as: DemoRole): Promise<Me> {
  return unwrap(account.POST('/demo/sign-in', { body: { as } }))
}

export function openAsGuest(): Promise<Me> {
  return unwrap(account.POST('/auth/guest'))
}

export async function signOut(): Promise<void> {
  try {
    await unwrap(account.POST('/auth/logout'))
  } catch (error) {
    // Someone whose session has already ended is signed out, which is what was asked for.
    if (!hasCode(error, 'unauthenticated')) throw error
  }
}

export async function whoAmI(): Promise<Me | null> {
  try {
    return await unwrap(account.GET('/auth/me'))
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 401) return null
    throw error
  }
}

export function getHouse(): Promise<House> {
  return unwrap(account.GET('/house'))
}

export function getPlan(storefront: string): Promise<PlanView> {
  return unwrap(account.GET('/billing/plan', { params: { query: { storefront } } }))
}

function paging(limit: number, cursor: string | null): { limit: number; cursor?: string } {
  return cursor === null ? { limit } : { limit, cursor }
}

export function getUsage(storefront: string, cursor: string | null): Promise<Page<UsageRow>> {
  return unwrap(account.GET('/billing/usage', { params: { query: { storefront, ...paging(10, cursor) } } }))
}

export function getLedger(unit: string, cursor: string | null): Promise<LedgerPage> {
  return unwrap(account.GET('/billing/ledger', { params: { query: { unit, ...paging(20, cursor) } } }))
}

export function getPhrases(): Promise<unknown> {
  return unwrap(account.GET('/api/misaki/phrases'))
}

export interface WhichChats {
  pinned?: boolean
  folder?: string
}

export function getChats(cursor: string | null, which: WhichChats = {}): Promise<Page<ChatSummary>> {
  return unwrap(account.GET('/api/misaki/chats', { params: { query: { ...paging(50, cursor), ...which } } }))
}

export async function getFolders(): Promise<string[]> {
  return (await unwrap(account.GET('/api/misaki/folders'))).items
}

export interface ChatChange {
  title?: string
  pinned?: boolean
  folder?: string
}

export function updateChat(chat: string, change: ChatChange): Promise<ChatSummary> {
  return unwrap(account.PATCH('/api/misaki/chats/{chat}', { params: { path: { chat } }, body: change }))
}

export function showVersion(chat: string, message: string): Promise<Chat> {
  return unwrap(
    account.PUT('/api/misaki/chats/{chat}/shown', { params: { path: { chat } }, body: { message_id: message } }),
  )
}

export function deleteMessage(message: string): Promise<Chat> {
  return unwrap(account.DELETE('/api/misaki/messages/{message}', { params: { path: { message } } }))
}

export function searchChats(q: string): Promise<Findings> {
  return unwrap(account.GET('/api/misaki/search', { params: { query: { q } } }))
}

export function getChat(chat: string): Promise<Chat> {
  return unwrap(account.GET('/api/misaki/chats/{chat}', { params: { path: { chat } } }))
}

// `keepalive` lets the call outlive the page that makes it.
export function deleteChat(chat: string, keepalive = false): Promise<unknown> {
  return unwrap(account.DELETE('/api/misaki/chats/{chat}', { params: { path: { chat } }, keepalive }))
}

import { account } from './client'
import { unwrap } from './problem'
import type { Bilingual, Locale, Page } from './types'

export type Audience = 'link' | 'signed_in'
export interface Share {
  id: string
  audience: Audience
  created_at: string
}
export type NewShare = Share & { token: string }
export interface SharedTalk {
  title: string | null
  shared_at: string
  messages: { role: 'user' | 'assistant'; text: string; at: string }[]
}
export interface Import {
  id: string
  state: 'waiting' | 'done' | 'failed'
  chats: number
  messages: number
  left_out: number
  errors: { place: number; title: string | null; code: string }[]
}
interface Consent {
  given: boolean
  at: string | null
}
export interface Consents {
  available: boolean
  memory: Consent
  training: Consent
}
export interface Memory {
  id: string
  kind: 'fact' | 'mood' | 'summary'
  text: string
  chat_id: string | null
  message_id: string | null
  created_at: string
  edited: boolean
}
export interface Memories {
  used: boolean
  items: Memory[]
}
export const reasons = ['wrong', 'cold', 'unsafe', 'out_of_character', 'too_long', 'other'] as const
export type Reason = (typeof reasons)[number]
export interface Feedback {
  liked: boolean
  reason: Reason | null
  text: string | null
  with_talk: boolean
  at: string
}
export interface Judgement {
  liked: boolean
  reason?: Reason
  text?: string
  with_talk?: boolean
}
export interface FirstWords {
  text: string
  when: string
  visits: string
}

// biome-ignore lint/suspicious/noExplicitAny: see below
type Call = (path: string, init?: object) => Promise<any>
const house = account as unknown as Record<'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE', Call>

export function shareChat(chat: string, audience: Audience): Promise<NewShare> {
  return unwrap(house.POST('/api/misaki/chats/{chat}/shares', { params: { path: { chat } }, body: { audience } }))
}

export async function getShares(chat: string): Promise<Share[]> {
  const answer: { items: Share[] } = await unwrap(
    house.GET('/api/misaki/chats/{chat}/shares', { params: { path: { chat } } }),
  )
  return answer.items
}

export function revokeShare(share: string): Promise<unknown> {
  return unwrap(house.DELETE('/api/misaki/shares/{share}', { params: { path: { share } } }))
}

export function getShared(token: string): Promise<SharedTalk> {
  return unwrap(house.GET('/api/misaki/shared/{token}', { params: { path: { token } } }))
}

export function importChats(file: Blob): Promise<Import> {
  return unwrap(
    house.POST('/api/misaki/import', {
      body: file,
      bodySerializer: (body: Blob) => body,
      headers: { 'content-type': 'application/json' },
    }),
  )
}

export function getImport(id: string): Promise<Import> {
  return unwrap(house.GET('/api/misaki/imports/{import}', { params: { path: { import: id } } }))
}

export function getConsents(): Promise<Consents> {
  return unwrap(house.GET('/api/misaki/consents'))
}

export function putConsents(change: { memory?: boolean; training?: boolean }): Promise<Consents> {
  return unwrap(house.PUT('/api/misaki/consents', { body: change }))
}

export function getMemories(): Promise<Memories> {
  return unwrap(house.GET('/api/misaki/memories'))
}

export function editMemory(memory: string, text: string): Promise<Memory> {
  return unwrap(house.PATCH('/api/misaki/memories/{memory}', { params: { path: { memory } }, body: { text } }))
}

export function forgetMemory(memory: string): Promise<unknown> {
  return unwrap(house.DELETE('/api/misaki/memories/{memory}', { params: { path: { memory } } }))
}

export function forgetAll(): Promise<unknown> {
  return unwrap(house.DELETE('/api/misaki/memories'))
}

export function getWelcome(locale: Locale): Promise<FirstWords> {
  return unwrap(house.GET('/api/misaki/welcome', { params: { query: { locale } } }))
}

export function getAge(): Promise<{ confirmed_at: string | null }> {
  return unwrap(house.GET('/api/misaki/age'))
}

export function confirmAge(of_age: boolean): Promise<{ confirmed_at: string | null }> {
  return unwrap(house.PUT('/api/misaki/age', { body: { of_age } }))
}

export function judge(message: string, judgement: Judgement): Promise<Feedback> {
  return unwrap(
    house.PUT('/api/misaki/messages/{message}/feedback', { params: { path: { message } }, body: judgement }),
  )
}

export function unjudge(message: string): Promise<unknown> {
  return unwrap(house.DELETE('/api/misaki/messages/{message}/feedback', { params: { path: { message } } }))
}

// What an operator does.
export interface Phrase {
  id: string
  match?: string[]
  patterns?: string[]
  replies: { when: string; text: string }[]
  chip?: boolean
  safety?: boolean
  unless?: string[]
}
export interface PhraseDesk {
  version: number
  revision: number
  changed: boolean
  semantic: boolean
  phrases: Phrase[]
}
export type Stand = 'draft' | 'published'
export interface PhraseTrial {
  hit: { id: string; rule: string; reply: string; entry: string | null } | null
  candidates: { id: string; entry: string; score: number }[]
}
export interface CsvOutcome {
  applied: boolean
  lines: number
  phrases: number
  errors: { line: number; code: string; text: Bilingual }[]
}
export interface PhraseVersion {
  version: number
  note: string | null
  published_at: string
  phrases: number
}

export function getPhraseDesk(): Promise<PhraseDesk> {
  return unwrap(house.GET('/admin/misaki/phrases'))
}

export function putPhrase(revision: number, phrase: Phrase): Promise<PhraseDesk> {
  return unwrap(
    house.PUT('/admin/misaki/phrases/{phrase}', {
      params: { path: { phrase: phrase.id } },
      body: { revision, phrase },
    }),
  )
}

export function deletePhrase(revision: number, phrase: string): Promise<PhraseDesk> {
  return unwrap(house.DELETE('/admin/misaki/phrases/{phrase}', { params: { path: { phrase }, query: { revision } } }))
}

export function tryPhrases(text: string, from: Stand, hour: number | null): Promise<PhraseTrial> {
  return unwrap(house.POST('/admin/misaki/phrases/test', { body: { text, from, ...(hour === null ? {} : { hour }) } }))
}

export function putPhrasesCsv(revision: number, check: boolean, csv: Blob): Promise<CsvOutcome> {
  return unwrap(
    house.POST('/admin/misaki/phrases/csv', {
      params: { query: { revision, check } },
      body: csv,
      bodySerializer: (body: Blob) => body,
      headers: { 'content-type': 'text/csv' },
    }),
  )
}

export function publishPhrases(revision: number, note: string): Promise<PhraseDesk> {
  return unwrap(house.POST('/admin/misaki/phrases/publish', { body: note === '' ? { revision } : { revision, note } }))
}

export async function getPhraseVersions(): Promise<PhraseVersion[]> {
  const answer: { items: PhraseVersion[] } = await unwrap(house.GET('/admin/misaki/phrases/versions'))
  return answer.items
}

export function rollBackPhrases(version: number): Promise<PhraseDesk> {
  return unwrap(house.POST('/admin/misaki/phrases/rollback', { body: { version } }))
}

export interface PersonaDesk {
  version: number
  published_at: string | null
  card: { data?: Record<string, unknown> } & Record<string, unknown>
}
export interface PersonaVersion {
  version: number
  name: string
  published_at: string
}

export function getPersonaDesk(): Promise<PersonaDesk> {
  return unwrap(house.GET('/admin/misaki/persona'))
}

export function putPersona(card: PersonaDesk['card']): Promise<PersonaDesk> {
  return unwrap(house.PUT('/admin/misaki/persona', { body: { card } }))
}

export function importPersona(file: File): Promise<PersonaDesk> {
  const png = file.type === 'image/png' || /\.png$/i.test(file.name)
  return unwrap(
    house.POST('/admin/misaki/persona/import', {
      body: file,
      bodySerializer: (body: Blob) => body,
      headers: { 'content-type': png ? 'image/png' : 'application/json' },
    }),
  )
}

export async function getPersonaVersions(): Promise<PersonaVersion[]> {
  const answer: { items: PersonaVersion[] } = await unwrap(house.GET('/admin/misaki/persona/versions'))
  return answer.items
}

export function rollBackPersona(version: number): Promise<PersonaDesk> {
  return unwrap(house.POST('/admin/misaki/persona/rollback', { body: { version } }))
}

export interface Verdict {
  message_id: string
  liked: boolean
  reason: Reason | null
  text: string | null
  at: string
  canned_id: string | null
  model: string | null
  question: string | null
  answer: string | null
}

export function getFeedback(
  filters: { liked?: string | undefined; reason?: string | undefined },
  cursor: string | null,
): Promise<Page<Verdict>> {
  const asked = Object.entries({ ...filters, cursor }).filter(([, value]) => value)
  return unwrap(house.GET('/admin/misaki/feedback', { params: { query: { limit: 50, ...Object.fromEntries(asked) } } }))
}

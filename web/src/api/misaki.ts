import { account } from './client'
import { unwrap } from './problem'
import type { components } from './schema.gen'
import type { Locale, Page } from './types'

type Schemas = components['schemas']

export type Audience = Schemas['Audience']
export type Share = Schemas['ShareView']
export type NewShare = Schemas['CreatedShare']
export type SharedTalk = Schemas['SharedChat']
export type Import = Schemas['ImportView']
export type Consents = Schemas['Consents']
export type Memory = Schemas['MemoryView']
export type Memories = Schemas['Memories']
export type Reason = Schemas['Reason']
export const reasons = [
  'wrong',
  'cold',
  'unsafe',
  'out_of_character',
  'too_long',
  'other',
] as const satisfies readonly Reason[]
export type Feedback = Schemas['FeedbackView']
export interface Judgement {
  liked: boolean
  reason?: Reason
  text?: string
  with_talk?: boolean
}
export type FirstWords = Schemas['FirstWords']

// A file goes out as it is, whatever form the document gives it.
const asItIs = (body: unknown) => body as Blob

export function shareChat(chat: string, audience: Audience): Promise<NewShare> {
  return unwrap(account.POST('/api/misaki/chats/{chat}/shares', { params: { path: { chat } }, body: { audience } }))
}

export async function getShares(chat: string): Promise<Share[]> {
  return (await unwrap(account.GET('/api/misaki/chats/{chat}/shares', { params: { path: { chat } } }))).items
}

export function revokeShare(share: string): Promise<unknown> {
  return unwrap(account.DELETE('/api/misaki/shares/{share}', { params: { path: { share } } }))
}

export function getShared(token: string): Promise<SharedTalk> {
  return unwrap(account.GET('/api/misaki/shared/{token}', { params: { path: { token } } }))
}

export function importChats(file: Blob): Promise<Import> {
  return unwrap(
    account.POST('/api/misaki/import', {
      body: file,
      bodySerializer: asItIs,
      headers: { 'content-type': 'application/json' },
    }),
  )
}

export function getImport(id: string): Promise<Import> {
  return unwrap(account.GET('/api/misaki/imports/{import}', { params: { path: { import: id } } }))
}

export function getConsents(): Promise<Consents> {
  return unwrap(account.GET('/api/misaki/consents'))
}

export function putConsents(change: { memory?: boolean; training?: boolean }): Promise<Consents> {
  return unwrap(account.PUT('/api/misaki/consents', { body: change }))
}

export function getMemories(): Promise<Memories> {
  return unwrap(account.GET('/api/misaki/memories'))
}

export function editMemory(memory: string, text: string): Promise<Memory> {
  return unwrap(account.PATCH('/api/misaki/memories/{memory}', { params: { path: { memory } }, body: { text } }))
}

export function forgetMemory(memory: string): Promise<unknown> {
  return unwrap(account.DELETE('/api/misaki/memories/{memory}', { params: { path: { memory } } }))
}

export function forgetAll(): Promise<unknown> {
  return unwrap(account.DELETE('/api/misaki/memories'))
}

export function getWelcome(locale: Locale): Promise<FirstWords> {
  return unwrap(account.GET('/api/misaki/welcome', { params: { query: { locale } } }))
}

export function getAge(): Promise<{ confirmed_at: string | null }> {
  return unwrap(account.GET('/api/misaki/age'))
}

export function confirmAge(of_age: boolean): Promise<{ confirmed_at: string | null }> {
  return unwrap(account.PUT('/api/misaki/age', { body: { of_age } }))
}

export function judge(message: string, judgement: Judgement): Promise<Feedback> {
  return unwrap(
    account.PUT('/api/misaki/messages/{message}/feedback', { params: { path: { message } }, body: judgement }),
  )
}

export function unjudge(message: string): Promise<unknown> {
  return unwrap(account.DELETE('/api/misaki/messages/{message}/feedback', { params: { path: { message } } }))
}

// What an operator does.
export type Phrase = Schemas['Phrase']
export type When = Phrase['replies'][number]['when']
export type PhraseDesk = Schemas['PhraseBook']
export type Stand = 'draft' | 'published'
export type PhraseTrial = Schemas['Trial']
export type CsvOutcome = Schemas['PhrasesRead']
// Shares its name in the document with the persona's versions.
export interface PhraseVersion {
  version: number
  note: string | null
  published_at: string
  phrases: number
}

export function getPhraseDesk(): Promise<PhraseDesk> {
  return unwrap(account.GET('/admin/misaki/phrases'))
}

export function putPhrase(revision: number, phrase: Phrase): Promise<PhraseDesk> {
  return unwrap(
    account.PUT('/admin/misaki/phrases/{phrase}', {
      params: { path: { phrase: phrase.id } },
      body: { revision, phrase },
    }),
  )
}

export function deletePhrase(revision: number, phrase: string): Promise<PhraseDesk> {
  return unwrap(account.DELETE('/admin/misaki/phrases/{phrase}', { params: { path: { phrase }, query: { revision } } }))
}

export function tryPhrases(text: string, from: Stand, hour: number | null, as_answer: boolean): Promise<PhraseTrial> {
  return unwrap(
    account.POST('/admin/misaki/phrases/test', {
      body: { text, from, as_answer, ...(hour === null ? {} : { hour }) },
    }),
  )
}

export function getModeration(): Promise<Schemas['Moderation']> {
  return unwrap(account.GET('/admin/misaki/moderation'))
}

export function putPhrasesCsv(revision: number, check: boolean, csv: Blob): Promise<CsvOutcome> {
  return unwrap(
    account.POST('/admin/misaki/phrases/csv', {
      params: { query: { revision, check } },
      body: csv as never,
      bodySerializer: asItIs,
      headers: { 'content-type': 'text/csv' },
    }),
  )
}

export function publishPhrases(revision: number, note: string): Promise<PhraseDesk> {
  return unwrap(
    account.POST('/admin/misaki/phrases/publish', { body: note === '' ? { revision } : { revision, note } }),
  )
}

export async function getPhraseVersions(): Promise<PhraseVersion[]> {
  return (await unwrap(account.GET('/admin/misaki/phrases/versions'))).items as unknown as PhraseVersion[]
}

export function rollBackPhrases(version: number): Promise<PhraseDesk> {
  return unwrap(account.POST('/admin/misaki/phrases/rollback', { body: { version } }))
}

export type PersonaDesk = Omit<Schemas['PersonaView'], 'card'> & {
  card: { data?: Record<string, unknown> } & Record<string, unknown>
}
export type PersonaVersion = Schemas['PersonaVersionView']

export function getPersonaDesk(): Promise<PersonaDesk> {
  return unwrap(account.GET('/admin/misaki/persona'))
}

export function putPersona(card: PersonaDesk['card']): Promise<PersonaDesk> {
  return unwrap(account.PUT('/admin/misaki/persona', { body: { card: card as Record<string, never> } }))
}

export function importPersona(file: File): Promise<PersonaDesk> {
  const png = file.type === 'image/png' || /\.png$/i.test(file.name)
  return unwrap(
    account.POST('/admin/misaki/persona/import', {
      body: file,
      bodySerializer: asItIs,
      headers: { 'content-type': png ? 'image/png' : 'application/json' },
    }),
  )
}

export async function getPersonaVersions(): Promise<PersonaVersion[]> {
  return (await unwrap(account.GET('/admin/misaki/persona/versions'))).items
}

export function rollBackPersona(version: number): Promise<PersonaDesk> {
  return unwrap(account.POST('/admin/misaki/persona/rollback', { body: { version } }))
}

export type Verdict = Schemas['ReportView']

export function getFeedback(
  filters: { liked?: string | undefined; reason?: string | undefined },
  cursor: string | null,
): Promise<Page<Verdict>> {
  const asked = Object.entries({ ...filters, cursor }).filter(([, value]) => value)
  return unwrap(
    account.GET('/admin/misaki/feedback', { params: { query: { limit: 50, ...Object.fromEntries(asked) } } }),
  )
}

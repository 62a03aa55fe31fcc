// Conversations at the playground: which runs belong together, and their names. Their words are with the runs.

import { type HistoryItem, onAccount, read, withQuery } from './genai'
import type { Page } from './types'

export interface Talk {
  id: string
  title: string | null
  // Null where it is not kept.
  excerpt: string | null
  model: string
  created_at: string
  updated_at: string
}

export interface TalkAnswer extends HistoryItem {
  place: number
  text: string | null
}

export interface TalkTurn {
  id: string
  asked: string | null
  answers: TalkAnswer[]
}

export interface TalkDetail extends Talk {
  turns: TalkTurn[]
}

export interface TalkRun {
  run_id: string
  turn: string
  place: number
}

const path = (id: string) => `/genai/talks/${encodeURIComponent(id)}`

export function getTalks(cursor: string | null): Promise<Page<Talk>> {
  return read(onAccount('GET', withQuery('/genai/talks', { limit: 20, cursor: cursor ?? undefined })))
}

export function getTalk(id: string): Promise<TalkDetail> {
  return read(onAccount('GET', path(id)))
}

export function beginTalk(run: TalkRun): Promise<Talk> {
  return read(onAccount('POST', '/genai/talks', run))
}

export function goOnWithTalk(id: string, run: TalkRun): Promise<Talk> {
  return read(onAccount('POST', `${path(id)}/runs`, run))
}

export function renameTalk(id: string, title: string | null): Promise<Talk> {
  return read(onAccount('PATCH', path(id), { title }))
}

export function deleteTalk(id: string): Promise<unknown> {
  return read(onAccount('DELETE', path(id)))
}

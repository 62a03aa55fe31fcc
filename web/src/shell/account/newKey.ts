import type { NewKey } from '../../api/types'

export const scopes = ['inference.use', 'usage.read', 'keys.manage', 'members.read', 'audit.read'] as const
export type Scope = (typeof scopes)[number]

export interface KeyDraft {
  name: string
  scopes: Scope[]
  models: string
  ips: string
  cap: string
  expires: string
}

export const emptyDraft: KeyDraft = {
  name: '',
  scopes: ['inference.use', 'usage.read'],
  models: '',
  ips: '',
  cap: '',
  expires: '',
}

export function listOf(text: string): string[] {
  return text
    .normalize('NFKC')
    .split(/[\s,、]+/)
    .filter((part) => part !== '')
}

// Null when nothing was asked for, and NaN when it is not a number of requests.
export function capOf(text: string): number | null {
  const plain = text.normalize('NFKC').replace(/[\s,]/g, '')
  if (plain === '') return null
  return /^[1-9]\d{0,8}$/.test(plain) ? Number(plain) : Number.NaN
}

// A key that expires on a day works until that day has ended, by the clock of whoever chose it.
export function endOfDay(date: string): string | null {
  const end = new Date(`${date}T23:59:59.999`)
  return Number.isNaN(end.getTime()) ? null : end.toISOString()
}

export function toNewKey(draft: KeyDraft): NewKey {
  const models = listOf(draft.models)
  const ranges = listOf(draft.ips)
  const cap = capOf(draft.cap)
  const expires = draft.expires === '' ? null : endOfDay(draft.expires)
  return {
    name: draft.name.trim(),
    scopes: draft.scopes,
    ...(models.length > 0 ? { models } : {}),
    ...(ranges.length > 0 ? { ip_ranges: ranges } : {}),
    ...(cap === null ? {} : { daily_cap: cap }),
    ...(expires === null ? {} : { expires_at: expires }),
  }
}

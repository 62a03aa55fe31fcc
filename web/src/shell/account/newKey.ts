import type { ApiKey, KeyChange, NewKey } from '../../api/types'
import { dollarText, nanoOf } from '../dollars'

export const scopes = ['inference.use', 'usage.read', 'keys.manage', 'members.read', 'audit.read'] as const
export type Scope = (typeof scopes)[number]

export interface KeyDraft {
  name: string
  // Also what a key may do that this page has no word for.
  scopes: string[]
  models: string
  ips: string
  cap: string
  // In US dollars.
  cost: string
  expires: string
}

export const emptyDraft: KeyDraft = {
  name: '',
  scopes: ['inference.use', 'usage.read'],
  models: '',
  ips: '',
  cap: '',
  cost: '',
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

// As of a number of requests; a limit of nothing would be no key.
export function costOf(text: string): number | null {
  const nano = nanoOf(text)
  return nano === 0 ? Number.NaN : nano
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
  const cost = costOf(draft.cost)
  const expires = draft.expires === '' ? null : endOfDay(draft.expires)
  return {
    name: draft.name.trim(),
    scopes: draft.scopes,
    ...(models.length > 0 ? { models } : {}),
    ...(ranges.length > 0 ? { ip_ranges: ranges } : {}),
    ...(cap === null ? {} : { daily_cap: cap }),
    ...(cost === null ? {} : { daily_cost_nano_usd: cost }),
    ...(expires === null ? {} : { expires_at: expires }),
  }
}

// The day by this device's clock, as a date field wants it.
function dayOf(at: string): string {
  const date = new Date(at)
  const two = (part: number) => String(part).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

export function draftOf(key: ApiKey): KeyDraft {
  return {
    name: key.name,
    scopes: key.scopes,
    models: key.models?.join(', ') ?? '',
    ips: key.ip_ranges?.join(', ') ?? '',
    cap: key.daily_cap === null ? '' : String(key.daily_cap),
    cost: key.daily_cost_nano_usd === null ? '' : dollarText(key.daily_cost_nano_usd),
    expires: key.expires_at === null ? '' : dayOf(key.expires_at),
  }
}

const alike = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((part) => other.includes(part))
const orNull = (parts: string[]) => (parts.length > 0 ? parts : null)

// Only what someone changed is sent, so that a limit which was set elsewhere meanwhile stays; `null` takes a limit away.
export function toChange(draft: KeyDraft, before: KeyDraft): KeyChange {
  const models = listOf(draft.models)
  const ranges = listOf(draft.ips)
  return {
    ...(draft.name.trim() === before.name ? {} : { name: draft.name.trim() }),
    ...(alike(draft.scopes, before.scopes) ? {} : { scopes: draft.scopes }),
    ...(alike(models, listOf(before.models)) ? {} : { models: orNull(models) }),
    ...(alike(ranges, listOf(before.ips)) ? {} : { ip_ranges: orNull(ranges) }),
    ...(capOf(draft.cap) === capOf(before.cap) ? {} : { daily_cap: capOf(draft.cap) }),
    ...(costOf(draft.cost) === costOf(before.cost) ? {} : { daily_cost_nano_usd: costOf(draft.cost) }),
    ...(draft.expires === before.expires ? {} : { expires_at: endOfDay(draft.expires) }),
  }
}

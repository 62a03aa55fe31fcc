import { account } from './client'
import { unwrap } from './problem'
import type { components } from './schema.gen'
import type { Page } from './types'

type Schemas = components['schemas']

export type Hook = Schemas['HookView']
export type NewHook = Schemas['NewHookView']
export type RolledSecret = Schemas['Rolled']
export type HookAttempt = Schemas['AttemptView']
export type Delivery = Schemas['DeliveryView']
export type EventType = Schemas['EventTypeView']

export interface HookTerms {
  url: string
  event_types: string[]
}

export async function getHooks(): Promise<Hook[]> {
  return (await unwrap(account.GET('/hooks'))).items
}

export async function getEventTypes(): Promise<EventType[]> {
  return (await unwrap(account.GET('/hooks/event-types'))).items
}

export function createHook(body: HookTerms): Promise<NewHook> {
  return unwrap(account.POST('/hooks', { body }))
}

export function changeHook(hook: string, body: Partial<HookTerms> & { enabled?: boolean }): Promise<Hook> {
  return unwrap(account.PATCH('/hooks/{hook}', { params: { path: { hook } }, body }))
}

export function deleteHook(hook: string): Promise<unknown> {
  return unwrap(account.DELETE('/hooks/{hook}', { params: { path: { hook } } }))
}

export function rollHookSecret(hook: string): Promise<RolledSecret> {
  return unwrap(account.POST('/hooks/{hook}/secret', { params: { path: { hook } }, body: {} }))
}

export function rollRunsSecret(): Promise<RolledSecret> {
  return unwrap(account.POST('/hooks/runs/secret', { body: { grace_hours: 0 } }))
}

export function testHook(hook: string): Promise<unknown> {
  return unwrap(account.POST('/hooks/{hook}/test', { params: { path: { hook } } }))
}

export function getDeliveries(hook: string, cursor: string | null): Promise<Page<Delivery>> {
  const query: { limit: number; cursor?: string } = cursor === null ? { limit: 20 } : { limit: 20, cursor }
  return unwrap(account.GET('/hooks/{hook}/deliveries', { params: { path: { hook }, query } }))
}

export function replayDelivery(delivery: string): Promise<unknown> {
  return unwrap(account.POST('/hooks/deliveries/{delivery}/replay', { params: { path: { delivery } } }))
}

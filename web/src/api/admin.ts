import { account } from './client'
import { unwrap } from './problem'
import type { components } from './schema.gen'
import type { Page } from './types'

type Schemas = components['schemas']

type PlanLine = Schemas['OperatorPlan']
export type PlanVersion = Omit<PlanLine, 'storefront' | 'plan'>

export interface PlanHistory {
  storefront: string
  id: string
  /** The newest first. */
  versions: PlanVersion[]
}

export type TenantLine = Schemas['OperatorTenant']
export type TenantBalance = Schemas['UnitBalance']
export type TenantLot = Schemas['Lot']
export type OneOffGrant = Schemas['OneOffGrant']
export type Cap = Schemas['Cap']
export type NewOneOffGrant = Schemas['NewOneOffGrant']
export type SubscriptionLine = Schemas['TenantSubscription']

export const eventStates = ['queued', 'working', 'waiting', 'done', 'ignored', 'dead'] as const
export type StripeEvent = Schemas['EventView']
export type Reconciliation = Schemas['BillingReport']

export const jobStates = [
  'ready',
  'running',
  'scheduled',
  'failed',
  'dead',
  'done',
  'cancelled',
] as const satisfies readonly Schemas['JobState'][]
export type Job = Schemas['JobView']
export type JobStatistics = Schemas['KindStatistics']
export type Cron = Schemas['CronView']
export type HouseUsage = Schemas['HouseUsage']
export type HouseFigures = Schemas['Figures']
export type PeriodFigures = Schemas['PeriodFigures']
export type Revenue = Schemas['Revenue']
export type ProviderKey = Schemas['ProviderCredential']
export type NewProviderKey = Schemas['NewProviderCredential']
export const providerKinds = [
  'openai',
  'anthropic',
  'bedrock',
  'runpod',
  'runpod-text',
] as const satisfies readonly Schemas['ProviderKind'][]

export type ModelDesk = Schemas['ModelDesk']
export type DeskModel = Schemas['DeskModel']
export type TargetPulse = Schemas['TargetPulse']
export type ModelVersion = Schemas['ModelVersion']
export type ModelsDiff = Schemas['ModelsDiff']

type Cursor = string | null

function paging(cursor: Cursor, limit = 50): { limit: number; cursor?: string } {
  return cursor === null ? { limit } : { limit, cursor }
}

// What is not asked for is left out of the address.
function asked<T extends Record<string, string | undefined>>(filters: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const given = Object.entries(filters).filter(([, value]) => value)
  return Object.fromEntries(given) as { [K in keyof T]?: NonNullable<T[K]> }
}

export function getReady(): Promise<{ ready: boolean }> {
  return unwrap(account.GET('/ready'))
}

// Every version comes as a line of its own; here they stand together, by plan.
export function historiesOf(lines: readonly PlanLine[]): PlanHistory[] {
  const plans = new Map<string, PlanHistory>()
  for (const { storefront, plan: id, ...version } of lines) {
    const plan = plans.get(`${storefront}/${id}`) ?? { storefront, id, versions: [] }
    plan.versions.push(version)
    plans.set(`${storefront}/${id}`, plan)
  }
  for (const { versions } of plans.values()) versions.sort((a, b) => b.version - a.version)
  return [...plans.values()]
}

export async function getPlans(): Promise<PlanHistory[]> {
  return historiesOf((await unwrap(account.GET('/admin/plans'))).items)
}

export function getTenants(filters: { q?: string | undefined }, cursor: Cursor): Promise<Page<TenantLine>> {
  return unwrap(account.GET('/admin/tenants', { params: { query: { ...asked(filters), ...paging(cursor) } } }))
}

export async function getTenantBalances(tenant: string): Promise<TenantBalance[]> {
  return (await unwrap(account.GET('/admin/tenants/{tenant}/ledger', { params: { path: { tenant } } }))).items
}

export function getTenantLots(tenant: string, unit: string, cursor: Cursor): Promise<Page<TenantLot>> {
  const params = { path: { tenant, unit }, query: paging(cursor, 20) }
  return unwrap(account.GET('/admin/tenants/{tenant}/ledger/{unit}/lots', { params }))
}

export function getGrants(tenant: string, cursor: Cursor): Promise<Page<OneOffGrant>> {
  const params = { path: { tenant }, query: paging(cursor, 20) }
  return unwrap(account.GET('/admin/tenants/{tenant}/grants', { params }))
}

/** The same key gives nothing more, however often it is sent. */
export function giveUnits(tenant: string, key: string, body: NewOneOffGrant): Promise<OneOffGrant> {
  const params = { path: { tenant }, header: { 'Idempotency-Key': key } }
  return unwrap(account.POST('/admin/tenants/{tenant}/grants', { params, body }))
}

export function takeUnitsBack(tenant: string, grant: string, reason: string): Promise<OneOffGrant> {
  const params = { path: { tenant, grant } }
  return unwrap(account.POST('/admin/tenants/{tenant}/grants/{grant}/revoke', { params, body: { reason } }))
}

export async function getCaps(tenant: string): Promise<Cap[]> {
  return (await unwrap(account.GET('/admin/tenants/{tenant}/caps', { params: { path: { tenant } } }))).items
}

export function setCap(tenant: string, unit: string, monthly: number): Promise<Cap> {
  const params = { path: { tenant, unit } }
  return unwrap(account.PUT('/admin/tenants/{tenant}/caps/{unit}', { params, body: { monthly } }))
}

export async function removeCap(tenant: string, unit: string): Promise<void> {
  await unwrap(account.DELETE('/admin/tenants/{tenant}/caps/{unit}', { params: { path: { tenant, unit } } }))
}

export interface SubscriptionFilters {
  storefront?: string | undefined
  status?: string | undefined
}

export function getSubscriptions({ storefront, status }: SubscriptionFilters, cursor: Cursor) {
  const query = { ...asked({ storefront, status }), ...paging(cursor) }
  return unwrap(account.GET('/admin/billing/subscriptions', { params: { query } }))
}

export function getStripeEvents({ state }: { state?: string | undefined }, cursor: Cursor): Promise<Page<StripeEvent>> {
  return unwrap(account.GET('/admin/billing/events', { params: { query: { ...asked({ state }), ...paging(cursor) } } }))
}

export function replayStripeEvent(event: string): Promise<unknown> {
  return unwrap(account.POST('/admin/billing/events/{event}/replay', { params: { path: { event } } }))
}

export function reconcile(): Promise<Reconciliation> {
  return unwrap(account.POST('/admin/billing/reconcile'))
}

export interface JobFilters {
  state?: string | undefined
  kind?: string | undefined
}

export function getJobs({ state, kind }: JobFilters, cursor: Cursor): Promise<Page<Job>> {
  // whatever else stands in an address is no state to ask for
  const known = jobStates.find((one) => one === state)
  const query = { ...asked({ state: known, kind }), ...paging(cursor) }
  return unwrap(account.GET('/admin/jobs', { params: { query } }))
}

export async function getJobStatistics(): Promise<JobStatistics[]> {
  return (await unwrap(account.GET('/admin/jobs/statistics'))).items
}

export function retryJob(job: string): Promise<unknown> {
  return unwrap(account.POST('/admin/jobs/{job}/retry', { params: { path: { job } } }))
}

export function deleteJob(job: string): Promise<unknown> {
  return unwrap(account.DELETE('/admin/jobs/{job}', { params: { path: { job } } }))
}

export async function getCrons(): Promise<Cron[]> {
  return (await unwrap(account.GET('/admin/crons'))).items
}

export function getHouseUsage(month: string, cursor: Cursor, limit = 50): Promise<Page<HouseUsage>> {
  return unwrap(account.GET('/admin/usage', { params: { query: { month, ...paging(cursor, limit) } } }))
}

// Every page of a month, one after the other: what someone takes along is the whole of it.
export async function getAllHouseUsage(month: string): Promise<HouseUsage[]> {
  const rows: HouseUsage[] = []
  let cursor: Cursor = null
  do {
    const page: Page<HouseUsage> = await getHouseUsage(month, cursor, 100)
    rows.push(...page.items)
    cursor = page.next_cursor
  } while (cursor !== null)
  return rows
}

// Of a month by days, or of a year by months.
export function getFigures(of: string): Promise<HouseFigures> {
  return unwrap(account.GET('/admin/figures', { params: { query: { of } } }))
}

export async function getProviderKeys(): Promise<ProviderKey[]> {
  return (await unwrap(account.GET('/admin/providers'))).items
}

export function addProviderKey(body: NewProviderKey): Promise<ProviderKey> {
  return unwrap(account.POST('/admin/providers', { body }))
}

export function changeProviderKey(
  credential: string,
  body: { weight?: number; enabled?: boolean },
): Promise<ProviderKey> {
  return unwrap(account.PATCH('/admin/providers/{credential}', { params: { path: { credential } }, body }))
}

export function rotateProviderKey(credential: string, secret: string): Promise<ProviderKey> {
  const params = { path: { credential } }
  return unwrap(account.POST('/admin/providers/{credential}/rotate', { params, body: { secret } }))
}

export function removeProviderKey(credential: string): Promise<unknown> {
  return unwrap(account.DELETE('/admin/providers/{credential}', { params: { path: { credential } } }))
}

export function getModelDesk(): Promise<ModelDesk> {
  return unwrap(account.GET('/admin/models'))
}

export async function getModelVersions(): Promise<ModelVersion[]> {
  return (await unwrap(account.GET('/admin/models/versions'))).items
}

export async function getModelText(version: number): Promise<string> {
  return (await unwrap(account.GET('/admin/models/versions/{version}', { params: { path: { version } } }))).text
}

export function checkModels(text: string): Promise<ModelsDiff> {
  return unwrap(account.POST('/admin/models/check', { body: { text } }))
}

export function applyModels(body: { text: string; seen: number; note?: string }): Promise<ModelVersion> {
  return unwrap(account.POST('/admin/models/versions', { body }))
}

export function rollBackModels(version: number): Promise<ModelVersion> {
  return unwrap(account.POST('/admin/models/rollback', { body: { version } }))
}

export function changeCanary(body: { model: string; percent: number; seen: number }): Promise<ModelVersion> {
  return unwrap(account.POST('/admin/models/canary', { body }))
}

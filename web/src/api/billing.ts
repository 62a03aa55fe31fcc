// Plans, orders, subscriptions, receipts and the record behind every balance.

import { account } from './client'
import { unwrap } from './problem'
import type { components } from './schema.gen'
import type { Page, PlanView, StorefrontId } from './types'

type Schemas = components['schemas']

export type Limits = PlanView['limits']
export type Feature = Schemas['Feature']
export type PlanRef = Schemas['OrderPlan']
export type PlanOffer = Schemas['PlanOffer']
export type OrderKind = Schemas['OrderKind']
export type OrderItem = Schemas['OrderItem']
export type Order = Schemas['Order']
export type Subscription = Schemas['SubscriptionView']
export type Hosted = Schemas['Hosted']
export type UsageDay = Schemas['UsageDay']
export type UsageMonth = Schemas['UsageMonth']
export type ReceiptRow = Schemas['ReceiptSummary']
export type Receipt = Schemas['Receipt']
export type UsageRow = Schemas['UsageRow']
export type Lot = Schemas['Lot']
export type LotMovement = Schemas['LotMovement']
export type TopUpOffer = Schemas['TopUpOffer']
export type TopUpOrder = Schemas['TopUpOrder']
export type TopUpOutcome = Schemas['TopUpOutcome']
export type Budget = Schemas['Budget']
export type MemberBudget = Schemas['MemberBudget']
export type AutoTopUp = Schemas['AutoTopUp']
export type AutoTopUpOrder = Schemas['AutoTopUpOrder']
export type Points = Schemas['PointsView']
export type Redemption = Schemas['Redemption']
export type Referrals = Schemas['ReferralsView']
export type RatePolicy = Schemas['RatePolicy']
export type RateLimits = Schemas['RateLimits']

function paging(cursor: string | null): { limit: number; cursor?: string } {
  return cursor === null ? { limit: 20 } : { limit: 20, cursor }
}

export async function getOffers(storefront: StorefrontId): Promise<PlanOffer[]> {
  return (await unwrap(account.GET('/billing/plans', { params: { query: { storefront } } }))).items
}

export async function getSubscriptions(): Promise<Subscription[]> {
  return (await unwrap(account.GET('/billing/subscriptions'))).items
}

export function placeOrder(storefront: string, plan: string): Promise<Order> {
  return unwrap(account.POST('/billing/orders', { body: { storefront, plan } }))
}

export async function getTopUps(storefront: StorefrontId): Promise<TopUpOffer[]> {
  return (await unwrap(account.GET('/billing/topups', { params: { query: { storefront } } }))).items
}

export function placeTopUpOrder(storefront: string, topup: string): Promise<TopUpOrder> {
  return unwrap(account.POST('/billing/topup-orders', { body: { storefront, topup } }))
}

export function getTopUpOrder(order: string): Promise<TopUpOutcome> {
  return unwrap(account.GET('/billing/topup-orders/{order}', { params: { path: { order } } }))
}

export async function getAutoTopUps(): Promise<AutoTopUp[]> {
  return (await unwrap(account.GET('/billing/auto-topups'))).items
}

export function placeAutoTopUpOrder(wish: {
  storefront: string
  topup: string
  threshold: number
  monthly_yen: number
}): Promise<AutoTopUpOrder> {
  return unwrap(account.POST('/billing/auto-topup-orders', { body: wish }))
}

export function setAutoTopUp(storefront: string, order: string): Promise<AutoTopUp> {
  return unwrap(account.PUT('/billing/auto-topups/{storefront}', { params: { path: { storefront } }, body: { order } }))
}

export async function stopAutoTopUp(storefront: string): Promise<void> {
  await unwrap(account.DELETE('/billing/auto-topups/{storefront}', { params: { path: { storefront } } }))
}

export async function getBudgets(): Promise<Budget[]> {
  return (await unwrap(account.GET('/billing/budgets'))).items
}

export function setBudget(unit: string, wish: { monthly: number; alerts: number[] }): Promise<Budget> {
  return unwrap(account.PUT('/billing/budgets/{unit}', { params: { path: { unit } }, body: wish }))
}

export async function removeBudget(unit: string): Promise<void> {
  await unwrap(account.DELETE('/billing/budgets/{unit}', { params: { path: { unit } } }))
}

export async function getMemberBudgets(): Promise<MemberBudget[]> {
  return (await unwrap(account.GET('/billing/members'))).items
}

export function setMemberBudget(user: string, unit: string, monthly: number): Promise<MemberBudget> {
  const params = { path: { user, unit } }
  return unwrap(account.PUT('/billing/members/{user}/budgets/{unit}', { params, body: { monthly } }))
}

export async function removeMemberBudget(user: string, unit: string): Promise<void> {
  await unwrap(account.DELETE('/billing/members/{user}/budgets/{unit}', { params: { path: { user, unit } } }))
}

export function getPoints(): Promise<Points> {
  return unwrap(account.GET('/me/points'))
}

export function redeemPoints(exchange: string): Promise<Redemption> {
  return unwrap(account.POST('/points/redeem', { body: { exchange } }))
}

export function getReferrals(): Promise<Referrals> {
  return unwrap(account.GET('/me/referrals'))
}

export async function makeReferralCode(programme: string): Promise<void> {
  await unwrap(account.POST('/referrals', { body: { programme } }))
}

export async function acceptReferral(code: string): Promise<void> {
  await unwrap(account.POST('/referrals/accept', { body: { code } }))
}

export function startCheckout(order: string): Promise<Hosted> {
  return unwrap(account.POST('/billing/checkout-session', { body: { order } }))
}

export function changeSubscription(subscription: string, order: string): Promise<Subscription> {
  const params = { path: { subscription } }
  return unwrap(account.POST('/billing/subscriptions/{subscription}/change', { params, body: { order } }))
}

export function cancelSubscription(subscription: string): Promise<Subscription> {
  return unwrap(account.POST('/billing/subscriptions/{subscription}/cancel', { params: { path: { subscription } } }))
}

export function resumeSubscription(subscription: string): Promise<Subscription> {
  return unwrap(account.POST('/billing/subscriptions/{subscription}/resume', { params: { path: { subscription } } }))
}

export function openPortal(): Promise<Hosted> {
  return unwrap(account.POST('/billing/portal-session'))
}

export function getUsageMonth(storefront: StorefrontId, month: string): Promise<UsageMonth> {
  return unwrap(account.GET('/billing/usage/days', { params: { query: { storefront, month } } }))
}

export function getRateLimits(storefront: StorefrontId): Promise<RateLimits> {
  return unwrap(account.GET('/rate-limit', { params: { query: { storefront } } }))
}

export function getReceipts(cursor: string | null): Promise<Page<ReceiptRow>> {
  return unwrap(account.GET('/billing/receipts', { params: { query: paging(cursor) } }))
}

export function getReceipt(receipt: string): Promise<Receipt> {
  return unwrap(account.GET('/billing/receipts/{receipt}', { params: { path: { receipt } } }))
}

export function getLots(unit: string, cursor: string | null): Promise<Page<Lot>> {
  return unwrap(account.GET('/billing/ledger/{unit}/lots', { params: { path: { unit }, query: paging(cursor) } }))
}

export function getMovements(unit: string, cursor: string | null): Promise<Page<LotMovement>> {
  return unwrap(account.GET('/billing/ledger/{unit}/movements', { params: { path: { unit }, query: paging(cursor) } }))
}

// What was done with the units of one block.
export async function getRunsOf(storefront: string, block: string): Promise<UsageRow[]> {
  const query = { storefront, block, limit: 100 }
  return (await unwrap(account.GET('/billing/usage', { params: { query } }))).items
}

export function getLotMovements(unit: string, lot: string, cursor: string | null): Promise<Page<LotMovement>> {
  const params = { path: { unit }, query: { lot, ...paging(cursor) } }
  return unwrap(account.GET('/billing/ledger/{unit}/movements', { params }))
}

import type { Subscription } from '../../api/billing'
import type { Me, PlanView, StorefrontId } from '../../api/types'
import { can } from '../account/sections'

export const shops = ['misaki', 'webgpt', 'genai', 'narai'] as const satisfies readonly StorefrontId[]

// The subscription that decides the plan at a storefront; what is over decides nothing.
export function subscriptionAt(
  all: readonly Subscription[] | undefined,
  storefront: StorefrontId,
): Subscription | undefined {
  return all?.find((one) => one.storefront === storefront && one.status !== 'ended')
}

export function mayBuy(me: Me | null | undefined): boolean {
  return Boolean(me?.user) && can(me as Me, 'billing.manage')
}

// The plan that was ordered is there only when the house says so: the address of a page proves nothing.
export function hasArrived(view: PlanView | undefined, wanted: string | null): boolean {
  if (view?.status !== 'active') return false
  return wanted === null ? view.plan.price_yen > 0 : view.plan.id === wanted
}

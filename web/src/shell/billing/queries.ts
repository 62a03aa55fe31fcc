import { infiniteQueryOptions, type QueryClient, queryOptions } from '@tanstack/react-query'
import { getPlan, getUsage } from '../../api/account'
import {
  getAutoTopUps,
  getBudgets,
  getLotMovements,
  getLots,
  getMemberBudgets,
  getOffers,
  getPoints,
  getRateLimits,
  getReceipt,
  getReceipts,
  getReferrals,
  getRunsOf,
  getSubscriptions,
  getTopUpOrder,
  getTopUps,
  getUsageMonth,
  placeOrder,
} from '../../api/billing'
import { genaiPlanQuery, planQuery } from '../../api/queries'
import type { StorefrontId } from '../../api/types'

export function offersQuery(storefront: StorefrontId) {
  return queryOptions({ queryKey: ['offers', storefront], queryFn: () => getOffers(storefront), staleTime: 60_000 })
}

// A plan carries the token that its pages need, so where there are such pages it is read in their way, and only once.
export function planOfQuery(storefront: StorefrontId) {
  if (storefront === 'misaki') return planQuery
  if (storefront === 'genai') return genaiPlanQuery
  return queryOptions({ ...planQuery, queryKey: ['plan', storefront], queryFn: () => getPlan(storefront) })
}

export function topUpsQuery(storefront: StorefrontId) {
  return queryOptions({ queryKey: ['top-ups', storefront], queryFn: () => getTopUps(storefront), staleTime: 60_000 })
}

export function topUpOrderQuery(order: string) {
  return queryOptions({ queryKey: ['top-up-order', order], queryFn: () => getTopUpOrder(order), staleTime: 0 })
}

export const autoTopUpsQuery = queryOptions({ queryKey: ['auto-top-ups'], queryFn: getAutoTopUps })

export const budgetsQuery = queryOptions({ queryKey: ['budgets'], queryFn: getBudgets })

export const memberBudgetsQuery = queryOptions({ queryKey: ['member-budgets'], queryFn: getMemberBudgets })

export const pointsQuery = queryOptions({ queryKey: ['points'], queryFn: getPoints })

export const referralsQuery = queryOptions({ queryKey: ['referrals'], queryFn: getReferrals })

export const subscriptionsQuery = queryOptions({ queryKey: ['subscriptions'], queryFn: getSubscriptions })

// What someone agrees to must not change under their eyes: an order is asked for again only when they come back, or when
// the house says that it is stale.
export function orderQuery(storefront: string, plan: string) {
  return queryOptions({
    queryKey: ['order', storefront, plan],
    queryFn: () => placeOrder(storefront, plan),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    retry: false,
  })
}

export function usageMonthQuery(storefront: StorefrontId, month: string) {
  return queryOptions({
    queryKey: ['usage-days', storefront, month],
    queryFn: () => getUsageMonth(storefront, month),
    staleTime: 30_000,
  })
}

export function usageOfQuery(storefront: StorefrontId) {
  return infiniteQueryOptions({
    queryKey: ['usage', storefront],
    queryFn: ({ pageParam }) => getUsage(storefront, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}

export function rateLimitsQuery(storefront: StorefrontId) {
  return queryOptions({ queryKey: ['rate-limits', storefront], queryFn: () => getRateLimits(storefront) })
}

export const receiptsQuery = infiniteQueryOptions({
  queryKey: ['receipts'],
  queryFn: ({ pageParam }) => getReceipts(pageParam),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
})

export function receiptQuery(id: string) {
  return queryOptions({ queryKey: ['receipt', id], queryFn: () => getReceipt(id) })
}

export function lotsQuery(unit: string) {
  return infiniteQueryOptions({
    queryKey: ['lots', unit],
    queryFn: ({ pageParam }) => getLots(unit, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}

export function runsOfQuery(unit: string, block: string) {
  const storefront = unit.slice(0, unit.indexOf('.'))
  return queryOptions({ queryKey: ['runs-of', block], queryFn: () => getRunsOf(storefront, block) })
}

export function movementsQuery(unit: string, lot: string) {
  return infiniteQueryOptions({
    queryKey: ['lot-movements', unit, lot],
    queryFn: ({ pageParam }) => getLotMovements(unit, lot, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}

// Everything that a subscription decides, once it may have changed.
const decided = new Set(['plan', 'subscriptions', 'receipts', 'ledger', 'lots', 'rate-limits', 'points', 'referrals'])

export function forgetPlans(client: QueryClient): Promise<void> {
  return client.invalidateQueries({ predicate: ({ queryKey }) => decided.has(String(queryKey[0])) })
}

import { useQuery } from '@tanstack/react-query'
import type { PlanOffer } from '../../api/billing'
import type { PlanView, Quota } from '../../api/types'
import { isShop } from '../paths'
import { offersQuery } from './queries'

// Whether a balance holds more than what the plan gives each period, such as what was bought or given. That part does not end with
// the period. Of a plan that is not sold any more it is not known what it gives.
export function holdsMore(
  quota: Quota,
  { plan }: Pick<PlanView, 'plan'>,
  offers: readonly PlanOffer[] | undefined,
): boolean {
  const offer = offers?.find(({ id, version }) => id === plan.id && version === plan.version)
  const given = offer?.grants.find(({ unit, every }) => unit === quota.unit && every === quota.every)?.amount
  return given !== undefined && quota.available > 0 && quota.granted > given
}

export function useHoldsMore(view: PlanView | undefined): (quota: Quota) => boolean {
  const shop = view && isShop(view.storefront) ? view.storefront : null
  const { data } = useQuery({ ...offersQuery(shop ?? 'misaki'), enabled: shop !== null })
  return (quota) => view !== undefined && holdsMore(quota, view, data)
}

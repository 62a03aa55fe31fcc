import type { Me } from '../../api/types'
import type { IconName } from '../../ui/Icon'

// The pages of the console. Their paths begin with `/admin/desk`, because `/admin/jobs` and its like are operations.
export const desks = [
  { id: 'overview', to: '/admin', icon: 'auto' },
  { id: 'plans', to: '/admin/desk/plans', icon: 'copy' },
  { id: 'tenants', to: '/admin/desk/tenants', icon: 'person' },
  { id: 'subscriptions', to: '/admin/desk/subscriptions', icon: 'retry' },
  { id: 'events', to: '/admin/desk/events', icon: 'letter' },
  { id: 'jobs', to: '/admin/desk/jobs', icon: 'clock' },
  { id: 'routing', to: '/admin/desk/routing', icon: 'chart' },
  { id: 'models', to: '/admin/desk/models', icon: 'device' },
  { id: 'providers', to: '/admin/desk/providers', icon: 'key' },
  { id: 'phrases', to: '/admin/desk/phrases', icon: 'pen' },
  { id: 'persona', to: '/admin/desk/persona', icon: 'book' },
  { id: 'feedback', to: '/admin/desk/feedback', icon: 'thumbUp' },
  { id: 'figures', to: '/admin/desk/figures', icon: 'chart' },
  { id: 'usage', to: '/admin/desk/usage', icon: 'down' },
] as const satisfies readonly { id: string; to: string; icon: IconName }[]

// The server judges every call by itself; this only spares people doors that stay shut.
export function mayOperate(me: Me | null | undefined): boolean {
  return me?.permissions.includes('house.operate') ?? false
}

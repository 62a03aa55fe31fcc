import type { Me } from '../../api/types'
import type { IconName } from '../../ui/Icon'

export const sections = [
  { id: 'overview', to: '/account', icon: 'auto' },
  { id: 'plan', to: '/account/plan', icon: 'check' },
  { id: 'receipts', to: '/account/receipts', icon: 'letter' },
  { id: 'ledger', to: '/account/ledger', icon: 'copy' },
  { id: 'rewards', to: '/account/rewards', icon: 'auto' },
  { id: 'profile', to: '/account/profile', icon: 'person' },
  { id: 'security', to: '/account/security', icon: 'key' },
  { id: 'devices', to: '/account/devices', icon: 'device' },
  { id: 'keys', to: '/account/keys', icon: 'key' },
  { id: 'hooks', to: '/account/hooks', icon: 'send' },
  { id: 'members', to: '/account/members', icon: 'person' },
  { id: 'family', to: '/account/family', icon: 'person' },
  { id: 'audit', to: '/account/audit', icon: 'clock' },
  { id: 'data', to: '/account/data', icon: 'down' },
] as const satisfies readonly { id: string; to: string; icon: IconName }[]

export type SectionId = (typeof sections)[number]['id']

export function can(me: Me, permission: Me['permissions'][number]): boolean {
  return me.permissions.includes(permission)
}

// What someone may open. The server judges every call by itself; this only spares people doors that stay shut.
export function mayOpen(me: Me, section: SectionId): boolean {
  const { kind, role } = me.tenant
  if (role === 'child') return false
  switch (section) {
    case 'overview':
      return true
    case 'plan':
    case 'ledger':
      return can(me, 'usage.read')
    case 'receipts':
    case 'rewards':
      return me.user !== null && can(me, 'billing.manage')
    case 'profile':
    case 'security':
    case 'devices':
    case 'data':
      return me.user !== null && can(me, 'profile.manage')
    case 'keys':
      return me.user !== null && can(me, 'keys.manage')
    case 'hooks':
      return me.user !== null && can(me, 'tenant.manage')
    case 'members':
      return (kind === 'team' || kind === 'school') && can(me, 'members.read')
    case 'family':
      return kind === 'family' && can(me, 'members.read')
    case 'audit':
      return me.user !== null && can(me, 'audit.read')
  }
}

export function sectionsFor(me: Me): SectionId[] {
  return sections.filter(({ id }) => mayOpen(me, id)).map(({ id }) => id)
}

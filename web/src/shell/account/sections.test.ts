import { describe, expect, test } from 'vitest'
import type { Me, Role } from '../../api/types'
import { rolesToGive } from './MembersPage'
import { mayOpen, sectionsFor } from './sections'

// The table of the house: what each role is allowed in its tenant.
const allowed: Record<Role, Me['permissions']> = {
  guest: ['inference.use', 'usage.read'],
  owner: [
    'inference.use',
    'usage.read',
    'billing.manage',
    'profile.manage',
    'keys.manage',
    'members.read',
    'members.manage',
    'tenant.manage',
    'audit.read',
  ],
  admin: [
    'inference.use',
    'usage.read',
    'billing.manage',
    'profile.manage',
    'keys.manage',
    'members.read',
    'members.manage',
    'audit.read',
  ],
  member: ['inference.use', 'usage.read', 'profile.manage', 'members.read'],
  guardian: [
    'inference.use',
    'usage.read',
    'billing.manage',
    'profile.manage',
    'keys.manage',
    'members.read',
    'members.manage',
    'children.manage',
    'tenant.manage',
    'audit.read',
  ],
  child: ['members.read'],
}

function someone(role: Role, kind: string): Me {
  const tenant = { id: 'tnt_1', kind, name: '', role }
  return {
    user:
      role === 'guest'
        ? null
        : {
            id: 'usr_1',
            email: null,
            email_verified: true,
            display_name: '',
            locale: 'ja',
            operator: false,
            login_name: null,
          },
    tenant,
    tenants: [tenant],
    guest: role === 'guest',
    permissions: allowed[role],
    signed_in_at: null,
    stepped_up_until: null,
    deletion_at: null,
  }
}

describe('what a role sees of the account area', () => {
  test.each([
    ['guest', 'person', ['overview', 'plan', 'ledger']],
    [
      'owner',
      'person',
      [
        'overview',
        'plan',
        'receipts',
        'ledger',
        'rewards',
        'profile',
        'security',
        'devices',
        'keys',
        'hooks',
        'audit',
        'data',
      ],
    ],
    [
      'owner',
      'team',
      [
        'overview',
        'plan',
        'receipts',
        'ledger',
        'rewards',
        'profile',
        'security',
        'devices',
        'keys',
        'hooks',
        'members',
        'audit',
        'data',
      ],
    ],
    [
      'admin',
      'school',
      [
        'overview',
        'plan',
        'receipts',
        'ledger',
        'rewards',
        'profile',
        'security',
        'devices',
        'keys',
        'members',
        'audit',
        'data',
      ],
    ],
    ['member', 'team', ['overview', 'plan', 'ledger', 'profile', 'security', 'devices', 'members', 'data']],
    [
      'guardian',
      'family',
      [
        'overview',
        'plan',
        'receipts',
        'ledger',
        'rewards',
        'profile',
        'security',
        'devices',
        'keys',
        'hooks',
        'family',
        'audit',
        'data',
      ],
    ],
    ['child', 'family', []],
  ] as const)('%s of a %s', (role, kind, seen) => {
    expect(sectionsFor(someone(role, kind))).toEqual(seen)
  })

  test('a child opens nothing, whatever the server would allow', () => {
    const child = { ...someone('child', 'family'), permissions: allowed.owner }
    expect(sectionsFor(child)).toEqual([])
    expect(mayOpen(child, 'overview')).toBe(false)
  })

  test('only an owner makes owners', () => {
    expect(rolesToGive('owner')).toContain('owner')
    expect(rolesToGive('admin')).not.toContain('owner')
  })
})

import type { Membership, Role, TenantKind } from '../api/identity.types'
import { roleWords, tenantWords } from '../i18n/peopleWords'
import { useWords } from '../i18n/text'

export function useRoleNames(): Record<Role | TenantKind, string> {
  return useWords(roleWords)
}

// A tenant of one person carries no name that anyone gave it.
export function useTenantName(): (tenant: Pick<Membership, 'kind' | 'name'>) => string {
  const words = useWords(tenantWords)
  const kinds = useWords(roleWords)
  return ({ kind, name }) => (kind === 'person' ? words.myself : name || kinds[kind])
}

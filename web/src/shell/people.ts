import type { Membership } from '../api/types'
import { roleWords, tenantWords } from '../i18n/peopleWords'
import { useWords } from '../i18n/text'

// The server may know roles and kinds that this page does not; they are shown by their own name.
export function useNameOf(): (word: string) => string {
  const words: Record<string, string> = useWords(roleWords)
  return (word) => words[word] ?? word
}

// A tenant of one person carries no name that anyone gave it.
export function useTenantName(): (tenant: Pick<Membership, 'kind' | 'name'>) => string {
  const words = useWords(tenantWords)
  const nameOf = useNameOf()
  return ({ kind, name }) => (kind === 'person' ? words.myself : name || nameOf(kind))
}

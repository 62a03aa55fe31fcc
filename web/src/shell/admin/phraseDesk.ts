import { useQueryClient } from '@tanstack/react-query'
import { getPhraseDesk, getPhraseVersions, type Phrase, type PhraseDesk } from '../../api/misaki'
import { hasCode, Told } from '../../api/problem'
import { phraseDeskWords } from '../../i18n/misakiDeskWords'

export const phraseDeskQuery = { queryKey: ['admin', 'phrases'], queryFn: getPhraseDesk }
export const versionsQuery = { queryKey: ['admin', 'phrases', 'versions'], queryFn: getPhraseVersions }

export function fits({ id, match = [], patterns = [], replies }: Phrase, sought: string): boolean {
  const text = sought.trim().toLowerCase()
  const all = [id, ...match, ...patterns, ...replies.map((reply) => reply.text)]
  return text === '' || all.some((one) => one.toLowerCase().includes(text))
}

// Whoever edits what somebody else has changed meanwhile is told, and sees the new draft; what they wrote stays.
export function useDesk() {
  const client = useQueryClient()
  return {
    take: (desk: PhraseDesk) => {
      client.setQueryData(phraseDeskQuery.queryKey, desk)
      return client.invalidateQueries({ queryKey: versionsQuery.queryKey })
    },
    guard: async <T>(act: Promise<T>): Promise<T> => {
      try {
        return await act
      } catch (error) {
        if (!hasCode(error, 'phrases_changed')) throw error
        await client.invalidateQueries({ queryKey: phraseDeskQuery.queryKey })
        throw new Told(phraseDeskWords.stale)
      }
    },
  }
}

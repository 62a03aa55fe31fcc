import { infiniteQueryOptions, type QueryClient, queryOptions } from '@tanstack/react-query'
import {
  getChat,
  getChats,
  getFolders,
  getHouse,
  getLedger,
  getPhrases,
  getUsage,
  openAsGuest,
  searchChats,
  whoAmI,
} from './account'
import {
  getAudit,
  getFactors,
  getFamily,
  getInvitations,
  getIssuers,
  getKeys,
  getLetters,
  getMembers,
  getSessions,
} from './identity'
import { genaiAccess, getGenaiPlan, getMisakiPlan, misakiAccess } from './inference'
import { ApiError } from './problem'
import type { Me } from './types'

// A problem with a code is an answer; only silence and the server's own trouble are worth asking again.
export function worthRetrying(failures: number, error: unknown): boolean {
  return failures < 2 && !(error instanceof ApiError && error.problem.status < 500)
}

export const houseQuery = queryOptions({ queryKey: ['house'], queryFn: getHouse, staleTime: 60_000 })

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: whoAmI, staleTime: 60_000 })

// What goes on at the bar goes on in every tab: one that is looked at again asks anew for these, unlike for the rest.
const SHARED = { refetchOnWindowFocus: 'always' } as const

export const planQuery = queryOptions({
  ...SHARED,
  queryKey: ['plan', 'misaki'],
  queryFn: async () => {
    const plan = await getMisakiPlan()
    misakiAccess.remember(plan)
    return plan
  },
  staleTime: 60_000,
})

export const genaiPlanQuery = queryOptions({
  queryKey: ['plan', 'genai'],
  queryFn: async () => {
    const plan = await getGenaiPlan()
    genaiAccess.remember(plan)
    return plan
  },
  staleTime: 60_000,
})

export const phrasesQuery = queryOptions({
  queryKey: ['misaki', 'phrases'],
  queryFn: getPhrases,
  staleTime: Number.POSITIVE_INFINITY,
})

export const chatsQuery = infiniteQueryOptions({
  ...SHARED,
  queryKey: ['misaki', 'chats'],
  queryFn: ({ pageParam }) => getChats(pageParam),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
})

export const pinnedQuery = queryOptions({
  queryKey: ['misaki', 'chats', 'pinned'],
  queryFn: () => getChats(null, { pinned: true }),
})

export const foldersQuery = queryOptions({ queryKey: ['misaki', 'chats', 'folders'], queryFn: getFolders })

export function folderQuery(folder: string) {
  return infiniteQueryOptions({
    queryKey: ['misaki', 'chats', 'in', folder],
    queryFn: ({ pageParam }) => getChats(pageParam, { folder }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}

export function searchQuery(q: string) {
  return queryOptions({ queryKey: ['misaki', 'search', q], queryFn: () => searchChats(q), staleTime: 5_000 })
}

export function chatQuery(chat: string) {
  return queryOptions({
    ...SHARED,
    queryKey: ['misaki', 'chat', chat],
    queryFn: () => getChat(chat),
    staleTime: 30_000,
  })
}

export const usageQuery = infiniteQueryOptions({
  queryKey: ['usage', 'misaki'],
  queryFn: ({ pageParam }) => getUsage('misaki', pageParam),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
})

export function ledgerQuery(unit: string) {
  return infiniteQueryOptions({
    queryKey: ['ledger', unit],
    queryFn: ({ pageParam }) => getLedger(unit, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}

// Everything that was fetched belonged to the former person; only the house itself stays the same.
export function becomeSomeone(client: QueryClient, me: Me | null): void {
  misakiAccess.forget()
  genaiAccess.forget()
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'house' && query.queryKey[0] !== 'me' })
  client.setQueryData(meQuery.queryKey, me)
}

// The door of a storefront that needs no sign-up: a live session is kept, otherwise a guest's is opened.
export function guestDoorQuery(client: QueryClient) {
  return queryOptions({
    queryKey: ['misaki', 'door'],
    queryFn: async () => {
      const me = client.getQueryData<Me | null>(meQuery.queryKey) ?? (await openAsGuest())
      client.setQueryData(meQuery.queryKey, me)
      return me
    },
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export const issuersQuery = queryOptions({ queryKey: ['house', 'issuers'], queryFn: getIssuers, staleTime: 300_000 })

export const factorsQuery = queryOptions({ queryKey: ['factors'], queryFn: getFactors })

export const sessionsQuery = queryOptions({ queryKey: ['sessions'], queryFn: getSessions })

export const keysQuery = queryOptions({ queryKey: ['keys'], queryFn: getKeys })

export const membersQuery = queryOptions({ queryKey: ['members'], queryFn: getMembers })

export const invitationsQuery = queryOptions({ queryKey: ['invitations'], queryFn: getInvitations })

export const familyQuery = queryOptions({ queryKey: ['family'], queryFn: getFamily })

export const auditQuery = infiniteQueryOptions({
  queryKey: ['audit'],
  queryFn: ({ pageParam }) => getAudit(pageParam),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
})

// Letters arrive a moment after what caused them, so an open mailbox looks again by itself.
export const lettersQuery = queryOptions({ queryKey: ['letters'], queryFn: getLetters, refetchInterval: 3000 })

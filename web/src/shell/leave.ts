import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { signOut } from '../api/account'
import { actFor } from '../api/identity'
import { becomeSomeone } from '../api/queries'
import { leaveNothing } from './arrival'

export function useSignOut() {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  return useMutation({
    mutationFn: signOut,
    onSuccess: async () => {
      // Leave first: the page would otherwise ask for what belongs to nobody.
      await navigate({ to: '/' })
      becomeSomeone(queryClient, null)
      leaveNothing()
    },
  })
}

export function useActFor() {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  return useMutation({
    mutationFn: actFor,
    onSuccess: async (me) => {
      becomeSomeone(queryClient, me)
      await navigate({ to: '/account' })
    },
  })
}

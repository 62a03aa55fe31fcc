import { useQueryClient } from '@tanstack/react-query'
import { becomeSomeone } from '../api/queries'
import type { Me } from '../api/types'
import { chooseLocale, localeChosen } from '../i18n/locale'
import { useGoOn } from './goOn'

// What every way in ends with: the page belongs to someone else now, and goes on to where they wanted to go.
export function useEnterAt(): (me: Me, next: string) => void {
  const queryClient = useQueryClient()
  const goOn = useGoOn()
  return (me, next) => {
    becomeSomeone(queryClient, me)
    if (me.user && !localeChosen()) chooseLocale(me.user.locale)
    // A child has no bar to go to.
    goOn(me.tenant.role === 'child' && next === '/misaki' ? '/account' : next)
  }
}

export function useEnter(next = '/misaki'): (me: Me) => void {
  const enter = useEnterAt()
  return (me) => enter(me, next)
}

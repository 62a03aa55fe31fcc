import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { whoAmI } from '../../api/account'
import { changeRole, removeMember } from '../../api/identity'
import { becomeSomeone } from '../../api/queries'
import type { Me, Member, Role } from '../../api/types'
import { day } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { memberWords } from '../../i18n/peopleWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import field from '../../ui/field.module.css'
import { Summary } from '../form'
import { useNameOf, useTenantName } from '../people'
import { guarded, useGuarded } from '../stepUp'
import area from './area.module.css'
import { Confirm } from './parts'
import { can } from './sections'

interface Props {
  me: Me
  members: readonly Member[]
  roles: readonly Role[]
  onChanged: () => unknown
}

export function People({ me, members, roles, onChanged }: Props) {
  const words = useWords(memberWords)
  const roleName = useNameOf()
  const nameOf = useTenantName()
  const locale = useLocale()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [removing, setRemoving] = useState<Member | null>(null)
  const role = useMutation({
    mutationFn: ({ user, next }: { user: string; next: Role }) => guarded(() => changeRole(user, next)),
    onSettled: onChanged,
  })
  const remove = useGuarded({
    mutationFn: (member: Member) => removeMember(member.user),
    onSuccess: async (_, member) => {
      setRemoving(null)
      if (member.user !== me.user?.id) return onChanged()
      // Whoever leaves acts for themselves again.
      becomeSomeone(queryClient, await whoAmI())
      await navigate({ to: '/account' })
    },
  })
  const manages = can(me, 'members.manage')
  const called = (member: Member) => member.display_name || member.email || member.login_name || member.user
  return (
    <>
      <Summary error={role.error} />
      <ul className={area['things']}>
        {members.map((member) => {
          const self = member.user === me.user?.id
          const choices = roles.includes(member.role) ? roles : [member.role, ...roles]
          return (
            <li key={member.user}>
              <div className={area['thing']}>
                <span className={area['title']}>
                  <b>{called(member)}</b>
                  {self && <Badge tone="accent">{words.you}</Badge>}
                  {(!manages || self || roles.length < 2) && <Badge>{roleName(member.role)}</Badge>}
                </span>
                <span className={area['facts']}>
                  {member.email && <span>{member.email}</span>}
                  <span>{words.joined(day(member.joined_at, locale))}</span>
                </span>
              </div>
              <div className={area['acts']}>
                {manages && !self && roles.length > 1 && (
                  <select
                    className={field['input']}
                    aria-label={words.roleOf(called(member))}
                    value={member.role}
                    disabled={role.isPending}
                    onChange={(event) => {
                      const next = choices.find((other) => other === event.target.value)
                      if (next) role.mutate({ user: member.user, next })
                    }}
                  >
                    {choices.map((value) => (
                      <option key={value} value={value}>
                        {roleName(value)}
                      </option>
                    ))}
                  </select>
                )}
                {(self ? members.length > 1 : manages) && (
                  <Button
                    small
                    look="plain"
                    aria-label={self ? words.leave : `${words.remove}: ${called(member)}`}
                    onClick={() => setRemoving(member)}
                  >
                    {self ? words.leave : words.remove}
                  </Button>
                )}
              </div>
            </li>
          )
        })}
      </ul>
      {removing && (
        <Confirm
          title={
            removing.user === me.user?.id ? words.leaveTitle(nameOf(me.tenant)) : words.removeTitle(called(removing))
          }
          text={removing.user === me.user?.id ? words.leaveText : words.removeText}
          act={removing.user === me.user?.id ? words.leave : words.remove}
          run={{ ...remove, mutate: () => remove.mutate(removing) }}
          onClose={() => setRemoving(null)}
        />
      )}
    </>
  )
}

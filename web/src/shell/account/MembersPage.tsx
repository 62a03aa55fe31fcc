import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { renameTenant } from '../../api/identity'
import { membersQuery, meQuery } from '../../api/queries'
import type { Me, Role } from '../../api/types'
import { formWords } from '../../i18n/formWords'
import { memberWords, tenantWords } from '../../i18n/peopleWords'
import { useWords } from '../../i18n/text'
import { Field } from '../../ui/Field'
import { lengthOf } from '../codes'
import { Form } from '../form'
import { useTenantName } from '../people'
import { guarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { Invitations, Invite } from './Invitations'
import { MemberBudgets } from './MemberBudgets'
import { People } from './People'
import { Fetched, Page } from './parts'
import { can } from './sections'

// Only an owner makes other owners.
export function rolesToGive(mine: Role): Role[] {
  return mine === 'owner' ? ['member', 'admin', 'owner'] : ['member', 'admin']
}

export function Rename({ me }: { me: Me }) {
  const words = useWords(memberWords)
  const form = useWords(formWords)
  const tenants = useWords(tenantWords)
  const queryClient = useQueryClient()
  const [name, setName] = useState(me.tenant.name)
  const save = useMutation({
    mutationFn: () => guarded(() => renameTenant(name.trim())),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: meQuery.queryKey }),
  })
  return (
    <section className={styles['card']}>
      <h2>{words.rename}</h2>
      <Form
        run={save}
        check={() =>
          name.trim() === '' ? { name: form.needName } : lengthOf(name) > 80 ? { name: tenants.longName } : {}
        }
        submit={form.save}
        beside={
          <span role="status" className={area['good']}>
            {save.isSuccess ? form.saved : ''}
          </span>
        }
      >
        {(errors) => (
          <Field
            label={words.rename}
            name="tenant_name"
            autoComplete="organization"
            required
            value={name}
            onChange={(event) => setName(event.target.value)}
            error={errors['name']}
          />
        )}
      </Form>
    </section>
  )
}

export default function MembersPage() {
  const words = useWords(memberWords)
  const nameOf = useTenantName()
  const queryClient = useQueryClient()
  const { data: me } = useQuery(meQuery)
  const members = useQuery(membersQuery)
  if (!me) return null
  const manages = can(me, 'members.manage')
  return (
    <Page title={words.title} lead={words.lead(nameOf(me.tenant))}>
      <section className={styles['card']}>
        <Fetched query={members}>
          {(items) => (
            <People
              me={me}
              members={items}
              roles={rolesToGive(me.tenant.role)}
              onChanged={() => queryClient.invalidateQueries({ queryKey: membersQuery.queryKey })}
            />
          )}
        </Fetched>
      </section>
      <MemberBudgets me={me} members={members.data ?? []} />
      {manages && <Invite title={words.inviteTitle} roles={rolesToGive(me.tenant.role)} />}
      {manages && <Invitations />}
      {can(me, 'tenant.manage') && <Rename me={me} />}
    </Page>
  )
}

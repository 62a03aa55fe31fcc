import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { enterAsChild, removeChild } from '../../api/identity'
import { becomeSomeone, familyQuery, invitationsQuery, meQuery } from '../../api/queries'
import type { Child, Family, Me } from '../../api/types'
import { day } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { familyWords } from '../../i18n/peopleWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Noren } from '../../ui/Noren'
import { useTenantName } from '../people'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { AddChild, EditChild } from './ChildForms'
import { Invitations, Invite } from './Invitations'
import { Rename } from './MembersPage'
import { People } from './People'
import { Confirm, Fetched, Page } from './parts'
import { can } from './sections'
import { useFormFocus } from './useFormFocus'

const MOST_GUARDIANS = 2

function Children({ family, manages, onChanged }: { family: Family; manages: boolean; onChanged: () => unknown }) {
  const words = useWords(familyWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [adding, setAdding] = useState(false)
  const { around, opener } = useFormFocus(adding)
  const [editing, setEditing] = useState<Child | null>(null)
  const [entering, setEntering] = useState<Child | null>(null)
  const [removing, setRemoving] = useState<Child | null>(null)
  const enter = useGuarded({
    mutationFn: (child: Child) => enterAsChild(child.user),
    onSuccess: (me) => {
      becomeSomeone(queryClient, me)
      void navigate({ to: '/account' })
    },
  })
  const remove = useGuarded({
    mutationFn: (child: Child) => removeChild(child.user),
    onSuccess: () => {
      setRemoving(null)
      return onChanged()
    },
  })
  return (
    <section ref={around} className={styles['card']}>
      <h2>{words.children}</h2>
      {family.children.length === 0 && !adding && (
        <div className={area['empty']}>
          <Noren characters="こども" cloth="narai" />
          <h3>{words.noChildren}</h3>
          <p>{words.noChildrenText}</p>
        </div>
      )}
      {family.children.length > 0 && (
        <ul className={area['things']}>
          {family.children.map((child) => (
            <li key={child.user}>
              <div className={area['thing']}>
                <b>{child.display_name}</b>
                <span className={area['facts']}>
                  <span>{words.nameIs(child.name)}</span>
                  {child.birth_year !== null && <span>{words.born(String(child.birth_year))}</span>}
                  <span>{words.consentedAt(day(child.consent_at, locale))}</span>
                </span>
              </div>
              {manages && (
                <div className={area['acts']}>
                  <Button small aria-label={`${words.enter}: ${child.display_name}`} onClick={() => setEntering(child)}>
                    {words.enter}
                  </Button>
                  <Button
                    small
                    look="plain"
                    aria-label={`${words.edit}: ${child.display_name}`}
                    onClick={() => setEditing(child)}
                  >
                    {words.edit}
                  </Button>
                  <Button
                    small
                    look="plain"
                    aria-label={`${words.remove}: ${child.display_name}`}
                    onClick={() => setRemoving(child)}
                  >
                    {words.remove}
                  </Button>
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
      {manages && !adding && (
        <div>
          <Button ref={opener} small look="primary" onClick={() => setAdding(true)}>
            {words.add}
          </Button>
        </div>
      )}
      {adding && (
        <AddChild
          onCancel={() => setAdding(false)}
          onAdded={() => {
            setAdding(false)
            onChanged()
          }}
        />
      )}
      {editing && (
        <EditChild
          child={editing}
          onClose={() => setEditing(null)}
          onDone={() => {
            setEditing(null)
            onChanged()
          }}
        />
      )}
      {entering && (
        <Confirm
          title={words.enterTitle(entering.display_name)}
          text={words.enterText}
          act={words.enterDo}
          run={{ ...enter, mutate: () => enter.mutate(entering) }}
          onClose={() => setEntering(null)}
        />
      )}
      {removing && (
        <Confirm
          title={words.removeTitle(removing.display_name)}
          text={words.removeText}
          act={words.removeDo}
          run={{ ...remove, mutate: () => remove.mutate(removing) }}
          onClose={() => setRemoving(null)}
        />
      )}
    </section>
  )
}

function Inside({ me, family }: { me: Me; family: Family }) {
  const words = useWords(familyWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const manages = can(me, 'members.manage')
  const invitations = useQuery({ ...invitationsQuery, enabled: manages })
  const onChanged = () => queryClient.invalidateQueries({ queryKey: familyQuery.queryKey })
  const taken = family.guardians.length + (invitations.data?.length ?? 0)
  return (
    <>
      <section className={styles['card']}>
        <h2>{words.code}</h2>
        <p className={styles['soft']}>{words.codeText}</p>
        <Copy label={words.code} value={family.code} copy={form.copy} copied={form.copied} />
        <div>
          <Link to="/sign-in/child" search={{ family: family.code }} className={buttonClass({ small: true })}>
            {words.childDoor}
          </Link>
        </div>
      </section>
      <Children family={family} manages={can(me, 'children.manage')} onChanged={onChanged} />
      <section className={styles['card']}>
        <h2>{words.guardians}</h2>
        <p className={styles['soft']}>{words.guardiansText}</p>
        <People me={me} members={family.guardians} roles={['guardian']} onChanged={onChanged} />
      </section>
      {manages && taken < MOST_GUARDIANS && <Invite title={words.inviteGuardian} roles={['guardian']} />}
      {manages && <Invitations />}
      {can(me, 'tenant.manage') && <Rename me={me} />}
    </>
  )
}

export default function FamilyPage() {
  const words = useWords(familyWords)
  const nameOf = useTenantName()
  const { data: me } = useQuery(meQuery)
  const family = useQuery(familyQuery)
  if (!me) return null
  return (
    <Page title={words.title} lead={words.lead(nameOf(me.tenant))}>
      <Fetched query={family} height="20rem">
        {(data) => <Inside me={me} family={data} />}
      </Fetched>
    </Page>
  )
}

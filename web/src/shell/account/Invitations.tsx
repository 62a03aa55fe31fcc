import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { invite, withdrawInvitation } from '../../api/identity'
import { invitationsQuery } from '../../api/queries'
import type { Role } from '../../api/types'
import { day } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { memberWords } from '../../i18n/peopleWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Select } from '../../ui/Select'
import { checkEmail } from '../authForm'
import { Form, Summary } from '../form'
import { MailboxLink } from '../MailboxLink'
import { useNameOf } from '../people'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { Fetched } from './parts'

export function Invite({ roles, title }: { roles: readonly Role[]; title: string }) {
  const words = useWords(memberWords)
  const form = useWords(formWords)
  const called = useNameOf()
  const queryClient = useQueryClient()
  const [email, setEmail] = useState('')
  const [sentTo, setSentTo] = useState('')
  const [role, setRole] = useState<Role>(roles[0] ?? 'member')
  const send = useGuarded({
    mutationFn: () => invite(email.trim(), role),
    onSuccess: () => {
      setSentTo(email.trim())
      setEmail('')
      return queryClient.invalidateQueries({ queryKey: invitationsQuery.queryKey })
    },
  })
  return (
    <section className={styles['card']}>
      <h2>{title}</h2>
      <p className={styles['soft']}>{words.inviteText}</p>
      {send.isSuccess && (
        <>
          <p role="status">{words.invited(sentTo)}</p>
          <div>
            <MailboxLink small />
          </div>
        </>
      )}
      <Form run={send} check={() => checkEmail(email.trim(), form)} submit={words.inviteDo}>
        {(errors) => (
          <>
            <Field
              label={words.email}
              type="email"
              name="invite_email"
              autoComplete="off"
              inputMode="email"
              autoCapitalize="none"
              spellCheck={false}
              required
              value={email}
              onChange={(event) => setEmail(event.target.value)}
              error={errors['email']}
            />
            {roles.length > 1 && (
              <Select
                label={words.role}
                name="invite_role"
                value={role}
                onChange={(event) => setRole(roles.find((other) => other === event.target.value) ?? role)}
                options={roles.map((value) => ({ value, text: called(value) }))}
              />
            )}
          </>
        )}
      </Form>
    </section>
  )
}

export function Invitations() {
  const words = useWords(memberWords)
  const called = useNameOf()
  const locale = useLocale()
  const queryClient = useQueryClient()
  const invitations = useQuery(invitationsQuery)
  const withdraw = useMutation({
    mutationFn: withdrawInvitation,
    onSettled: () => queryClient.invalidateQueries({ queryKey: invitationsQuery.queryKey }),
  })
  return (
    <section className={styles['card']}>
      <h2>{words.pending}</h2>
      <Summary error={withdraw.error} />
      <Fetched query={invitations} height="3rem">
        {(items) =>
          items.length === 0 ? (
            <p className={styles['soft']}>{words.noPending}</p>
          ) : (
            <ul className={area['things']}>
              {items.map((item) => (
                <li key={item.id}>
                  <div className={area['thing']}>
                    <b>{item.email}</b>
                    <span className={area['facts']}>
                      <span>{called(item.role)}</span>
                      <span>{words.until(day(item.expires_at, locale))}</span>
                    </span>
                  </div>
                  <Button
                    small
                    look="plain"
                    disabled={withdraw.isPending}
                    aria-label={words.withdrawOf(item.email)}
                    onClick={() => withdraw.mutate(item.id)}
                  >
                    {words.withdraw}
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Fetched>
    </section>
  )
}

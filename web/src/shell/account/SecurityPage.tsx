import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { changePassword, removePassword } from '../../api/identity'
import { factorsQuery, meQuery } from '../../api/queries'
import type { Factors } from '../../api/types'
import { authWords } from '../../i18n/authWords'
import { formWords } from '../../i18n/formWords'
import { securityWords } from '../../i18n/securityWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { checkNewPassword } from '../authForm'
import { Form, PasswordField } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import { Passkeys } from './Passkeys'
import { Confirm, Fetched, Page } from './parts'
import { Totp } from './Totp'
import { useFormFocus } from './useFormFocus'

function Password({ factors }: { factors: Factors }) {
  const words = useWords(securityWords)
  const auth = useWords(authWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const [changing, setChanging] = useState(false)
  const { around, opener } = useFormFocus(changing)
  const [removing, setRemoving] = useState(false)
  const [password, setPassword] = useState('')
  const change = useGuarded({
    mutationFn: () => changePassword(password),
    onSuccess: (me) => {
      queryClient.setQueryData(meQuery.queryKey, me)
      setChanging(false)
      setPassword('')
      return queryClient.invalidateQueries({ queryKey: factorsQuery.queryKey })
    },
  })
  const remove = useGuarded({
    mutationFn: () => removePassword(),
    onSuccess: () => {
      setRemoving(false)
      return queryClient.invalidateQueries({ queryKey: factorsQuery.queryKey })
    },
  })
  return (
    <section ref={around} className={styles['card']}>
      <h2>{words.password}</h2>
      {!changing && (
        <>
          <p role="status">
            {!factors.password
              ? remove.isSuccess
                ? words.passwordGone
                : words.passwordNone
              : change.isSuccess
                ? words.passwordDone
                : words.passwordSet}
          </p>
          <div>
            <Button
              ref={opener}
              small
              onClick={() => {
                change.reset()
                setChanging(true)
              }}
            >
              {factors.password ? words.changePassword : words.setPassword}
            </Button>
          </div>
          {factors.password && factors.passkeys.length > 0 && (
            <div>
              <Button small look="plain" onClick={() => setRemoving(true)}>
                {words.removePassword}
              </Button>
            </div>
          )}
        </>
      )}
      {removing && (
        <Confirm
          title={words.removePassword}
          text={words.removePasswordText}
          act={words.removePassword}
          run={remove}
          onClose={() => setRemoving(false)}
        />
      )}
      {changing && (
        <Form
          run={change}
          check={() => checkNewPassword(password, form)}
          submit={factors.password ? words.changePassword : words.setPassword}
          beside={
            <Button look="plain" onClick={() => setChanging(false)}>
              {form.cancel}
            </Button>
          }
        >
          {(errors, codes) => (
            <>
              <p className={styles['soft']}>{words.passwordOthers}</p>
              <PasswordField
                label={words.newPassword}
                hint={auth.passwordHint}
                fresh
                value={password}
                onChange={setPassword}
                error={errors['password']}
              >
                {codes['password'] === 'weak_password' && <Notice tone="info" title={auth.strength} />}
              </PasswordField>
            </>
          )}
        </Form>
      )}
    </section>
  )
}

export default function SecurityPage() {
  const words = useWords(securityWords)
  const factors = useQuery(factorsQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <Fetched query={factors} height="24rem">
        {(data) => (
          <>
            <Password factors={data} />
            <Totp factors={data} />
            <Passkeys passkeys={data.passkeys} />
          </>
        )}
      </Fetched>
    </Page>
  )
}

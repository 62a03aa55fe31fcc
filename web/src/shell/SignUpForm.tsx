import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { register } from '../api/account'
import { becomeSomeone } from '../api/queries'
import { authWords } from '../i18n/authWords'
import { formWords } from '../i18n/formWords'
import { useLocale } from '../i18n/locale'
import { useWords } from '../i18n/text'
import { Field } from '../ui/Field'
import { Notice } from '../ui/Notice'
import { arrive } from './arrival'
import styles from './auth.module.css'
import { type Credentials, checkSignUp } from './authForm'
import { Form, PasswordField } from './form'
import { useGoOn } from './goOn'

const empty: Credentials = { email: '', password: '', displayName: '' }

export function SignUpForm({ next = '/misaki' }: { next?: string | undefined }) {
  const words = useWords(authWords)
  const form = useWords(formWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const goOn = useGoOn()
  const [values, setValues] = useState(empty)
  const enter = useMutation({
    mutationFn: () => register({ ...values, locale }),
    onSuccess: ({ api_key, ...me }) => {
      becomeSomeone(queryClient, me)
      arrive(values.email, api_key)
      goOn(next)
    },
  })
  const change = (name: keyof Credentials) => (value: string) => setValues((now) => ({ ...now, [name]: value }))
  return (
    <Form className={styles['form']} run={enter} check={() => checkSignUp(values, form)} submit={words.signUp} wide>
      {(errors, codes) => (
        <>
          <Field
            label={words.email}
            type="email"
            name="email"
            autoComplete="email"
            inputMode="email"
            autoCapitalize="none"
            spellCheck={false}
            required
            value={values.email}
            onChange={(event) => change('email')(event.target.value)}
            error={errors['email']}
          />
          <PasswordField
            label={words.password}
            hint={words.passwordHint}
            fresh
            value={values.password}
            onChange={change('password')}
            error={errors['password']}
          >
            {codes['password'] === 'weak_password' && <Notice tone="info" title={words.strength} />}
          </PasswordField>
          <Field
            label={words.displayName}
            hint={words.displayNameHint}
            name="display_name"
            autoComplete="nickname"
            value={values.displayName}
            onChange={(event) => change('displayName')(event.target.value)}
            error={errors['display_name']}
          />
        </>
      )}
    </Form>
  )
}

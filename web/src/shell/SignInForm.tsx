import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { signIn } from '../api/account'
import type { Me, SecondStep } from '../api/types'
import { authWords } from '../i18n/authWords'
import { formWords } from '../i18n/formWords'
import { useWords } from '../i18n/text'
import { Field } from '../ui/Field'
import styles from './auth.module.css'
import { checkSignIn } from './authForm'
import { Form, PasswordField } from './form'

interface Props {
  email: string
  onEmail: (email: string) => void
  onEntered: (me: Me) => void
  onSecond: (step: SecondStep) => void
}

export function SignInForm({ email, onEmail, onEntered, onSecond }: Props) {
  const words = useWords(authWords)
  const form = useWords(formWords)
  const [password, setPassword] = useState('')
  const enter = useMutation({
    mutationFn: () => signIn(email, password),
    onSuccess: (answer) => ('ticket' in answer ? onSecond(answer) : onEntered(answer)),
  })
  return (
    <Form
      className={styles['form']}
      run={enter}
      check={() => checkSignIn(email, password, form)}
      submit={words.signIn}
      wide
    >
      {(errors) => (
        <>
          <Field
            label={words.email}
            type="email"
            name="email"
            autoComplete="username webauthn"
            inputMode="email"
            autoCapitalize="none"
            spellCheck={false}
            required
            value={email}
            onChange={(event) => onEmail(event.target.value)}
            error={errors['email']}
          />
          <PasswordField label={words.password} value={password} onChange={setPassword} error={errors['password']} />
        </>
      )}
    </Form>
  )
}

import { useMutation } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { signIn } from '../api/account'
import { signInWithPasskey } from '../api/identity'
import type { Me, SecondStep } from '../api/types'
import { offerPasskey } from '../api/webauthn'
import { authWords } from '../i18n/authWords'
import { formWords } from '../i18n/formWords'
import { useWords } from '../i18n/text'
import { Field } from '../ui/Field'
import styles from './auth.module.css'
import { checkSignIn } from './authForm'
import { Form, PasswordField } from './form'

interface Props {
  onEntered: (me: Me) => void
  onSecond: (step: SecondStep) => void
  email?: string | undefined
}

export function SignInForm({ onEntered, onSecond, email: known = '' }: Props) {
  const words = useWords(authWords)
  const form = useWords(formWords)
  const [email, setEmail] = useState(known)
  const [password, setPassword] = useState('')
  const entered = useRef(onEntered)
  entered.current = onEntered
  const enter = useMutation({
    mutationFn: () => signIn(email, password),
    onSuccess: (answer) => ('ticket' in answer ? onSecond(answer) : onEntered(answer)),
  })

  useEffect(() => {
    const page = new AbortController()
    void offerPasskey(page.signal).then(async (signed) => {
      if (signed && !page.signal.aborted) entered.current(await signInWithPasskey(signed))
    }, ignore)
    return () => page.abort()
  }, [])

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
            onChange={(event) => setEmail(event.target.value)}
            error={errors['email']}
          />
          <PasswordField label={words.password} value={password} onChange={setPassword} error={errors['password']} />
        </>
      )}
    </Form>
  )
}

// A passkey that the house does not know: the form is still there.
function ignore() {}

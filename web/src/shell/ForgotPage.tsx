import { useMutation } from '@tanstack/react-query'
import { Link, useLocation } from '@tanstack/react-router'
import { useState } from 'react'
import { forgotPassword } from '../api/identity'
import { authWords } from '../i18n/authWords'
import { formWords } from '../i18n/formWords'
import { useLocale } from '../i18n/locale'
import { useWords } from '../i18n/text'
import { Button, buttonClass } from '../ui/Button'
import { Field } from '../ui/Field'
import styles from './auth.module.css'
import { checkEmail } from './authForm'
import { Form } from './form'
import house from './house.module.css'
import { MailboxLink } from './MailboxLink'
import { usePageTitle } from './page'

export default function ForgotPage() {
  const words = useWords(authWords)
  const form = useWords(formWords)
  const locale = useLocale()
  const typed = useLocation({ select: ({ state }) => state.email })
  const [email, setEmail] = useState(typed ?? '')
  const send = useMutation({ mutationFn: () => forgotPassword(email, locale) })
  usePageTitle(send.isSuccess ? words.forgotSent : words.forgotTitle)
  if (send.isSuccess) {
    return (
      <div className={house['narrow']}>
        <h1>{words.forgotSent}</h1>
        <div className={styles['after']} role="status">
          <p>{words.forgotSentText(email)}</p>
          <MailboxLink />
          <Link to="/sign-in" className={buttonClass()}>
            {words.backToSignIn}
          </Link>
          <Button look="plain" onClick={() => send.reset()}>
            {words.otherAddress}
          </Button>
        </div>
      </div>
    )
  }
  return (
    <div className={house['narrow']}>
      <h1>{words.forgotTitle}</h1>
      <p className={styles['lead']}>{words.forgotLead}</p>
      <Form className={styles['form']} run={send} check={() => checkEmail(email, form)} submit={words.sendLink} wide>
        {(errors) => (
          <Field
            label={words.email}
            type="email"
            name="email"
            autoComplete="username"
            inputMode="email"
            autoCapitalize="none"
            spellCheck={false}
            required
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            error={errors['email']}
          />
        )}
      </Form>
      <p className={styles['other']}>
        <Link to="/sign-in">{words.backToSignIn}</Link>
      </p>
    </div>
  )
}

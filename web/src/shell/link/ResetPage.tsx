import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { resetPassword } from '../../api/identity'
import { hasCode } from '../../api/problem'
import { becomeSomeone } from '../../api/queries'
import { authWords } from '../../i18n/authWords'
import { formWords } from '../../i18n/formWords'
import { linkWords } from '../../i18n/linkWords'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { checkNewPassword } from '../authForm'
import { Form, PasswordField } from '../form'
import form from '../form.module.css'
import { useHanded } from '../handed'
import { EmptyLink, LinkPage } from './parts'

export default function ResetPage() {
  const words = useWords(linkWords)
  const auth = useWords(authWords)
  const said = useWords(formWords)
  const queryClient = useQueryClient()
  const { token } = useHanded('/link/reset')
  const [password, setPassword] = useState('')
  const run = useMutation({
    mutationFn: () => resetPassword(token, password),
    // Every session has ended with the old password, also the one of this browser.
    onSuccess: () => becomeSomeone(queryClient, null),
  })
  if (token === '') return <EmptyLink />
  if (run.isSuccess) {
    return (
      <LinkPage title={words.resetDone}>
        <p role="status">{words.resetDoneText}</p>
        <Link to="/sign-in" className={buttonClass({ look: 'primary' })}>
          {auth.signIn}
        </Link>
      </LinkPage>
    )
  }
  if (hasCode(run.error, 'link_expired')) {
    return (
      <LinkPage title={words.expiredTitle}>
        <p role="alert">{words.expiredText}</p>
        <Link to="/forgot" className={buttonClass({ look: 'primary' })}>
          {words.askAgain}
        </Link>
      </LinkPage>
    )
  }
  return (
    <LinkPage title={words.resetTitle}>
      <p>{words.resetLead}</p>
      <Form className={form['form']} run={run} check={() => checkNewPassword(password, said)} submit={words.resetDo}>
        {(errors, codes) => (
          <PasswordField
            label={auth.newPassword}
            hint={auth.passwordHint}
            fresh
            value={password}
            onChange={setPassword}
            error={errors['password']}
          >
            {codes['password'] === 'weak_password' && <Notice tone="info" title={auth.strength} />}
          </PasswordField>
        )}
      </Form>
    </LinkPage>
  )
}

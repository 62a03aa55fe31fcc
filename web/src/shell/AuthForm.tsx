import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { register, signIn } from '../api/account'
import { describeProblem } from '../api/problem'
import { becomeSomeone } from '../api/queries'
import { authWords } from '../i18n/authWords'
import { chooseLocale, localeChosen, useLocale } from '../i18n/locale'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import { Field } from '../ui/Field'
import { Notice } from '../ui/Notice'
import styles from './auth.module.css'
import { type Credentials, checkCredentials, type FieldErrors } from './authForm'

const empty: Credentials = { email: '', password: '', displayName: '' }

export function AuthForm({ mode, next = '/misaki' }: { mode: 'sign-in' | 'sign-up'; next?: string | undefined }) {
  const words = useWords(authWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [values, setValues] = useState(empty)
  const [shown, setShown] = useState(false)
  const [found, setFound] = useState<FieldErrors>({})
  const [attempt, setAttempt] = useState(0)
  const summary = useRef<HTMLDivElement>(null)

  const enter = useMutation({
    mutationFn: () => (mode === 'sign-in' ? signIn(values.email, values.password) : register({ ...values, locale })),
    onSuccess: async (me) => {
      becomeSomeone(queryClient, me)
      if (mode === 'sign-in' && me.user && !localeChosen()) chooseLocale(me.user.locale)
      await navigate({ to: next })
    },
    onError: () => setAttempt((count) => count + 1),
  })

  // The summary takes the focus each time a try fails, also when it fails in the same way again.
  useEffect(() => {
    if (attempt > 0) summary.current?.focus()
  }, [attempt])

  const problem = enter.error ? describeProblem(enter.error, locale) : null
  const errors: FieldErrors = Object.keys(found).length > 0 ? found : (problem?.fields ?? {})
  const listed = Object.values(errors).filter((text) => text !== undefined)

  function submit(event: FormEvent) {
    event.preventDefault()
    if (enter.isPending) return
    const mistakes = checkCredentials(mode, values, words)
    setFound(mistakes)
    enter.reset()
    if (Object.keys(mistakes).length > 0) setAttempt((count) => count + 1)
    else enter.mutate()
  }

  const change = (name: keyof Credentials) => (event: { target: { value: string } }) =>
    setValues((now) => ({ ...now, [name]: event.target.value }))

  return (
    <form className={styles['form']} noValidate onSubmit={submit}>
      {(problem || listed.length > 0) && (
        <Notice
          ref={summary}
          tone="bad"
          role="alert"
          title={problem?.summary ?? words.checkFields}
          request={problem?.requestId ? { label: shell.requestId, id: problem.requestId } : null}
        >
          {listed.length > 0 && (
            <ul className={styles['errors']}>
              {listed.map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          )}
        </Notice>
      )}
      <Field
        label={words.email}
        type="email"
        name="email"
        autoComplete={mode === 'sign-in' ? 'username' : 'email'}
        inputMode="email"
        autoCapitalize="none"
        spellCheck={false}
        required
        value={values.email}
        onChange={change('email')}
        error={errors.email}
      />
      <Field
        label={words.password}
        {...(mode === 'sign-up' ? { hint: words.passwordHint } : {})}
        type={shown ? 'text' : 'password'}
        name="password"
        autoComplete={mode === 'sign-in' ? 'current-password' : 'new-password'}
        required
        value={values.password}
        onChange={change('password')}
        error={errors.password}
      />
      <label className={styles['show']}>
        <input type="checkbox" checked={shown} onChange={(event) => setShown(event.target.checked)} />
        {words.showPassword}
      </label>
      {mode === 'sign-up' && (
        <Field
          label={words.displayName}
          hint={words.displayNameHint}
          name="display_name"
          autoComplete="nickname"
          value={values.displayName}
          onChange={change('displayName')}
          error={errors.display_name}
        />
      )}
      <Button type="submit" look="primary" wide aria-disabled={enter.isPending || undefined}>
        {enter.isPending ? words.working : mode === 'sign-in' ? words.signIn : words.signUp}
      </Button>
    </form>
  )
}

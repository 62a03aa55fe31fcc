import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { describeProblem } from '../api/problem'
import { formWords } from '../i18n/formWords'
import { useLocale } from '../i18n/locale'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import { Check } from '../ui/Check'
import { Field } from '../ui/Field'
import { Notice } from '../ui/Notice'
import styles from './form.module.css'

export type Mistakes = Partial<Record<string, string | undefined>>

export interface Run {
  mutate: () => void
  reset: () => void
  error: unknown
  isPending: boolean
}

const none: Mistakes = {}

interface Props {
  run: Run
  // What can be said before a round trip; the server stays the judge.
  check?: () => Mistakes
  submit: string
  children: (errors: Mistakes, codes: Record<string, string>) => ReactNode
  // Beside the button, such as a way back.
  beside?: ReactNode
  wide?: boolean
  danger?: boolean
  className?: string | undefined
}

// One way to fail for every form: a summary that takes the focus, the words at their fields, the input kept.
export function Form({ run, check, submit, children, beside, wide = false, danger = false, className }: Props) {
  const words = useWords(formWords)
  const locale = useLocale()
  const [found, setFound] = useState(none)
  const problem = run.error ? describeProblem(run.error, locale) : null
  const errors = Object.keys(found).length > 0 ? found : (problem?.fields ?? none)

  function onSubmit(event: FormEvent) {
    event.preventDefault()
    if (run.isPending) return
    const mistakes = check?.() ?? none
    setFound({ ...mistakes })
    run.reset()
    if (Object.keys(mistakes).length === 0) run.mutate()
  }
  return (
    <form className={className ?? styles['form']} noValidate onSubmit={onSubmit}>
      <Summary error={Object.keys(found).length > 0 ? null : run.error} mistakes={found} />
      {children(errors, problem?.fieldCodes ?? {})}
      <div className={styles['row']}>
        <Button
          type="submit"
          look={danger ? 'danger' : 'primary'}
          wide={wide}
          aria-disabled={run.isPending || undefined}
        >
          {run.isPending ? words.working : submit}
        </Button>
        {beside}
      </div>
    </form>
  )
}

// Takes the focus each time a try fails, also when it fails in the same way again.
export function Summary({ error, mistakes = none }: { error: unknown; mistakes?: Mistakes }) {
  const words = useWords(formWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const box = useRef<HTMLDivElement>(null)
  const problem = error ? describeProblem(error, locale) : null
  const fields = Object.values(problem?.fields ?? mistakes).filter((text) => text !== undefined)
  const failed = problem !== null || fields.length > 0

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new error and new mistakes are what brings the focus
  useEffect(() => {
    if (failed) box.current?.focus()
  }, [error, mistakes])

  if (!failed) return null
  return (
    <Notice
      ref={box}
      tone="bad"
      role="alert"
      title={problem?.summary ?? words.checkFields}
      request={problem?.requestId ? { label: shell.requestId, id: problem.requestId } : null}
    >
      {problem?.retryAfter && <p>{words.retryAfter(Math.ceil(problem.retryAfter / 60))}</p>}
      {fields.length > 0 && (
        <ul className={styles['errors']}>
          {fields.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </Notice>
  )
}

interface PasswordProps {
  label: string
  value: string
  onChange: (value: string) => void
  fresh?: boolean
  hint?: string
  error?: string | undefined
  children?: ReactNode
}

export function PasswordField({ label, value, onChange, fresh = false, hint, error, children }: PasswordProps) {
  const words = useWords(formWords)
  const [shown, setShown] = useState(false)
  return (
    <>
      <Field
        label={label}
        {...(hint ? { hint } : {})}
        type={shown ? 'text' : 'password'}
        name="password"
        autoComplete={fresh ? 'new-password' : 'current-password'}
        autoCapitalize="none"
        spellCheck={false}
        required
        value={value}
        onChange={(event) => onChange(event.target.value)}
        error={error}
      />
      {children}
      <div className={styles['small']}>
        <Check checked={shown} onChange={(event) => setShown(event.target.checked)}>
          {words.showPassword}
        </Check>
      </div>
    </>
  )
}

// Digits that someone reads off another device; letters too, because a recovery code goes into the same field.
export function CodeField({
  value,
  onChange,
  label,
  hint,
  error,
  digits = true,
}: {
  value: string
  onChange: (value: string) => void
  label: string
  hint?: string
  error?: string | undefined
  digits?: boolean
}) {
  return (
    <Field
      label={label}
      {...(hint ? { hint } : {})}
      name="code"
      autoComplete="one-time-code"
      inputMode={digits ? 'numeric' : 'text'}
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      required
      value={value}
      onChange={(event) => onChange(event.target.value)}
      error={error}
    />
  )
}

import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { signInWithCode } from '../api/identity'
import type { Me, SecondStep } from '../api/types'
import { passkeysWork } from '../api/webauthn'
import { authWords } from '../i18n/authWords'
import { formWords } from '../i18n/formWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import styles from './auth.module.css'
import { plainCode } from './codes'
import { CodeField, Form } from './form'
import { PasskeyButton } from './PasskeyButton'

interface Props {
  step: SecondStep
  onEntered: (me: Me) => void
  onStartOver: () => void
}

export function SecondStepForm({ step, onEntered, onStartOver }: Props) {
  const words = useWords(authWords)
  const form = useWords(formWords)
  const [code, setCode] = useState('')
  const [recovery, setRecovery] = useState(!step.methods.includes('totp') && step.methods.includes('recovery'))
  const byCode = step.methods.includes('totp') || step.methods.includes('recovery')
  const enter = useMutation({
    mutationFn: () => signInWithCode(step.ticket, plainCode(code)),
    onSuccess: onEntered,
  })
  const turn = () => {
    enter.reset()
    setCode('')
    setRecovery(!recovery)
  }
  return (
    <>
      <p className={styles['lead']}>
        {!byCode ? words.secondPasskeyOnly : recovery ? words.recoveryLead : words.secondLead}
      </p>
      {byCode && (
        <Form
          key={recovery ? 'recovery' : 'totp'}
          className={styles['form']}
          run={enter}
          check={() => (code.trim() === '' ? { code: form.needCode } : {})}
          submit={words.confirm}
          wide
        >
          {(errors) => (
            <CodeField
              label={recovery ? words.recoveryCode : words.code}
              digits={!recovery}
              value={code}
              onChange={setCode}
              error={errors['code']}
            />
          )}
        </Form>
      )}
      <div className={styles['ways']}>
        {step.methods.includes('passkey') && passkeysWork() && (
          <PasskeyButton label={words.usePasskey} onEntered={onEntered} />
        )}
        {step.methods.includes('totp') && step.methods.includes('recovery') && (
          <Button wide onClick={turn}>
            {recovery ? words.useApp : words.useRecovery}
          </Button>
        )}
        <Button look="plain" wide onClick={onStartOver}>
          {words.startOver}
        </Button>
      </div>
    </>
  )
}

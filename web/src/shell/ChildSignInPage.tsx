import { useMutation } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { signInAsChild } from '../api/identity'
import { childWords } from '../i18n/authWords'
import { useWords } from '../i18n/text'
import { Field } from '../ui/Field'
import styles from './auth.module.css'
import { plainCode, plainDigits } from './codes'
import { useEnter } from './enter'
import { Form } from './form'
import house from './house.module.css'
import { usePageTitle } from './page'

const route = getRouteApi('/house/sign-in/child')

export default function ChildSignInPage() {
  const words = useWords(childWords)
  const { family: known } = route.useSearch()
  const enter = useEnter('/account')
  const [family, setFamily] = useState(known ?? '')
  const [name, setName] = useState('')
  const [pin, setPin] = useState('')
  const run = useMutation({
    mutationFn: () =>
      signInAsChild({ family: plainCode(family).toLowerCase(), name: name.trim(), pin: plainDigits(pin) }),
    onSuccess: enter,
  })
  usePageTitle(words.title)
  const check = () => ({
    ...(family.trim() === '' ? { family: words.needFamily } : {}),
    ...(name.trim() === '' ? { name: words.needName } : {}),
    ...(/^\d{6}$/.test(plainDigits(pin)) ? {} : { pin: words.needPin }),
  })
  return (
    <div className={`${house['narrow']} ${styles['child']}`}>
      <h1>{words.title}</h1>
      <p className={styles['lead']}>{words.lead}</p>
      <Form className={styles['form']} run={run} check={check} submit={words.go} wide>
        {(errors) => (
          <>
            <Field
              label={words.family}
              hint={words.familyHint}
              name="family"
              autoComplete="off"
              autoCapitalize="none"
              autoCorrect="off"
              spellCheck={false}
              required
              value={family}
              onChange={(event) => setFamily(event.target.value)}
              error={errors['family']}
            />
            <Field
              label={words.name}
              hint={words.nameHint}
              name="name"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              value={name}
              onChange={(event) => setName(event.target.value)}
              error={errors['name']}
            />
            <Field
              label={words.pin}
              hint={words.pinHint}
              type="password"
              name="pin"
              autoComplete="current-password"
              inputMode="numeric"
              required
              value={pin}
              onChange={(event) => setPin(event.target.value)}
              error={errors['pin']}
            />
          </>
        )}
      </Form>
      <p className={styles['lead']}>{words.stuck}</p>
      <p className={styles['other']}>
        <Link to="/sign-in">{words.grownUp}</Link>
      </p>
    </div>
  )
}

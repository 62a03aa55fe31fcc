import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { addPasskey, removePasskey } from '../../api/identity'
import { factorsQuery } from '../../api/queries'
import type { Passkey } from '../../api/types'
import { makePasskey, passkeysWork } from '../../api/webauthn'
import { day } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { securityWords } from '../../i18n/securityWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { lengthOf } from '../codes'
import { Form } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { deviceName } from './deviceName'
import { Confirm } from './parts'
import { useFormFocus } from './useFormFocus'

export function Passkeys({ passkeys }: { passkeys: readonly Passkey[] }) {
  const words = useWords(securityWords)
  const form = useWords(formWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const [adding, setAdding] = useState(false)
  const { around, opener } = useFormFocus(adding)
  const [name, setName] = useState('')
  const [removing, setRemoving] = useState<Passkey | null>(null)
  const refresh = () => queryClient.invalidateQueries({ queryKey: factorsQuery.queryKey })
  const add = useGuarded({
    mutationFn: async () => addPasskey(name.trim(), await makePasskey()),
    onSuccess: () => {
      setAdding(false)
      return refresh()
    },
  })
  const remove = useGuarded({
    mutationFn: removePasskey,
    onSuccess: () => {
      setRemoving(null)
      return refresh()
    },
  })
  return (
    <section ref={around} className={styles['card']}>
      <h2>{words.passkeys}</h2>
      <p className={styles['soft']}>{words.passkeysText}</p>
      {passkeys.length === 0 && <p>{words.passkeysNone}</p>}
      {passkeys.length > 0 && (
        <ul className={area['things']}>
          {passkeys.map((passkey) => (
            <li key={passkey.id}>
              <div className={area['thing']}>
                <b>{passkey.name}</b>
                <span className={area['facts']}>
                  <span>{words.added(day(passkey.created_at, locale))}</span>
                  {passkey.last_used_at && <span>{words.usedLast(day(passkey.last_used_at, locale))}</span>}
                </span>
              </div>
              <Button
                small
                look="plain"
                aria-label={words.passkeyRemoveOf(passkey.name)}
                onClick={() => setRemoving(passkey)}
              >
                {words.passkeyRemove}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {!passkeysWork() && <p className={styles['soft']}>{words.passkeysNotHere}</p>}
      {passkeysWork() && !adding && (
        <div className={styles['row']}>
          <Button
            ref={opener}
            small
            onClick={() => {
              add.reset()
              setName(deviceName(navigator.userAgent, locale) ?? '')
              setAdding(true)
            }}
          >
            {words.passkeyAdd}
          </Button>
          <span role="status" className={area['good']}>
            {add.isSuccess ? words.passkeyAdded : ''}
          </span>
        </div>
      )}
      {adding && (
        <Form
          run={add}
          check={() =>
            name.trim() === '' ? { name: form.needName } : lengthOf(name) > 50 ? { name: form.longName } : {}
          }
          submit={words.passkeyAdd}
          beside={
            <Button look="plain" onClick={() => setAdding(false)}>
              {form.cancel}
            </Button>
          }
        >
          {(errors) => (
            <Field
              label={words.passkeyName}
              hint={words.passkeyNameHint}
              name="passkey_name"
              autoComplete="off"
              required
              value={name}
              onChange={(event) => setName(event.target.value)}
              error={errors['name']}
            />
          )}
        </Form>
      )}
      {removing && (
        <Confirm
          title={words.passkeyRemoveTitle(removing.name)}
          text={words.passkeyRemoveText}
          act={words.passkeyRemove}
          run={{ ...remove, mutate: () => remove.mutate(removing.id) }}
          onClose={() => setRemoving(null)}
        />
      )}
    </section>
  )
}

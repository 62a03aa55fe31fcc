import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { actFor, createTenant } from '../../api/identity'
import { becomeSomeone } from '../../api/queries'
import { formWords } from '../../i18n/formWords'
import { roleWords, tenantWords } from '../../i18n/peopleWords'
import { useWords } from '../../i18n/text'
import { Field } from '../../ui/Field'
import { lengthOf } from '../codes'
import { Form } from '../form'
import styles from './account.module.css'
import area from './area.module.css'
import { Page } from './parts'

const kinds = ['family', 'school', 'team'] as const

export default function NewTenantPage() {
  const words = useWords(tenantWords)
  const names = useWords(roleWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [kind, setKind] = useState<(typeof kinds)[number]>('family')
  const [name, setName] = useState('')
  const create = useMutation({
    mutationFn: async () => actFor((await createTenant(kind, name.trim())).id),
    onSuccess: (me) => {
      becomeSomeone(queryClient, me)
      void navigate({ to: kind === 'family' ? '/account/family' : '/account/members' })
    },
  })
  const check = () =>
    name.trim() === '' ? { name: form.needName } : lengthOf(name) > 80 ? { name: words.longName } : {}
  return (
    <Page title={words.create} lead={words.createLead}>
      <section className={styles['card']}>
        <Form run={create} check={check} submit={words.createDo}>
          {(errors) => (
            <>
              <fieldset className={area['choices']}>
                <legend>{words.kind}</legend>
                {kinds.map((value) => (
                  <label key={value} className={area['choice']}>
                    <input
                      type="radio"
                      name="kind"
                      value={value}
                      checked={value === kind}
                      onChange={() => setKind(value)}
                    />
                    <b>{names[value]}</b>
                    <small>{words[`${value}Text`]}</small>
                  </label>
                ))}
              </fieldset>
              <Field
                label={words.name}
                hint={words.nameHint}
                name="tenant_name"
                autoComplete="organization"
                required
                value={name}
                onChange={(event) => setName(event.target.value)}
                error={errors['name']}
              />
            </>
          )}
        </Form>
      </section>
    </Page>
  )
}

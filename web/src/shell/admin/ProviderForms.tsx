import { useState } from 'react'
import {
  addProviderKey,
  changeProviderKey,
  type NewProviderKey,
  type ProviderKey,
  providerKinds,
  rotateProviderKey,
} from '../../api/admin'
import { formWords } from '../../i18n/formWords'
import { providerDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Select } from '../../ui/Select'
import { Form, type Mistakes } from '../form'
import { useGuarded } from '../stepUp'

interface Ways {
  onDone: () => unknown
  onCancel: () => void
}

// A weight as somebody types it, in digits of either width; NaN when it is none.
export function weightOf(text: string): number {
  const plain = text.normalize('NFKC').trim()
  const weight = /^\d{1,4}$/.test(plain) ? Number(plain) : Number.NaN
  return weight >= 1 && weight <= 1000 ? weight : Number.NaN
}

function Cancel({ onCancel }: { onCancel: () => void }) {
  const form = useWords(formWords)
  return (
    <Button look="plain" onClick={onCancel}>
      {form.cancel}
    </Button>
  )
}

interface FieldProps {
  value: string
  onChange: (value: string) => void
  error: string | undefined
}

function WeightField({ value, onChange, error }: FieldProps) {
  const words = useWords(providerDeskWords)
  return (
    <Field
      label={words.weight}
      hint={words.weightHint}
      name="weight"
      inputMode="numeric"
      autoComplete="off"
      required
      value={value}
      onChange={(event) => onChange(event.target.value)}
      error={error}
    />
  )
}

// Never kept by the browser: it is a key of the house, not of whoever sits here.
function SecretField({ value, onChange, error }: FieldProps) {
  const words = useWords(providerDeskWords)
  return (
    <Field
      label={words.secret}
      hint={words.secretHint}
      type="password"
      name="provider_secret"
      autoComplete="off"
      autoCapitalize="none"
      spellCheck={false}
      required
      value={value}
      onChange={(event) => onChange(event.target.value)}
      error={error}
    />
  )
}

const fresh = { provider: '', kind: '', base_url: '', region: '', secret: '', weight: '1' }

export function AddKey({ onDone, onCancel }: Ways) {
  const words = useWords(providerDeskWords)
  const [draft, setDraft] = useState(fresh)
  const change = (part: Partial<typeof fresh>) => setDraft((before) => ({ ...before, ...part }))
  const add = useGuarded({
    mutationFn: () => {
      const { provider, secret, weight, ...rest } = draft
      const given = Object.entries(rest).filter(([, value]) => value.trim() !== '')
      const body: NewProviderKey = { provider: provider.trim(), secret: secret.trim(), weight: weightOf(weight) }
      return addProviderKey({ ...body, ...Object.fromEntries(given) })
    },
    onSuccess: onDone,
  })
  const check = (): Mistakes => ({
    ...(draft.provider.trim() === '' ? { provider: words.needProvider } : {}),
    ...(draft.secret.trim() === '' ? { secret: words.needSecret } : {}),
    ...(Number.isNaN(weightOf(draft.weight)) ? { weight: words.badWeight } : {}),
  })
  return (
    <Form run={add} check={check} submit={words.add} beside={<Cancel onCancel={onCancel} />}>
      {(errors) => (
        <>
          <Field
            label={words.provider}
            hint={words.providerHint}
            name="provider"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            required
            value={draft.provider}
            onChange={(event) => change({ provider: event.target.value })}
            error={errors['provider']}
          />
          <SecretField value={draft.secret} onChange={(secret) => change({ secret })} error={errors['secret']} />
          <WeightField value={draft.weight} onChange={(weight) => change({ weight })} error={errors['weight']} />
          <Select
            label={words.kind}
            options={[{ value: '', text: words.kindByName }, ...providerKinds.map((value) => ({ value, text: value }))]}
            value={draft.kind}
            onChange={(event) => change({ kind: event.target.value })}
            error={errors['kind']}
          />
          <Field
            label={words.baseUrl}
            hint={words.baseUrlHint}
            name="base_url"
            type="url"
            autoComplete="off"
            spellCheck={false}
            value={draft.base_url}
            onChange={(event) => change({ base_url: event.target.value })}
            error={errors['base_url']}
          />
          <Field
            label={words.region}
            hint={words.regionHint}
            name="region"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={draft.region}
            onChange={(event) => change({ region: event.target.value })}
            error={errors['region']}
          />
        </>
      )}
    </Form>
  )
}

export function ChangeWeight({ held, onDone, onCancel }: Ways & { held: ProviderKey }) {
  const words = useWords(providerDeskWords)
  const form = useWords(formWords)
  const [weight, setWeight] = useState(String(held.weight))
  const change = useGuarded({
    mutationFn: () => changeProviderKey(held.id, { weight: weightOf(weight) }),
    onSuccess: onDone,
  })
  return (
    <Form
      run={change}
      check={() => (Number.isNaN(weightOf(weight)) ? { weight: words.badWeight } : {})}
      submit={form.save}
      beside={<Cancel onCancel={onCancel} />}
    >
      {(errors) => <WeightField value={weight} onChange={setWeight} error={errors['weight']} />}
    </Form>
  )
}

export function RotateKey({ held, onDone, onCancel }: Ways & { held: ProviderKey }) {
  const words = useWords(providerDeskWords)
  const [secret, setSecret] = useState('')
  const rotate = useGuarded({
    mutationFn: () => rotateProviderKey(held.id, secret.trim()),
    onSuccess: onDone,
  })
  return (
    <Form
      run={rotate}
      check={() => (secret.trim() === '' ? { secret: words.needSecret } : {})}
      submit={words.rotate}
      beside={<Cancel onCancel={onCancel} />}
    >
      {(errors) => (
        <>
          <p>{words.rotateText}</p>
          <SecretField value={secret} onChange={setSecret} error={errors['secret']} />
        </>
      )}
    </Form>
  )
}

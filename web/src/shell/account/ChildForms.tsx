import { useState } from 'react'
import { addChild, changeChild } from '../../api/identity'
import type { Child } from '../../api/types'
import { formWords } from '../../i18n/formWords'
import { familyWords } from '../../i18n/peopleWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import { lengthOf, plainDigits } from '../codes'
import { Form, type Mistakes } from '../form'
import { useGuarded } from '../stepUp'

function PinField({
  label,
  value,
  onChange,
  error,
}: {
  label: string
  value: string
  onChange: (value: string) => void
  error?: string | undefined
}) {
  const words = useWords(familyWords)
  return (
    <Field
      label={label}
      hint={words.pinHint}
      name="pin"
      inputMode="numeric"
      autoComplete="off"
      value={value}
      onChange={(event) => onChange(event.target.value)}
      error={error}
    />
  )
}

export function AddChild({ onAdded, onCancel }: { onAdded: () => void; onCancel: () => void }) {
  const words = useWords(familyWords)
  const form = useWords(formWords)
  const [name, setName] = useState('')
  const [displayName, setDisplayName] = useState('')
  const [year, setYear] = useState('')
  const [pin, setPin] = useState('')
  const [consent, setConsent] = useState(false)
  const born = plainDigits(year)
  const add = useGuarded({
    mutationFn: () =>
      addChild({
        name: name.trim(),
        display_name: displayName.trim() || name.trim(),
        pin: plainDigits(pin),
        consent: true,
        ...(born === '' ? {} : { birth_year: Number(born) }),
      }),
    onSuccess: onAdded,
  })
  const check = (): Mistakes => ({
    ...(name.trim() === '' ? { name: form.needName } : {}),
    ...(lengthOf(name) > 30 ? { name: words.longName } : {}),
    ...(lengthOf(displayName) > 50 ? { display_name: form.longName } : {}),
    ...(born === '' || /^(?:199|20\d)\d$/.test(born) ? {} : { birth_year: words.badYear }),
    ...(/^\d{6}$/.test(plainDigits(pin)) ? {} : { pin: form.needPin }),
    ...(consent ? {} : { consent: words.needConsent }),
  })
  return (
    <Form
      run={add}
      check={check}
      submit={words.addDo}
      beside={
        <Button look="plain" onClick={onCancel}>
          {form.cancel}
        </Button>
      }
    >
      {(errors) => (
        <>
          <Field
            label={words.signInName}
            hint={words.signInNameHint}
            name="child_name"
            autoComplete="off"
            required
            value={name}
            onChange={(event) => setName(event.target.value)}
            error={errors['name']}
          />
          <Field
            label={words.displayName}
            name="child_display_name"
            autoComplete="off"
            value={displayName}
            onChange={(event) => setDisplayName(event.target.value)}
            error={errors['display_name']}
          />
          <Field
            label={words.birthYear}
            hint={words.birthYearHint}
            name="birth_year"
            inputMode="numeric"
            autoComplete="off"
            value={year}
            onChange={(event) => setYear(event.target.value)}
            error={errors['birth_year']}
          />
          <PinField label={words.pin} value={pin} onChange={setPin} error={errors['pin']} />
          <Check checked={consent} required onChange={(event) => setConsent(event.target.checked)}>
            {words.consent}
          </Check>
        </>
      )}
    </Form>
  )
}

export function EditChild({ child, onDone, onClose }: { child: Child; onDone: () => void; onClose: () => void }) {
  const words = useWords(familyWords)
  const form = useWords(formWords)
  const [displayName, setDisplayName] = useState(child.display_name)
  const [pin, setPin] = useState('')
  const save = useGuarded({
    mutationFn: () =>
      changeChild(child.user, {
        display_name: displayName.trim(),
        ...(pin === '' ? {} : { pin: plainDigits(pin) }),
      }),
    onSuccess: onDone,
  })
  const check = (): Mistakes => ({
    ...(displayName.trim() === '' ? { display_name: form.needName } : {}),
    ...(lengthOf(displayName) > 50 ? { display_name: form.longName } : {}),
    ...(pin === '' || /^\d{6}$/.test(plainDigits(pin)) ? {} : { pin: form.needPin }),
  })
  return (
    <Dialog title={words.editTitle(child.display_name)} closeLabel={form.close} onClose={onClose}>
      <Form run={save} check={check} submit={form.save}>
        {(errors) => (
          <>
            <Field
              label={words.displayName}
              name="child_display_name"
              autoComplete="off"
              required
              value={displayName}
              onChange={(event) => setDisplayName(event.target.value)}
              error={errors['display_name']}
            />
            <PinField label={words.newPin} value={pin} onChange={setPin} error={errors['pin']} />
          </>
        )}
      </Form>
    </Dialog>
  )
}

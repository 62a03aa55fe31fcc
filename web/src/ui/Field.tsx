import type { ComponentProps } from 'react'
import { Labelled, type Labels } from './Labelled'

export function Field({ label, hint, error, ...input }: Omit<ComponentProps<'input'>, 'id'> & Labels) {
  return (
    <Labelled label={label} {...(hint ? { hint } : {})} error={error}>
      {(control) => <input {...control} {...input} />}
    </Labelled>
  )
}

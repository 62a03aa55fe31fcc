import type { ComponentProps } from 'react'
import { Labelled, type Labels } from './Labelled'

export function TextArea({ label, hint, error, ...area }: Omit<ComponentProps<'textarea'>, 'id'> & Labels) {
  return (
    <Labelled label={label} {...(hint ? { hint } : {})} error={error}>
      {(control) => <textarea {...control} {...area} />}
    </Labelled>
  )
}

import type { ComponentProps } from 'react'
import { cx } from './css'
import { Labelled, type Labels } from './Labelled'

export function TextArea({ label, hint, error, className, ...area }: Omit<ComponentProps<'textarea'>, 'id'> & Labels) {
  return (
    <Labelled label={label} {...(hint ? { hint } : {})} error={error}>
      {(control) => <textarea {...control} {...area} className={cx(control.className, className)} />}
    </Labelled>
  )
}

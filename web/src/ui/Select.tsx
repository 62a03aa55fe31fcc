import type { ComponentProps } from 'react'
import { Labelled, type Labels } from './Labelled'

type Props = Omit<ComponentProps<'select'>, 'id'> & Labels & { options: readonly { value: string; text: string }[] }

export function Select({ label, hint, error, options, ...select }: Props) {
  return (
    <Labelled label={label} {...(hint ? { hint } : {})} error={error}>
      {(control) => (
        <select {...control} {...select}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  )
}

import { type ReactNode, useId } from 'react'
import styles from './field.module.css'
import { Icon } from './Icon'

export interface Labels {
  label: string
  hint?: string
  error?: string | undefined
}

interface Control {
  id: string
  className: string | undefined
  'aria-invalid': true | undefined
  'aria-describedby': string | undefined
}

// What every control has around it: its name, a hint before it, and what is wrong with it after it.
export function Labelled({ label, hint, error, children }: Labels & { children: (control: Control) => ReactNode }) {
  const id = useId()
  const described = [error ? `${id}-error` : null, hint ? `${id}-hint` : null].filter((part) => part !== null).join(' ')
  return (
    <div className={styles['field']}>
      <label className={styles['label']} htmlFor={id}>
        {label}
      </label>
      {hint && (
        <span id={`${id}-hint`} className={styles['hint']}>
          {hint}
        </span>
      )}
      {children({
        id,
        className: styles['input'],
        'aria-invalid': error ? true : undefined,
        'aria-describedby': described || undefined,
      })}
      {error && (
        <span id={`${id}-error`} className={styles['error']}>
          <Icon name="warn" size={16} />
          {error}
        </span>
      )}
    </div>
  )
}

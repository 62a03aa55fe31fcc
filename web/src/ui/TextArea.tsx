import { type ComponentProps, useId } from 'react'
import styles from './field.module.css'
import { Icon } from './Icon'

type Props = Omit<ComponentProps<'textarea'>, 'id'> & { label: string; hint?: string; error?: string | undefined }

export function TextArea({ label, hint, error, ...area }: Props) {
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
      <textarea
        id={id}
        className={styles['input']}
        aria-invalid={error ? true : undefined}
        aria-describedby={described || undefined}
        {...area}
      />
      {error && (
        <span id={`${id}-error`} className={styles['error']}>
          <Icon name="warn" size={16} />
          {error}
        </span>
      )}
    </div>
  )
}

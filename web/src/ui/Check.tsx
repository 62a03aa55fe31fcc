import type { ComponentProps, ReactNode } from 'react'
import styles from './field.module.css'

type Props = Omit<ComponentProps<'input'>, 'type' | 'children'> & { children: ReactNode }

export function Check({ children, ...input }: Props) {
  return (
    <label className={styles['check']}>
      <input type="checkbox" {...input} />
      <span>{children}</span>
    </label>
  )
}

import type { ReactNode, Ref } from 'react'
import { cx } from './css'
import { Icon, type IconName } from './Icon'
import styles from './notice.module.css'

interface Props {
  tone: 'bad' | 'warn' | 'info'
  title: ReactNode
  icon?: IconName
  children?: ReactNode
  actions?: ReactNode
  // Long id that a person may read out to whoever helps them.
  request?: { label: string; id: string } | null
  role?: 'alert' | 'status'
  ref?: Ref<HTMLDivElement>
}

export function Notice({ tone, title, icon, children, actions, request, role, ref }: Props) {
  return (
    <div ref={ref} tabIndex={ref ? -1 : undefined} className={cx(styles['notice'], styles[tone])} role={role}>
      <p className={styles['title']}>
        <Icon name={icon ?? (tone === 'info' ? 'clock' : 'warn')} />
        <span>{title}</span>
      </p>
      {children}
      {actions && <div className={styles['actions']}>{actions}</div>}
      {request && (
        <p className={styles['request']}>
          {request.label} <code>{request.id}</code>
        </p>
      )}
    </div>
  )
}

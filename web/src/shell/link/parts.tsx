import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { linkWords } from '../../i18n/linkWords'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import { Noren } from '../../ui/Noren'
import styles from '../auth.module.css'
import house from '../house.module.css'
import { usePageTitle } from '../page'

export function LinkPage({ title, children }: { title: string; children: ReactNode }) {
  usePageTitle(title)
  return (
    <div className={house['narrow']}>
      <h1>{title}</h1>
      <div className={styles['after']}>{children}</div>
    </div>
  )
}

// Someone came without the part of the link that matters.
export function EmptyLink({ title, text }: { title?: string; text?: string }) {
  const words = useWords(linkWords)
  usePageTitle(title ?? words.emptyTitle)
  return (
    <div className={house['centre']}>
      <Noren characters="手紙" />
      <h1>{title ?? words.emptyTitle}</h1>
      <p>{text ?? words.emptyText}</p>
      <Link to="/" className={buttonClass({ look: 'primary' })}>
        {words.home}
      </Link>
    </div>
  )
}

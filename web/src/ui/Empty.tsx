import type { ReactNode } from 'react'
import styles from './empty.module.css'
import { type Cloth, Noren } from './Noren'

interface Props {
  // One character for each panel of the curtain.
  mark?: string
  cloth?: Cloth
  title: string
  text?: string
  children?: ReactNode
}

// Where nothing is yet, or nothing was found: why, and what to do.
export function Empty({ mark = '空', cloth = 'house', title, text, children }: Props) {
  return (
    <div className={styles['empty']}>
      <Noren characters={mark} cloth={cloth} size="small" />
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {children}
    </div>
  )
}

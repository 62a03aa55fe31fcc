import type { CSSProperties } from 'react'
import { cx } from './css'
import styles from './noren.module.css'

export type Cloth = 'house' | 'misaki' | 'webgpt' | 'genai' | 'narai'

interface NorenProps {
  // One character on each panel, as on the real ones.
  characters: string
  cloth?: Cloth
  size?: 'small' | 'medium' | 'large'
  swaying?: boolean
}

// The brand's only ornament. It repeats what a heading beside it says, so it is hidden from assistive technology.
export function Noren({ characters, cloth = 'house', size = 'medium', swaying }: NorenProps) {
  const colours = { '--cloth': `var(--cloth-${cloth})`, '--cloth-ink': `var(--cloth-${cloth}-ink)` } as CSSProperties
  return (
    <span
      className={cx(styles['noren'], size !== 'medium' && styles[size], swaying && styles['swaying'])}
      style={colours}
      lang="ja"
      aria-hidden="true"
    >
      <span className={styles['panels']}>
        {[...characters].map((character, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the panels never change places
          <span key={at} className={styles['panel']}>
            {character}
          </span>
        ))}
      </span>
    </span>
  )
}

export function CurtainWaiting({ words, cloth = 'house' }: { words: string; cloth?: Cloth }) {
  return (
    <div className={styles['waiting']} role="status">
      <Noren characters="暖簾" cloth={cloth} size="small" swaying />
      {words}
    </div>
  )
}

import { useRef, useState } from 'react'
import { Button } from './Button'
import styles from './copy.module.css'
import { Icon } from './Icon'

interface Props {
  label: string
  value: string
  // How it is shown, when that differs from what is copied, such as a secret in groups of four.
  shown?: string
  copy: string
  copied: string
}

// A value to take along. Where the clipboard is closed to the page, the value is marked, so that the keyboard can take it.
export function Copy({ label, value, shown = value, copy, copied }: Props) {
  const code = useRef<HTMLElement>(null)
  const [done, setDone] = useState(false)
  async function take() {
    try {
      await navigator.clipboard.writeText(value)
      setDone(true)
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current)
    }
  }
  return (
    <div className={styles['copy']}>
      <span className={styles['label']}>{label}</span>
      <code ref={code} className={styles['value']}>
        {shown}
      </code>
      <Button small onClick={take}>
        <Icon name={done ? 'check' : 'copy'} size={16} />
        {done ? copied : copy}
      </Button>
      <span className="visually-hidden" role="status">
        {done ? copied : ''}
      </span>
    </div>
  )
}

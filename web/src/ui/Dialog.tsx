import { type ReactNode, useEffect, useId, useRef } from 'react'
import { Button } from './Button'
import styles from './dialog.module.css'
import { Icon } from './Icon'

interface Props {
  title: string
  closeLabel: string
  onClose: () => void
  children: ReactNode
}

// Open for as long as it is mounted. Escape and the button close it; the focus goes back to where it came from.
export function Dialog({ title, closeLabel, onClose, children }: Props) {
  const id = useId()
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const opener = document.activeElement
    if (box.current && !box.current.open) box.current.showModal()
    return () => {
      if (opener instanceof HTMLElement) opener.focus()
    }
  }, [])
  return (
    <dialog
      ref={box}
      className={styles['dialog']}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div className={styles['body']}>
        <h2 id={id}>{title}</h2>
        {children}
        {/* Last in order, so that the first field has the focus when the dialog opens. */}
        <Button look="plain" small icon className={styles['close']} aria-label={closeLabel} onClick={onClose}>
          <Icon name="close" />
        </Button>
      </div>
    </dialog>
  )
}

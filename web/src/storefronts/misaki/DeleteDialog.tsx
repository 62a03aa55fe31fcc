import { useState } from 'react'
import { describeProblem } from '../../api/problem'
import type { Message } from '../../api/types'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Notice } from '../../ui/Notice'
import styles from './list.module.css'

interface Props {
  message: Message
  onClose: () => void
  onDelete: () => Promise<void>
}

// A message can't be taken back once it is gone, because what followed goes with it: this asks first.
export function DeleteDialog({ message, onClose, onDelete }: Props) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  async function remove() {
    setBusy(true)
    try {
      await onDelete()
      onClose()
    } catch (problem) {
      setError(problem)
      setBusy(false)
    }
  }
  return (
    <Dialog title={words.deleteMessage} closeLabel={words.cancel} onClose={onClose}>
      <blockquote className={styles['quoted']}>{message.text}</blockquote>
      <p>{words.deleteMessageText}</p>
      {error !== null && <Notice tone="bad" role="alert" title={describeProblem(error, locale).summary} />}
      <div className={styles['choices']}>
        <Button look="plain" onClick={onClose}>
          {words.cancel}
        </Button>
        <Button look="danger" disabled={busy} onClick={() => void remove()}>
          {words.delete}
        </Button>
      </div>
    </Dialog>
  )
}

import { useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { updateChat } from '../../api/account'
import { describeProblem } from '../../api/problem'
import { chatQuery, chatsQuery } from '../../api/queries'
import type { Chat, ChatSummary } from '../../api/types'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import styles from './list.module.css'

interface Props {
  chat: ChatSummary
  folders: readonly string[]
  onClose: () => void
}

// The name of a conversation, its pin and its folder.
export function ChatDialog({ chat, folders, onClose }: Props) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const client = useQueryClient()
  const names = useId()
  const [title, setTitle] = useState(chat.title ?? '')
  const [pinned, setPinned] = useState(chat.pinned)
  const [folder, setFolder] = useState(chat.folder ?? '')
  const [error, setError] = useState<unknown>(null)

  async function save() {
    try {
      const changed = await updateChat(chat.id, {
        ...(title.trim() === '' ? {} : { title: title.trim() }),
        pinned,
        folder: folder.trim(),
      })
      client.setQueryData<Chat>(chatQuery(chat.id).queryKey, (known) => known && { ...known, ...changed })
      await client.invalidateQueries({ queryKey: chatsQuery.queryKey })
      onClose()
    } catch (problem) {
      setError(problem)
    }
  }

  return (
    <Dialog title={words.chatSettings} closeLabel={words.cancel} onClose={onClose}>
      <form
        className={styles['settings']}
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        <Field
          label={words.chatTitle}
          value={title}
          maxLength={100}
          onChange={(event) => setTitle(event.target.value)}
        />
        <Field
          label={words.folder}
          hint={words.folderHint}
          value={folder}
          maxLength={40}
          list={names}
          onChange={(event) => setFolder(event.target.value)}
        />
        <datalist id={names}>
          {folders.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <Check checked={pinned} onChange={(event) => setPinned(event.target.checked)}>
          {words.pin}
        </Check>
        {error !== null && <Notice tone="bad" role="alert" title={describeProblem(error, locale).summary} />}
        <div className={styles['choices']}>
          <Button look="plain" onClick={onClose}>
            {words.cancel}
          </Button>
          <Button look="primary" type="submit">
            {words.save}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Audience, getShares, revokeShare, type Share, shareChat } from '../../api/misaki'
import { describeProblem } from '../../api/problem'
import { dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Segments } from '../../ui/Segments'
import { Skeleton } from '../../ui/Skeleton'
import styles from './talk.module.css'

export function exportPath(chat: string, format: 'json' | 'markdown'): string {
  return `/api/misaki/chats/${encodeURIComponent(chat)}/export?format=${format}`
}

// Who else may read a conversation, the way to give it to them, and the way to take it back.
export function ShareDialog({ chat, onClose }: { chat: string; onClose: () => void }) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const client = useQueryClient()
  const key = ['misaki', 'shares', chat]
  const shares = useQuery({ queryKey: key, queryFn: () => getShares(chat) })
  const [audience, setAudience] = useState<Audience>('link')
  const [said, setSaid] = useState('')
  const make = useMutation({
    mutationFn: () => shareChat(chat, audience),
    onSuccess: () => client.invalidateQueries({ queryKey: key }),
  })
  const revoke = useMutation({
    mutationFn: revokeShare,
    onSuccess: (_, gone) => {
      setSaid(words.revoked)
      if (make.data?.id === gone) make.reset()
      client.setQueryData<Share[]>(key, (all) => all?.filter(({ id }) => id !== gone))
    },
  })
  const names = { link: words.shareLink, signed_in: words.shareSignedIn }
  const error = make.error ?? revoke.error ?? shares.error
  return (
    <Dialog title={words.share} closeLabel={words.close} onClose={onClose}>
      <p>{words.shareLead}</p>
      {shares.data?.length === 0 && <p className={styles['soft']}>{words.sharePrivate}</p>}
      <Segments
        label={words.shareWho}
        value={audience}
        options={[
          { value: 'link', text: words.shareLink },
          { value: 'signed_in', text: words.shareSignedIn },
        ]}
        onChange={setAudience}
      />
      <div>
        <Button look="primary" disabled={make.isPending} onClick={() => make.mutate()}>
          <Icon name="link" size={18} />
          {words.shareDo}
        </Button>
      </div>
      {make.data && (
        <div role="status">
          <Copy
            label={words.shareNew}
            value={`${window.location.origin}/misaki/s/${make.data.token}`}
            copy={words.copy}
            copied={words.copied}
          />
        </div>
      )}
      {error && <Notice tone="bad" role="alert" title={describeProblem(error, locale).summary} />}
      <p className="visually-hidden" role="status">
        {said}
      </p>
      {shares.isPending && <Skeleton height="3rem" />}
      {shares.data && shares.data.length > 0 && (
        <>
          <h3>{words.shares}</h3>
          <ul className={styles['items']}>
            {shares.data.map(({ id, audience: whose, created_at }) => (
              <li key={id} className={styles['between']}>
                <span>
                  {names[whose]} <small className={styles['soft']}>{dayAndTime(created_at, locale)}</small>
                </span>
                <Button
                  small
                  disabled={revoke.isPending}
                  aria-label={words.revokeOf(dayAndTime(created_at, locale))}
                  onClick={() => revoke.mutate(id)}
                >
                  {words.revoke}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>{words.saveTalk}</h3>
      <div className={styles['row']}>
        <a className={buttonClass({ small: true })} href={exportPath(chat, 'markdown')} download>
          <Icon name="down" size={16} />
          {words.saveMarkdown}
        </a>
        <a className={buttonClass({ small: true })} href={exportPath(chat, 'json')} download>
          <Icon name="down" size={16} />
          {words.saveJson}
        </a>
      </div>
    </Dialog>
  )
}

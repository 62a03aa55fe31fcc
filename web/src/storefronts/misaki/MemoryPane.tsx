import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import {
  type Consents,
  editMemory,
  forgetAll,
  forgetMemory,
  getConsents,
  getMemories,
  type Memories,
  type Memory,
  putConsents,
} from '../../api/misaki'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Confirm, Failed } from '../../shell/account/parts'
import { Summary } from '../../shell/form'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { TextArea } from '../../ui/TextArea'
import styles from './talk.module.css'

export const memoriesQuery = { queryKey: ['misaki', 'memories'], queryFn: getMemories, staleTime: 60_000, retry: false }
const consentsQuery = { queryKey: ['misaki', 'consents'], queryFn: getConsents }

function Line({ memory }: { memory: Memory }) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const client = useQueryClient()
  const [text, setText] = useState<string | null>(null)
  const put = (change: (items: Memory[]) => Memory[]) =>
    client.setQueryData<Memories>(memoriesQuery.queryKey, (all) => all && { ...all, items: change(all.items) })
  const save = useMutation({
    mutationFn: (changed: string) => editMemory(memory.id, changed),
    onSuccess: (changed) => {
      put((items) => items.map((one) => (one.id === changed.id ? changed : one)))
      setText(null)
    },
  })
  const forget = useMutation({
    mutationFn: () => forgetMemory(memory.id),
    onSuccess: () => put((items) => items.filter(({ id }) => id !== memory.id)),
  })
  return (
    <li>
      {text === null ? (
        <p>{memory.text}</p>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (text.trim() !== '') save.mutate(text.trim())
          }}
        >
          <TextArea
            label={words.edit}
            rows={2}
            maxLength={200}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <div className={styles['row']}>
            <Button small look="primary" type="submit" disabled={save.isPending || text.trim() === ''}>
              {words.save}
            </Button>
            <Button small look="plain" onClick={() => setText(null)}>
              {words.cancel}
            </Button>
          </div>
        </form>
      )}
      <Summary error={save.error ?? forget.error} />
      <div className={styles['between']}>
        <span className={styles['row']}>
          <Badge>{words[`kind_${memory.kind}`]}</Badge>
          <small className={styles['soft']}>
            {dayAndTime(memory.created_at, locale)}
            {memory.edited && ` · ${words.edited}`}
          </small>
          {memory.chat_id && (
            <Link
              to="/misaki/chat/$chatId"
              params={{ chatId: memory.chat_id }}
              {...(memory.message_id ? { hash: memory.message_id } : {})}
            >
              <small>{words.source}</small>
            </Link>
          )}
        </span>
        <span className={styles['row']}>
          <Button small look="plain" aria-label={words.editOf(memory.text)} onClick={() => setText(memory.text)}>
            {words.edit}
          </Button>
          <Button
            small
            look="plain"
            aria-label={words.forgetOf(memory.text)}
            disabled={forget.isPending}
            onClick={() => forget.mutate()}
          >
            {words.forget}
          </Button>
        </span>
      </div>
    </li>
  )
}

function Allowed({ consents, stored }: { consents: Consents; stored: number }) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const client = useQueryClient()
  const [ending, setEnding] = useState(false)
  const change = useMutation({
    mutationFn: putConsents,
    onSuccess: (now) => {
      setEnding(false)
      client.setQueryData(consentsQuery.queryKey, now)
      return client.invalidateQueries({ queryKey: memoriesQuery.queryKey })
    },
  })
  const parts = [
    { id: 'memory', text: words.consentMemory, more: words.consentMemoryText },
    { id: 'training', text: words.consentTraining, more: words.consentTrainingText },
  ] as const
  return (
    <section>
      <h3>{words.consents}</h3>
      {parts.map(({ id, text, more }) => {
        const { given, at } = consents[id]
        return (
          <div key={id}>
            <Check
              checked={given}
              disabled={change.isPending}
              onChange={(event) => {
                if (id === 'memory' && !event.target.checked && stored > 0) setEnding(true)
                else change.mutate({ [id]: event.target.checked })
              }}
            >
              {text}
            </Check>
            <p className={styles['soft']}>
              {more} {given && at && words.since(dayAndTime(at, locale))}
            </p>
          </div>
        )
      })}
      <Summary error={change.error} />
      {ending && (
        <Confirm
          title={words.consentMemory}
          text={words.offText}
          act={words.offDo}
          run={{ ...change, mutate: () => change.mutate({ memory: false }) }}
          onClose={() => setEnding(false)}
        />
      )}
    </section>
  )
}

function Remembered({ memories }: { memories: Memories }) {
  const words = useWords(roomWords)
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const clear = useMutation({
    mutationFn: forgetAll,
    onSuccess: () => {
      setAsking(false)
      client.setQueryData<Memories>(memoriesQuery.queryKey, (all) => all && { ...all, items: [] })
    },
  })
  return (
    <section>
      <h3>{words.memories}</h3>
      <p className={styles['soft']}>{memories.used ? words.memoryUsed : words.memoryUnused}</p>
      {memories.items.length === 0 && (
        <p>
          {words.memoryNone} {words.memoryNoneText}
        </p>
      )}
      <ul className={styles['items']}>
        {memories.items.map((memory) => (
          <Line key={memory.id} memory={memory} />
        ))}
      </ul>
      {memories.items.length > 0 && (
        <div>
          <Button small onClick={() => setAsking(true)}>
            <Icon name="trash" size={16} />
            {words.forgetAll}
          </Button>
        </div>
      )}
      {asking && (
        <Confirm
          title={words.forgetAll}
          text={words.forgetAllText}
          act={words.forgetAll}
          run={clear}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  )
}

// What she remembers, whether she may, and every way to change it.
export function MemoryPane({ ready }: { ready: boolean }) {
  const words = useWords(roomWords)
  const consents = useQuery({ ...consentsQuery, enabled: ready })
  const memories = useQuery({ ...memoriesQuery, enabled: consents.data?.available === true })
  return (
    <div className={styles['sheet']}>
      <header>
        <h2>{words.memory}</h2>
        <p>{words.memoryLead}</p>
      </header>
      {consents.error && <Failed error={consents.error} retry={() => consents.refetch()} />}
      {consents.isPending && <Skeleton height="12rem" />}
      {consents.data?.available === false && (
        <Notice
          tone="info"
          icon="person"
          title={words.memoryGuest}
          actions={
            <Link
              to="/sign-up"
              search={{ next: '/misaki/memory' }}
              className={buttonClass({ look: 'primary', small: true })}
            >
              {words.signUp}
            </Link>
          }
        >
          <p>{words.memoryGuestText}</p>
        </Notice>
      )}
      {consents.data?.available && <Allowed consents={consents.data} stored={memories.data?.items.length ?? 0} />}
      {memories.error && <Failed error={memories.error} retry={() => memories.refetch()} />}
      {memories.data && (consents.data?.memory.given || memories.data.items.length > 0) && (
        <Remembered memories={memories.data} />
      )}
    </div>
  )
}

// Stands beside the allowance while answers draw on what is remembered.
export function Recalling({ enabled }: { enabled: boolean }) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const { data } = useQuery({ ...memoriesQuery, enabled })
  if (!data?.used || data.items.length === 0) return null
  return (
    <Link to="/misaki/memory" title={words.recallsWhy} className={styles['row']}>
      <Icon name="book" size={16} />
      {words.recalls(count(data.items.length, locale))}
    </Link>
  )
}

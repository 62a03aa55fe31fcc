import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useRouterState } from '@tanstack/react-router'
import { Fragment, type ReactNode, useEffect, useRef, useState } from 'react'
import { getWelcome } from '../../api/misaki'
import { describeProblem, hasCode } from '../../api/problem'
import { meQuery, planQuery } from '../../api/queries'
import type { Message } from '../../api/types'
import { quotaWords } from '../../i18n/accountWords'
import { day } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { chatQuota, quotaLeft, quotaResets } from '../../i18n/quota'
import { roomWords } from '../../i18n/roomWords'
import { shellWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { useHoldsMore } from '../../shell/billing/more'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { copyText } from '../../ui/clipboard'
import { Icon } from '../../ui/Icon'
import { isTouch } from '../../ui/keys'
import { Noren } from '../../ui/Noren'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import { Composer, type ComposerHandle } from './Composer'
import { recordFeedback } from './chatCache'
import { chipsFor } from './chips'
import { DeleteDialog } from './DeleteDialog'
import { useDraft } from './drafts'
import { Recalling } from './MemoryPane'
import { AssistantMessage, type MessageActs, UserBubble } from './MessageView'
import message from './message.module.css'
import { isSandbox } from './model'
import { CannedAnnouncer, OutgoingView } from './OutgoingView'
import { useRoomState } from './room'
import styles from './room.module.css'
import { useLiveRun } from './runBoard'
import { useShortcuts } from './shortcuts'
import { isCanned, useConversation, usePhrases } from './useConversation'
import { useFollowEnd } from './useFollowEnd'

function Entrance({ onChip, busy, ready }: { onChip: (text: string) => void; busy: boolean; ready: boolean }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const chips = chipsFor(usePhrases(), locale)
  // What she says first knows the hour and the guest; the written words stand in where it cannot be had.
  const welcome = useQuery({
    queryKey: ['misaki', 'welcome', locale],
    queryFn: () => getWelcome(locale),
    enabled: ready,
    staleTime: 600_000,
    retry: false,
  })
  return (
    <div className={styles['entrance']}>
      <Noren characters="みさき" cloth="misaki" />
      <h2 style={{ visibility: welcome.isPending ? 'hidden' : undefined }}>{welcome.data?.text ?? words.greeting}</h2>
      <p>{words.greetingMore}</p>
      {chips.length > 0 && (
        <ul className={styles['chips']} aria-label={words.chips}>
          {chips.map((chip) => (
            <li key={chip}>
              <button type="button" disabled={busy} onClick={() => onChip(chip)}>
                {chip}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

// Whether what is being written will be answered by a phrase, and so costs nothing.
function NextCost({ draft }: { draft: string }) {
  const words = useWords(roomWords)
  const phrases = usePhrases()
  const text = draft.trim()
  if (text === '' || !phrases) return null
  return <span>{isCanned(phrases, text) ? words.nextFree : words.nextOne}</span>
}

function Status({ model, draft, account }: { model: string | null; draft: string; account: boolean }) {
  const words = useWords(misakiWords)
  const locale = useLocale()
  const { data: plan, error } = useQuery({ ...planQuery, enabled: false })
  const kept = useWords(quotaWords)
  const holdsMore = useHoldsMore(plan)
  const quota = chatQuota(plan?.quotas)
  const more = quota !== null && holdsMore(quota)
  return (
    <div className={styles['status']}>
      <span className={styles['left']}>
        {plan && <span className={styles['planTitle']}>{plan.plan.title[locale]}</span>}
        {quota && !more && (
          <Link to="/account/plan" title={quotaResets(quota, locale)}>
            {quotaLeft(quota, locale)}
          </Link>
        )}
        {quota && more && (
          <Link to="/account/ledger" search={{ unit: quota.unit }} title={kept.lots}>
            {quotaLeft(quota, locale, more)}
          </Link>
        )}
        {!plan && error && <span>{words.planAway}</span>}
        <NextCost draft={draft} />
        <Recalling enabled={account} />
      </span>
      <span className={styles['models']}>
        {isSandbox(model) && (
          <span title={words.sandboxWhy}>
            <Badge tone="warn">{words.sandbox}</Badge>
          </span>
        )}
        {model && (
          <span className={styles['model']} title={model}>
            <Badge>{model}</Badge>
          </span>
        )}
      </span>
    </div>
  )
}

interface Props {
  chatId: string | null
  door: { ready: boolean; account: boolean; error: unknown; retry: () => void }
  onChatOpened: (chatId: string) => void
  notices?: ReactNode
}

export function ChatPane({ chatId, door, onChatOpened, notices }: Props) {
  const words = useWords(misakiWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const client = useQueryClient()
  const room = useRoomState()
  const { board, drafts } = room
  const around = useWords(roomWords)
  const plan = useQuery({ ...planQuery, enabled: door.ready })
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const composer = useRef<ComposerHandle>(null)
  const { away, toEnd } = useFollowEnd(scroller, content, chatId ?? 'new')
  const place = chatId ?? 'new'
  // A half-written line stays with its conversation while someone looks elsewhere.
  const draft = useDraft(drafts, place)
  const [said, setSaid] = useState('')
  const [leaving, setLeaving] = useState<Message | null>(null)
  const write = (text: string) => drafts.write(place, text)
  const talk = useConversation({
    chatId,
    enabled: door.ready,
    // What was typed while the first message was on its way moves along to the conversation that it opened.
    onChatOpened: (opened) => {
      drafts.move('new', opened)
      onChatOpened(opened)
    },
  })
  const live = useLiveRun(board, talk.running)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a newly opened conversation is ready to be written in
  useEffect(() => {
    // On a phone the keyboard would cover what someone came to read.
    if (!isTouch()) composer.current?.focus()
  }, [place])

  const send = (text: string) => {
    talk.send(text)
    toEnd()
  }
  const acts: MessageActs = {
    edit: (message, text) => {
      talk.send(text, message.id)
      toEnd()
    },
    again: (message) => {
      talk.again(message.id)
      toEnd()
    },
    show: (id) => void talk.show(id),
    remove: setLeaving,
    judged: ({ id }, feedback) => chatId !== null && recordFeedback(client, chatId, id, feedback),
  }
  useShortcuts({
    focus: () => {
      composer.current?.focus()
      return true
    },
    stop: () => {
      if (talk.busy) talk.stop()
      return talk.busy
    },
    copy: () => {
      const text = talk.messages.findLast(({ role, text }) => role === 'assistant' && text !== '')?.text
      if (text === undefined || (getSelection()?.toString() ?? '') !== '') return false
      void copyText(text).then((done) => setSaid(done ? around.copiedLast : ''))
      return true
    },
  })
  useEffect(() => {
    if (said === '') return
    const timer = setTimeout(() => setSaid(''), 3000)
    return () => clearTimeout(timer)
  }, [said])
  useEffect(() => {
    room.marks.look(chatId)
    return () => room.marks.look(null)
  }, [room, chatId])

  // Search leads to a message; whoever came by it wants to see that one and not the end.
  const sought = useRouterState({ select: (state) => state.location.hash })
  const loaded = talk.messages.some((message) => message.id === sought)
  useEffect(() => {
    if (loaded) document.getElementById(sought)?.scrollIntoView({ block: 'center' })
  }, [loaded, sought])
  const error = door.error ?? talk.error
  const missing = hasCode(error, 'chat_not_found') || hasCode(error, 'not_found')
  const retry = () => {
    if (hasCode(error, 'unauthenticated')) client.setQueryData(meQuery.queryKey, null)
    if (door.error || hasCode(error, 'unauthenticated')) door.retry()
    if (talk.error) talk.reload()
  }
  const last = talk.messages.at(-1)
  const model = live?.model ?? talk.messages.findLast((message) => message.run?.model)?.run?.model ?? null
  const empty = chatId === null && talk.outgoing.length === 0
  const problem = error ? describeProblem(error, locale) : null

  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section ref={scroller} className={styles['scroller']} aria-label={words.conversation} tabIndex={0}>
        <div ref={content} className={styles['column']} data-empty={empty}>
          {missing && (
            <div className={styles['entrance']}>
              <Noren characters="みさき" cloth="misaki" />
              <h2>{words.chatMissing}</h2>
              <p>{words.chatMissingText}</p>
              <Link to="/misaki" className={buttonClass({ look: 'primary' })}>
                {words.newChat}
              </Link>
            </div>
          )}
          {problem && !missing && (
            <Notice
              tone="bad"
              role="alert"
              title={door.error ? words.doorTitle : problem.summary}
              request={problem.requestId ? { label: shell.requestId, id: problem.requestId } : null}
              actions={
                <Button small onClick={retry}>
                  <Icon name="retry" size={16} />
                  {shell.retry}
                </Button>
              }
            >
              {Boolean(door.error) && <p>{problem.summary}</p>}
            </Notice>
          )}
          {talk.loading && !error && (
            <div className={styles['recalling']} role="status" aria-label={words.loadingChat}>
              <Skeleton width="46%" height="2.75rem" />
              <Skeleton width="82%" height="6rem" />
              <Skeleton width="38%" height="2.75rem" />
            </div>
          )}
          {empty && !error && <Entrance onChip={send} busy={talk.busy} ready={door.ready} />}
          {talk.messages.map((one, at) => {
            // A talk that went on over days says where each of them begins.
            const today = day(one.at, locale)
            const before = talk.messages[at - 1]
            const turned =
              at === 0 ? today !== day(new Date().toISOString(), locale) : today !== day(before?.at ?? one.at, locale)
            return (
              <Fragment key={one.id}>
                {turned && <p className={message['day']}>{today}</p>}
                {one.role === 'user' ? (
                  <UserBubble text={one.text} message={one} acts={talk.busy ? null : acts} />
                ) : (
                  <AssistantMessage
                    message={one}
                    acts={talk.busy ? null : acts}
                    onReconnect={talk.reconnect}
                    onAgain={
                      one === last && one.run?.state === 'failed' && talk.outgoing.length === 0
                        ? () => talk.again(one.id)
                        : null
                    }
                  />
                )}
              </Fragment>
            )
          })}
          {talk.outgoing.map((item) => (
            <OutgoingView
              key={item.key}
              item={item}
              plan={plan.data ?? null}
              onResend={talk.resend}
              onRewrite={({ key, text }) => {
                talk.withdraw(key)
                if (text !== '') write(draft === '' ? text : `${text}\n${draft}`)
                composer.current?.focus()
              }}
            />
          ))}
        </div>
      </section>
      {leaving && (
        <DeleteDialog message={leaving} onClose={() => setLeaving(null)} onDelete={() => talk.remove(leaving.id)} />
      )}
      <div className={styles['foot']}>
        {away && (
          <button type="button" className={styles['latest']} onClick={() => toEnd(true)}>
            <Icon name="down" size={16} />
            {words.toLatest}
          </button>
        )}
        {notices}
        <p className={styles['said']} role="status">
          {said}
        </p>
        <CannedAnnouncer items={talk.outgoing} />
        <Status model={model} draft={draft} account={door.account} />
        <Composer
          ref={composer}
          text={draft}
          onText={write}
          onSend={(text) => {
            write('')
            send(text)
          }}
          onStop={talk.stop}
          busy={talk.busy}
          stopping={live?.stopping ?? false}
        />
        <p className={styles['disclosure']}>{words.disclosure}</p>
      </div>
    </>
  )
}

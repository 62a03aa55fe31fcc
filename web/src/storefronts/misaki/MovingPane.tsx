import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useId } from 'react'
import { getImport, type Import, importChats } from '../../api/misaki'
import { describeProblem } from '../../api/problem'
import { chatsQuery } from '../../api/queries'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import styles from './talk.module.css'
import { NoTalks, TooLarge, talksOf } from './unzip'

const LOOK_AGAIN_MS = 1000

function Outcome({ done }: { done: Import }) {
  const words = useWords(roomWords)
  const misaki = useWords(misakiWords)
  const locale = useLocale()
  const codes: Record<string, string> = { form: words.import_form, too_long: words.import_too_long }
  if (done.state === 'failed') return <Notice tone="bad" role="alert" title={words.importFailed} />
  return (
    <div role="status">
      <p className={styles['row']}>
        <Icon name="check" />
        <b>
          {done.chats > 0
            ? words.importDone(count(done.chats, locale), count(done.messages, locale))
            : words.importNone}
        </b>
      </p>
      {done.left_out > 0 && <p className={styles['soft']}>{words.importLeft(count(done.left_out, locale))}</p>}
      {done.errors.length > 0 && (
        <>
          <h4>{words.importErrors}</h4>
          <ul className={styles['items']}>
            {done.errors.map(({ place, title, code }) => (
              <li key={place} className={styles['between']}>
                <span>
                  {words.place(place + 1)} {title ?? misaki.untitled}
                </span>
                <span className={styles['soft']}>{codes[code] ?? code}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  )
}

function BringIn({ ready }: { ready: boolean }) {
  const words = useWords(roomWords)
  const locale = useLocale()
  const client = useQueryClient()
  const id = useId()
  const bring = useMutation({ mutationFn: async (file: File) => importChats(await talksOf(file)) })
  const begun = bring.data
  const watched = useQuery({
    queryKey: ['misaki', 'import', begun?.id],
    queryFn: () => getImport(begun?.id ?? ''),
    enabled: begun?.state === 'waiting',
    refetchInterval: ({ state }) => (state.data && state.data.state !== 'waiting' ? false : LOOK_AGAIN_MS),
  })
  const now = watched.data ?? begun
  const over = now !== undefined && now.state !== 'waiting'
  useEffect(() => {
    if (over) void client.invalidateQueries({ queryKey: chatsQuery.queryKey })
  }, [client, over])
  const working = bring.isPending || now?.state === 'waiting'
  const error = bring.error ?? watched.error
  const own =
    error instanceof NoTalks ? words.importNoTalks : error instanceof TooLarge ? words.importTooBig : undefined
  return (
    <section>
      <h3>{words.importTitle}</h3>
      <p className={styles['soft']} id={id}>
        {words.importText}
      </p>
      <div>
        <label className={cx(buttonClass({ look: 'primary' }), styles['file'])}>
          <Icon name="plus" size={18} />
          {words.importPick}
          <input
            type="file"
            accept=".json,.zip,application/json,application/zip"
            aria-describedby={id}
            disabled={!ready || working}
            onChange={(event) => {
              const file = event.target.files?.[0]
              // The same file may be chosen again after a failure.
              event.target.value = ''
              if (file) bring.mutate(file)
            }}
          />
        </label>
      </div>
      {working && (
        <div role="status">
          <p>{bring.isPending ? words.importing(bring.variables.name) : words.importWaiting}</p>
          <progress className={styles['progress']} aria-label={words.importTitle} />
        </div>
      )}
      {error && <Notice tone="bad" role="alert" title={own ?? describeProblem(error, locale).summary} />}
      {now && over && <Outcome done={now} />}
    </section>
  )
}

// Bringing talks from elsewhere, and taking all of one's own away.
export function MovingPane({ ready }: { ready: boolean }) {
  const words = useWords(roomWords)
  return (
    <div className={styles['sheet']}>
      <header>
        <h2>{words.moving}</h2>
        <p>{words.movingLead}</p>
      </header>
      <BringIn ready={ready} />
      <section>
        <h3>{words.exportTitle}</h3>
        <p className={styles['soft']}>{words.exportText}</p>
        <div className={styles['row']}>
          <a className={buttonClass({})} href="/api/misaki/export?format=json" download>
            <Icon name="down" size={18} />
            {words.saveJson}
          </a>
          <a className={buttonClass({})} href="/api/misaki/export?format=markdown" download>
            <Icon name="down" size={18} />
            {words.saveMarkdown}
          </a>
        </div>
      </section>
    </div>
  )
}

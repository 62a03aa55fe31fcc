import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { cancelInference, deleteHistory, type HistoryItem } from '../../api/genai'
import { describeProblem } from '../../api/problem'
import { keysQuery } from '../../api/queries'
import type { Me } from '../../api/types'
import { clock, count, dayAndTime, dollarsFromNano, shortTime } from '../../i18n/format'
import { requestWords } from '../../i18n/genaiRecordWords'
import { genaiWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Confirm, Failed, More } from '../../shell/account/parts'
import { mayOpen } from '../../shell/account/sections'
import { Button, buttonClass } from '../../ui/Button'
import { Choose, Small } from '../../ui/Choose'
import { cx } from '../../ui/css'
import { Empty } from '../../ui/Empty'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Skeleton } from '../../ui/Skeleton'
import table from '../../ui/table.module.css'
import { sendAgain } from './again'
import { Gate } from './Console'
import { duration } from './format'
import styles from './genai.module.css'
import { historyKey, isOver, useLive, useNow } from './live'
import { Page, State } from './parts'
import { historyQuery, modelsQuery } from './queries'
import { filterOf, type RequestsSearch, statuses } from './search'

function useFilters() {
  const search = useSearch({ from: '/house/genai/console/requests' })
  const navigate = useNavigate()
  const change = (part: RequestsSearch) =>
    void navigate({ to: '/genai/requests', search: { ...search, ...part }, replace: true, resetScroll: false })
  const clear = () => void navigate({ to: '/genai/requests', search: {}, replace: true, resetScroll: false })
  return { search, change, clear, filtered: Object.values(search).some((value) => value !== undefined) }
}

function DayField({
  label,
  value,
  onChange,
}: {
  label: string
  value: string | undefined
  onChange: (day: string | undefined) => void
}) {
  return (
    <Small label={label}>
      {(id) => (
        <input
          id={id}
          type="date"
          value={value ?? ''}
          onChange={(event) => onChange(event.target.value || undefined)}
        />
      )}
    </Small>
  )
}

function Filters({ me }: { me: Me }) {
  const words = useWords(requestWords)
  const { search, change, clear, filtered } = useFilters()
  const [text, setText] = useState(search.q ?? '')
  const models = useQuery({ ...modelsQuery, retry: false }).data ?? []
  const keys = useQuery({ ...keysQuery, enabled: mayOpen(me, 'keys') }).data ?? []
  return (
    <fieldset className={styles['filters']}>
      <legend className="visually-hidden">{words.filters}</legend>
      <form
        className={styles['find']}
        onSubmit={(event) => {
          event.preventDefault()
          change({ q: text.trim() === '' ? undefined : text.trim() })
        }}
      >
        <Small label={words.search}>
          {(id) => (
            <input
              id={id}
              type="search"
              maxLength={200}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Small>
        <Button small type="submit">
          {words.find}
        </Button>
      </form>
      <Choose
        label={words.status}
        any={words.any}
        value={search.status}
        options={statuses.map((value) => ({ value, text: words[value] }))}
        onChange={(status) => change({ status: statuses.find((one) => one === status) })}
      />
      <Choose
        label={words.model}
        any={words.any}
        value={search.model}
        options={models.map(({ name }) => ({ value: name, text: name }))}
        onChange={(model) => change({ model })}
      />
      {keys.length > 0 && (
        <Choose
          label={words.key}
          any={words.any}
          value={search.key}
          options={keys.map((key) => ({ value: key.id, text: key.name }))}
          onChange={(key) => change({ key })}
        />
      )}
      <DayField label={words.from} value={search.from} onChange={(from) => change({ from })} />
      <DayField label={words.to} value={search.to} onChange={(to) => change({ to })} />
      {filtered && (
        <Button
          small
          look="plain"
          onClick={() => {
            setText('')
            clear()
          }}
        >
          {words.clear}
        </Button>
      )}
    </fieldset>
  )
}

function Acts({ item }: { item: HistoryItem }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  const client = useQueryClient()
  const act = useMutation({
    mutationFn: async () => {
      if (isOver(item)) return sendAgain(item.id)
      return (await cancelInference(item.id)).id
    },
    onSuccess: () => client.invalidateQueries({ queryKey: historyKey }),
  })
  const failed = act.error ? describeProblem(act.error, locale).summary : null
  if (isOver(item) && !item.is_stored) return null
  return (
    <span className={styles['acts']}>
      {failed && <small role="status">{failed}</small>}
      <Button
        small
        look="plain"
        disabled={act.isPending}
        aria-label={isOver(item) ? words.retryOf(item.id) : words.cancelOf(item.id)}
        title={isOver(item) ? words.retry : words.cancel}
        onClick={() => act.mutate()}
      >
        <Icon name={isOver(item) ? 'retry' : 'stop'} size={16} />
        <span className={styles['onlyNarrow']}>{isOver(item) ? words.retry : words.cancel}</span>
      </Button>
    </span>
  )
}

export function Time({ at }: { at: string }) {
  const locale = useLocale()
  const today = new Date(at).toDateString() === new Date().toDateString()
  return (
    <time dateTime={at} title={dayAndTime(at, locale)}>
      {today ? clock(at, locale) : shortTime(at, locale)}
    </time>
  )
}

// What has ended took so long; what is under way counts on.
function Lasted({ item, now }: { item: HistoryItem; now: number }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  if (isOver(item)) return duration(item.processing_time_ms, locale)
  const since = Math.max(0, Math.floor((now - Date.parse(item.created_at)) / 1000) * 1000)
  const place =
    item.queue_position !== null && item.queue_position > 0 ? words.place(count(item.queue_position, locale)) : null
  return <>{place ?? duration(since, locale)}</>
}

interface RowsProps {
  items: readonly HistoryItem[]
  marked: ReadonlySet<string>
  onMark: (ids: readonly string[], on: boolean) => void
}

function Rows({ items, marked, onMark }: RowsProps) {
  const words = useWords(requestWords)
  const locale = useLocale()
  const now = useNow(items.some((item) => !isOver(item)))
  const deletable = items.filter((item) => isOver(item) && item.is_stored).map(({ id }) => id)
  const all = deletable.length > 0 && deletable.every((id) => marked.has(id))
  const cell = (head: string, content: ReactNode, figure = false) => (
    <td data-label={head} className={cx(figure && table['figure'])}>
      <span>{content}</span>
    </td>
  )
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={table['scroll']} aria-label={words.title} tabIndex={0}>
      <table className={cx(table['table'], styles['requests'])}>
        <thead>
          <tr>
            <th scope="col" className={styles['tick']}>
              <input
                type="checkbox"
                aria-label={words.selectAll}
                disabled={deletable.length === 0}
                checked={all}
                onChange={(event) => onMark(deletable, event.target.checked)}
              />
            </th>
            <th scope="col">{words.when}</th>
            <th scope="col">{words.status}</th>
            <th scope="col">{words.model}</th>
            <th scope="col">{words.prompt}</th>
            <th scope="col" className={table['figure']}>
              {words.time}
            </th>
            <th scope="col" className={table['figure']}>
              {words.tokens}
            </th>
            <th scope="col" className={table['figure']}>
              {words.cost}
            </th>
            <th scope="col">
              <span className="visually-hidden">{words.acts}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.id} data-id={item.id} data-status={item.status}>
              <td className={cx(styles['tick'], table['bare'])}>
                <input
                  type="checkbox"
                  aria-label={words.select(item.id)}
                  disabled={!deletable.includes(item.id)}
                  checked={marked.has(item.id)}
                  onChange={(event) => onMark([item.id], event.target.checked)}
                />
              </td>
              {cell(words.when, <Time at={item.created_at} />)}
              {cell(words.status, <State state={item.status} />)}
              {cell(words.model, <span className={styles['nowrap']}>{item.model}</span>)}
              <td data-label={words.prompt}>
                <Link
                  to="/genai/requests/$requestId"
                  params={{ requestId: item.id }}
                  className={styles['excerpt']}
                  title={item.id}
                >
                  {item.prompt_excerpt ?? (
                    <span className={styles['gone']}>{item.is_closed ? words.textClosed : words.textGone}</span>
                  )}
                </Link>
              </td>
              {cell(words.time, <Lasted item={item} now={now} />, true)}
              {cell(words.tokens, `${count(item.tokens.input, locale)} / ${count(item.tokens.output, locale)}`, true)}
              {cell(words.cost, dollarsFromNano(item.cost_nano_usd, locale), true)}
              <td className={table['bare']}>
                <Acts item={item} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Marked({ marked, onDone }: { marked: ReadonlySet<string>; onDone: (deleted: number) => void }) {
  const words = useWords(requestWords)
  const locale = useLocale()
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const run = useMutation({
    mutationFn: () => deleteHistory([...marked]),
    onSuccess: async ({ deleted }) => {
      setAsking(false)
      onDone(deleted)
      await client.invalidateQueries({ queryKey: historyKey })
    },
  })
  const shown = count(marked.size, locale)
  if (marked.size === 0) return null
  return (
    <div className={styles['row']}>
      <span>{words.selected(shown)}</span>
      <Button small onClick={() => setAsking(true)}>
        <Icon name="trash" size={16} />
        {words.deleteSelected(shown)}
      </Button>
      {asking && (
        <Confirm
          title={words.deleteTitle(shown)}
          text={words.deleteText}
          act={words.deleteDo}
          run={{ ...run, mutate: () => run.mutate() }}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  )
}

function List({ me }: { me: Me }) {
  const words = useWords(requestWords)
  const console = useWords(genaiWords)
  const locale = useLocale()
  const { search, clear, filtered } = useFilters()
  const query = useInfiniteQuery(historyQuery(filterOf(search)))
  const items = query.data?.pages.flatMap((page) => page.items)
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set())
  const [deleted, setDeleted] = useState<number | null>(null)
  const onMark = (ids: readonly string[], on: boolean) =>
    setMarked((now) => {
      const next = new Set(now)
      for (const id of ids) {
        if (on) next.add(id)
        else next.delete(id)
      }
      return next
    })
  const active = items?.filter((item) => !isOver(item)).length ?? 0
  return (
    <>
      <section className={styles['card']}>
        <Filters me={me} />
      </section>
      <section className={styles['card']}>
        <p className={styles['soft']} role="status">
          {active > 0 ? words.activeNow(count(active, locale)) : ''}
          {deleted === null ? '' : words.deletedCount(count(deleted, locale))}
        </p>
        <Marked
          marked={marked}
          onDone={(n) => {
            setMarked(new Set())
            setDeleted(n)
          }}
        />
        {items === undefined && query.error && <Failed error={query.error} retry={() => query.refetch()} />}
        {items === undefined && !query.error && <Skeleton height="20rem" />}
        {items?.length === 0 && filtered && query.hasNextPage && (
          <Notice tone="info" role="status" title={words.noMatchYet} />
        )}
        {items?.length === 0 && filtered && !query.hasNextPage && (
          <Empty cloth="genai" mark="空" title={words.noMatch} text={words.noMatchText}>
            <Button onClick={clear}>{words.clear}</Button>
          </Empty>
        )}
        {items?.length === 0 && !filtered && (
          <Empty cloth="genai" mark="空" title={words.empty} text={words.emptyText}>
            <Link to="/genai/quickstart" className={buttonClass({ look: 'primary' })}>
              {console.quickstart}
            </Link>
          </Empty>
        )}
        {items && items.length > 0 && <Rows items={items} marked={marked} onMark={onMark} />}
        {items && query.error && (
          <Notice tone="bad" role="status" title={describeProblem(query.error, locale).summary} />
        )}
        <More query={query} />
      </section>
    </>
  )
}

function LiveMark() {
  const words = useWords(requestWords)
  const line = useLive()
  return (
    <span className={styles['state']} data-state={line === 'open' ? 'up' : 'slow'} role="status">
      <i aria-hidden="true" />
      {line === 'open' ? words.live : words.offline}
    </span>
  )
}

export function Requests() {
  const words = useWords(requestWords)
  return (
    <Gate>
      {(me) => (
        <Page title={words.title} lead={words.lead} beside={<LiveMark />}>
          <List me={me} />
        </Page>
      )}
    </Gate>
  )
}

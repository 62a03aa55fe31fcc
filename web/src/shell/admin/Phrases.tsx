import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import {
  deletePhrase,
  getModeration,
  type Phrase,
  type PhraseDesk,
  type PhraseVersion,
  publishPhrases,
  putPhrase,
  rollBackPhrases,
} from '../../api/misaki'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { phraseDeskWords } from '../../i18n/misakiDeskWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import { Field } from '../../ui/Field'
import { Icon } from '../../ui/Icon'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Confirm, Fetched, Page } from '../account/parts'
import { Form, Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { PhraseForm } from './PhraseForm'
import { PhraseSheet } from './PhraseSheet'
import { PhraseTrial } from './PhraseTrial'
import { Id, named, Table } from './parts'
import { fits, phraseDeskQuery, useDesk, versionsQuery } from './phraseDesk'

const MOST_SHOWN = 100

function List({ desk }: { desk: PhraseDesk }) {
  const words = useWords(phraseDeskWords)
  const { take, guard } = useDesk()
  const [sought, setSought] = useState('')
  const [editing, setEditing] = useState<Phrase | 'new' | null>(null)
  const [removing, setRemoving] = useState<Phrase | null>(null)
  const save = useGuarded({
    mutationFn: (phrase: Phrase) => guard(putPhrase(desk.revision, phrase)),
    onSuccess: (now) => {
      setEditing(null)
      return take(now)
    },
  })
  const remove = useGuarded({
    mutationFn: (id: string) => guard(deletePhrase(desk.revision, id)),
    onSuccess: (now) => {
      setRemoving(null)
      return take(now)
    },
  })
  const shown = desk.phrases.filter((phrase) => fits(phrase, sought))
  const columns: Column<Phrase>[] = [
    {
      id: 'id',
      head: words.id,
      cell: ({ id, chip, safety, guards }) => (
        <span className={styles['badges']}>
          <Id>{id}</Id>
          {safety && <Badge tone="warn">{words.safetyMark}</Badge>}
          {guards && <Badge tone="warn">{words.guardMark}</Badge>}
          {chip && <Badge>{words.chipMark}</Badge>}
        </span>
      ),
    },
    {
      id: 'match',
      head: words.matches,
      cell: ({ match = [], patterns = [] }) => [...match, ...patterns].slice(0, 4).join(' / '),
    },
    { id: 'reply', head: words.replies, long: true, cell: ({ replies }) => replies[0]?.text },
    { id: 'count', head: '#', figure: true, cell: ({ replies }) => replies.length },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.list}</h2>
      <div className={account['row']}>
        <Button
          small
          look="primary"
          onClick={() => {
            save.reset()
            setEditing('new')
          }}
        >
          <Icon name="plus" size={16} />
          {words.add}
        </Button>
      </div>
      <Field
        label={words.find}
        type="search"
        value={sought}
        autoComplete="off"
        onChange={(event) => setSought(event.target.value)}
      />
      {shown.length === 0 ? (
        <Empty title={words.none} text={words.noneText} />
      ) : (
        <Table
          label={words.list}
          columns={columns}
          rows={shown.slice(0, MOST_SHOWN)}
          keyOf={({ id }) => id}
          acts={(phrase) => (
            <>
              <Button
                small
                aria-label={words.editOf(phrase.id)}
                onClick={() => {
                  save.reset()
                  setEditing(phrase)
                }}
              >
                {words.edit}
              </Button>
              <Button small look="plain" aria-label={words.removeOf(phrase.id)} onClick={() => setRemoving(phrase)}>
                {words.remove}
              </Button>
            </>
          )}
        />
      )}
      {editing && (
        <PhraseForm
          key={editing === 'new' ? 'new' : editing.id}
          phrase={editing === 'new' ? null : editing}
          run={{ ...save, mutate: (phrase) => save.mutate(phrase) }}
          onClose={() => setEditing(null)}
        />
      )}
      {removing && (
        <Confirm
          title={words.removeOf(removing.id)}
          text={words.removeText}
          act={words.remove}
          run={{ ...remove, mutate: () => remove.mutate(removing.id) }}
          onClose={() => setRemoving(null)}
        />
      )}
    </section>
  )
}

function Publish({ desk }: { desk: PhraseDesk }) {
  const words = useWords(phraseDeskWords)
  const { take, guard } = useDesk()
  const [note, setNote] = useState('')
  const publish = useGuarded({
    mutationFn: () => guard(publishPhrases(desk.revision, note.trim())),
    onSuccess: (now) => {
      setNote('')
      return take(now)
    },
  })
  return (
    <section className={account['card']}>
      <h2>{words.publish}</h2>
      <p>{desk.changed ? words.changed : words.unchanged}</p>
      <p role="status">{publish.data && words.publishedNow(publish.data.version)}</p>
      {desk.changed ? (
        <Form run={{ ...publish, mutate: () => publish.mutate() }} submit={words.publishDo}>
          {() => (
            <Field label={words.note} value={note} maxLength={200} onChange={(event) => setNote(event.target.value)} />
          )}
        </Form>
      ) : (
        <Summary error={publish.error} />
      )}
    </section>
  )
}

// How often the guards were hit.
function Refused() {
  const words = useWords(phraseDeskWords)
  const locale = useLocale()
  const moderation = useQuery({ queryKey: ['admin', 'moderation'], queryFn: getModeration })
  const names = { minors: words.minors, self_harm: words.self_harm, house: words.house }
  return (
    <section className={account['card']}>
      <h2>{words.refused}</h2>
      <p>{words.refusedText}</p>
      <Fetched query={moderation}>
        {({ refused }) =>
          refused.length === 0 ? (
            <p>{words.refusedNone}</p>
          ) : (
            <Table
              label={words.refused}
              columns={[
                { id: 'category', head: words.category, cell: ({ category }) => named(names, category) },
                { id: 'answers', head: words.answers, figure: true, cell: ({ answers }) => count(answers, locale) },
              ]}
              rows={refused}
              keyOf={({ category }) => category}
            />
          )
        }
      </Fetched>
    </section>
  )
}

function Versions({ items, now }: { items: readonly PhraseVersion[]; now: number }) {
  const words = useWords(phraseDeskWords)
  const locale = useLocale()
  const { take } = useDesk()
  const [to, setTo] = useState<number | null>(null)
  const back = useGuarded({
    mutationFn: rollBackPhrases,
    onSuccess: (desk) => {
      setTo(null)
      return take(desk)
    },
  })
  const columns: Column<PhraseVersion>[] = [
    { id: 'version', head: words.versions, cell: ({ version }) => words.version(version) },
    {
      id: 'at',
      head: words.publish,
      cell: ({ published_at }) => <time dateTime={published_at}>{dayAndTime(published_at, locale)}</time>,
    },
    { id: 'pieces', head: words.title, figure: true, cell: ({ phrases }) => words.pieces(count(phrases, locale)) },
    { id: 'note', head: words.note, long: true, cell: ({ note }) => note },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.versions}</h2>
      <Table
        label={words.versions}
        columns={columns}
        rows={items}
        keyOf={({ version }) => String(version)}
        acts={({ version }) =>
          version !== now && (
            <Button small aria-label={words.rollBackOf(version)} onClick={() => setTo(version)}>
              {words.rollBack}
            </Button>
          )
        }
      />
      {to !== null && (
        <Confirm
          title={words.rollBackOf(to)}
          text={words.rollBackText}
          act={words.rollBack}
          run={{ ...back, mutate: () => back.mutate(to) }}
          onClose={() => setTo(null)}
        />
      )}
    </section>
  )
}

export function Phrases() {
  const words = useWords(phraseDeskWords)
  const desk = useQuery(phraseDeskQuery)
  const versions = useQuery(versionsQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <Fetched query={desk} height="24rem">
        {(now) => (
          <>
            <p className={styles['badges']}>
              <Badge tone="accent">{words.published(now.version)}</Badge>
              {now.changed && <Badge tone="warn">{words.changed}</Badge>}
              <Badge>{now.semantic ? words.semantic : words.noSemantic}</Badge>
            </p>
            <PhraseTrial />
            <List desk={now} />
            <Refused />
            <PhraseSheet desk={now} />
            <Publish desk={now} />
            <Fetched query={versions}>{(items) => <Versions items={items} now={now.version} />}</Fetched>
          </>
        )}
      </Fetched>
    </Page>
  )
}

import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import {
  applyModels,
  checkModels,
  getModelText,
  type ModelsDiff,
  type ModelVersion,
  rollBackModels,
} from '../../api/admin'
import { adminWords } from '../../i18n/adminWords'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { modelDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import type { Column } from '../../ui/Table'
import { TextArea } from '../../ui/TextArea'
import account from '../account/account.module.css'
import { Confirm, Fetched } from '../account/parts'
import { Form, Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { modelVersionsQuery, useModelDesk } from './modelDesk'
import { Id, Table } from './parts'

interface Change {
  model: string
  kind: ModelsDiff['changes'][number]['kind']
  field: string
  before: string | null
  after: string | null
}

export function linesOfDiff({ changes }: ModelsDiff): Change[] {
  return changes.flatMap(({ model, kind, fields }) => fields.map((field) => ({ model, kind, ...field })))
}

function Difference({ diff }: { diff: ModelsDiff }) {
  const words = useWords(modelDeskWords)
  const admin = useWords(adminWords)
  const columns: Column<Change>[] = [
    {
      id: 'model',
      head: words.model,
      cell: ({ model, kind }) => (
        <span className={styles['badges']}>
          <b>{model}</b>
          <Badge tone={kind === 'removed' ? 'warn' : 'accent'}>{words[kind]}</Badge>
        </span>
      ),
    },
    { id: 'field', head: words.field, cell: ({ field }) => <code>{field}</code> },
    { id: 'before', head: words.before, long: true, cell: ({ before }) => before ?? admin.none },
    { id: 'after', head: words.after, long: true, cell: ({ after }) => after ?? admin.none },
  ]
  const rows = linesOfDiff(diff)
  return (
    <>
      {diff.lost.length > 0 && <Notice tone="warn" title={words.lost(diff.lost.join(', '))} />}
      {diff.not_passed.map(({ model, canary, evaluation }) => (
        <Notice key={`${model}/${canary}`} tone="warn" title={words.notPassed(model, canary, evaluation)} />
      ))}
      {rows.length === 0 ? (
        <p role="status">{words.same}</p>
      ) : (
        <Table
          label={words.differences}
          columns={columns}
          rows={rows}
          keyOf={({ model, field }) => `${model}/${field}`}
        />
      )}
    </>
  )
}

interface Open {
  // The version in force when it was opened.
  seen: number
  from: number
  text: string
}

function Editor({ open, onApplied }: { open: Open; onApplied: (version: ModelVersion) => void }) {
  const words = useWords(modelDeskWords)
  const { guard, refresh } = useModelDesk()
  const [text, setText] = useState(open.text)
  const [note, setNote] = useState('')
  const check = useMutation({ mutationFn: checkModels })
  const apply = useGuarded({
    mutationFn: (seen: number) => guard(applyModels({ text, seen, ...(note.trim() ? { note: note.trim() } : {}) })),
    onSuccess: async (version) => {
      await refresh()
      onApplied(version)
    },
  })
  // what was compared is what may be applied
  const diff = check.variables === text ? check.data : undefined
  return (
    <>
      <Form run={{ ...check, mutate: () => check.mutate(text) }} submit={words.check} className={styles['editor']}>
        {() => (
          <TextArea
            label={words.text}
            hint={words.madeFrom(open.from)}
            value={text}
            rows={18}
            spellCheck={false}
            autoCapitalize="off"
            className={styles['code']}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Form>
      {diff && <Difference diff={diff} />}
      {diff && diff.changes.length > 0 && diff.not_passed.length === 0 && (
        <Form run={{ ...apply, mutate: () => apply.mutate(open.seen) }} submit={words.apply}>
          {() => (
            <Field label={words.note} value={note} maxLength={200} onChange={(event) => setNote(event.target.value)} />
          )}
        </Form>
      )}
    </>
  )
}

function Versions({
  items,
  now,
  onOpen,
}: {
  items: readonly ModelVersion[]
  now: number
  onOpen: (version: number) => void
}) {
  const words = useWords(modelDeskWords)
  const admin = useWords(adminWords)
  const locale = useLocale()
  const { refresh } = useModelDesk()
  const [to, setTo] = useState<number | null>(null)
  const back = useGuarded({
    mutationFn: rollBackModels,
    onSuccess: () => {
      setTo(null)
      return refresh()
    },
  })
  const columns: Column<ModelVersion>[] = [
    { id: 'version', head: words.versions, cell: ({ version }) => words.version(version) },
    {
      id: 'at',
      head: words.at,
      cell: ({ applied_at }) =>
        applied_at ? <time dateTime={applied_at}>{dayAndTime(applied_at, locale)}</time> : admin.none,
    },
    { id: 'by', head: words.by, cell: ({ applied_by }) => (applied_by ? <Id>{applied_by}</Id> : admin.none) },
    { id: 'models', head: admin.models, figure: true, cell: ({ models }) => count(models, locale) },
    { id: 'note', head: words.why, long: true, cell: ({ note }) => note },
  ]
  return (
    <>
      <Table
        label={words.versions}
        columns={columns}
        rows={items}
        keyOf={({ version }) => String(version)}
        acts={({ version }) => (
          <>
            <Button small look="plain" aria-label={words.openOf(version)} onClick={() => onOpen(version)}>
              {words.open}
            </Button>
            {version !== now && (
              <Button
                small
                aria-label={words.rollBackOf(version)}
                onClick={() => {
                  back.reset()
                  setTo(version)
                }}
              >
                {words.rollBack}
              </Button>
            )}
          </>
        )}
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
    </>
  )
}

// The file as a whole: opened, edited, compared, put in force, and taken back.
export function ModelFile({ version }: { version: number }) {
  const words = useWords(modelDeskWords)
  const versions = useQuery(modelVersionsQuery)
  const [open, setOpen] = useState<Open | null>(null)
  const [applied, setApplied] = useState<number | null>(null)
  const read = useMutation({
    mutationFn: async (from: number) => ({ seen: version, from, text: await getModelText(from) }),
    onSuccess: (found) => {
      setApplied(null)
      setOpen(found)
    },
  })
  return (
    <section className={account['card']}>
      <h2>{words.file}</h2>
      <p className={account['soft']}>{words.fileText}</p>
      <p role="status">{applied !== null && words.applied(applied)}</p>
      <Summary error={read.error} />
      {open ? (
        <Editor
          key={`${open.seen}/${open.from}`}
          open={open}
          onApplied={(now) => {
            setOpen(null)
            setApplied(now.version)
          }}
        />
      ) : (
        <div className={account['row']}>
          <Button look="primary" small disabled={read.isPending} onClick={() => read.mutate(version)}>
            {words.edit}
          </Button>
        </div>
      )}
      <Fetched query={versions} height="8rem">
        {(items) => <Versions items={items} now={version} onOpen={(from) => read.mutate(from)} />}
      </Fetched>
    </section>
  )
}

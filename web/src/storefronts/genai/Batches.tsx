import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { type Batch, type BatchEndpoint, batchEndpoints, cancelBatch, getFileText, startBatch } from '../../api/batches'
import { count, dayAndTime } from '../../i18n/format'
import { batchWords } from '../../i18n/genaiBatchWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Confirm, Fetched, More } from '../../shell/account/parts'
import { saveAs } from '../../shell/csv'
import { Form, Summary } from '../../shell/form'
import { Button } from '../../ui/Button'
import { Choose } from '../../ui/Choose'
import { Empty } from '../../ui/Empty'
import { Field } from '../../ui/Field'
import { Meter } from '../../ui/Meter'
import { type Column, Table } from '../../ui/Table'
import { Gate } from './Console'
import styles from './genai.module.css'
import { Code, Page } from './parts'
import { batchesQuery } from './queries'

const EXAMPLE = JSON.stringify({
  custom_id: 'line-1',
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model: 'MODEL', messages: [{ role: 'user', content: 'Hello' }] },
})

export const nameOf = (batch: Batch) => batch.metadata?.['filename'] ?? batch.id

const looks: Record<Batch['status'], string> = {
  validating: 'queued',
  in_progress: 'processing',
  cancelling: 'processing',
  finalizing: 'processing',
  completed: 'completed',
  failed: 'failed',
  expired: 'failed',
  cancelled: 'cancelled',
}

function Begin() {
  const words = useWords(batchWords)
  const queryClient = useQueryClient()
  const input = useRef<HTMLInputElement>(null)
  const [file, setFile] = useState<File | null>(null)
  const [endpoint, setEndpoint] = useState<BatchEndpoint>(batchEndpoints[0])
  const begin = useMutation({
    mutationFn: async () => {
      if (file) await startBatch(file, endpoint)
    },
    onSuccess: () => {
      setFile(null)
      if (input.current) input.current.value = ''
      return queryClient.invalidateQueries({ queryKey: batchesQuery.queryKey })
    },
  })
  return (
    <section className={styles['card']}>
      <h2>{words.begin}</h2>
      <Form run={begin} check={(): Record<string, string> => (file ? {} : { file: words.noFile })} submit={words.start}>
        {(errors) => (
          <>
            <Field
              ref={input}
              label={words.file}
              hint={words.fileHint}
              name="file"
              type="file"
              accept=".jsonl,.ndjson,.txt,application/jsonl"
              error={errors['file']}
              onChange={(event) => {
                begin.reset()
                setFile(event.target.files?.[0] ?? null)
              }}
            />
            <Choose
              label={words.endpoint}
              value={endpoint}
              options={batchEndpoints.map((value) => ({ value, text: value }))}
              onChange={(value) => setEndpoint(batchEndpoints.find((known) => known === value) ?? batchEndpoints[0])}
            />
          </>
        )}
      </Form>
      <p role="status">{begin.isSuccess ? words.started : ''}</p>
      <p className={styles['soft']}>{words.example}</p>
      <Code text={EXAMPLE} label={words.example} />
    </section>
  )
}

function Acts({ batch, onCancel }: { batch: Batch; onCancel: () => void }) {
  const words = useWords(batchWords)
  const name = nameOf(batch)
  const save = useMutation({
    mutationFn: async ({ file, what }: { file: string; what: string }) =>
      saveAs(`${batch.id}_${what}.jsonl`, await getFileText(file)),
  })
  const { output_file_id: output, error_file_id: errors } = batch
  return (
    <span className={styles['row']}>
      {output !== null && (
        <Button
          small
          aria-label={words.resultsOf(name)}
          disabled={save.isPending}
          onClick={() => save.mutate({ file: output, what: 'output' })}
        >
          {words.results}
        </Button>
      )}
      {errors !== null && (
        <Button
          small
          look="plain"
          aria-label={words.errorsOf(name)}
          disabled={save.isPending}
          onClick={() => save.mutate({ file: errors, what: 'error' })}
        >
          {words.errors}
        </Button>
      )}
      {(batch.status === 'validating' || batch.status === 'in_progress') && (
        <Button small look="plain" aria-label={words.cancelOf(name)} onClick={onCancel}>
          {words.cancel}
        </Button>
      )}
      <Summary error={save.error} />
    </span>
  )
}

function Progress({ batch }: { batch: Batch }) {
  const words = useWords(batchWords)
  const locale = useLocale()
  const { total, completed, failed } = batch.request_counts
  const said = words.done(count(completed + failed, locale), count(total, locale), count(failed, locale))
  return (
    <>
      <Meter value={completed + failed} max={total} label={words.progress} words={said} />
      <small>{said}</small>
      {batch.errors?.data.map(({ code, message }) => (
        <small key={code}> {message}</small>
      ))}
    </>
  )
}

function List({ batches }: { batches: readonly Batch[] }) {
  const words = useWords(batchWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const [asked, setAsked] = useState<Batch | null>(null)
  const cancel = useMutation({
    mutationFn: async () => {
      if (asked) await cancelBatch(asked.id)
    },
    onSuccess: () => {
      setAsked(null)
      return queryClient.invalidateQueries({ queryKey: batchesQuery.queryKey })
    },
  })
  const columns: Column<Batch>[] = [
    { id: 'name', head: words.name, bare: true, cell: (batch) => <b>{nameOf(batch)}</b> },
    { id: 'endpoint', head: words.endpoint, cell: ({ endpoint }) => <code>{endpoint}</code> },
    {
      id: 'created',
      head: words.created,
      cell: ({ created_at }) => dayAndTime(new Date(created_at * 1000).toISOString(), locale),
    },
    {
      id: 'state',
      head: words.state,
      cell: ({ status }) => (
        <span className={styles['state']} data-state={looks[status]}>
          <i aria-hidden="true" />
          {words[status]}
        </span>
      ),
    },
    { id: 'progress', head: words.progress, bare: true, cell: (batch) => <Progress batch={batch} /> },
    {
      id: 'acts',
      head: words.acts,
      bare: true,
      cell: (batch) => <Acts batch={batch} onCancel={() => setAsked(batch)} />,
    },
  ]
  if (batches.length === 0) return <Empty cloth="genai" mark="束" title={words.empty} />
  return (
    <section className={styles['card']}>
      <h2>{words.list}</h2>
      <Table label={words.list} columns={columns} rows={batches} keyOf={({ id }) => id} />
      {asked && (
        <Confirm
          title={words.cancelOf(nameOf(asked))}
          text={words.cancelText}
          act={words.cancel}
          run={cancel}
          onClose={() => {
            cancel.reset()
            setAsked(null)
          }}
        />
      )}
    </section>
  )
}

function All() {
  const batches = useInfiniteQuery(batchesQuery)
  return (
    <>
      <Begin />
      <Fetched query={batches}>{({ pages }) => <List batches={pages.flatMap(({ data }) => data)} />}</Fetched>
      <More query={batches} />
    </>
  )
}

export function Batches() {
  const words = useWords(batchWords)
  return (
    <Gate>
      {() => (
        <Page title={words.title} lead={words.lead}>
          <All />
        </Page>
      )}
    </Gate>
  )
}

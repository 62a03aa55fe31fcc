import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type PhraseDesk, putPhrasesCsv } from '../../api/misaki'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { phraseDeskWords } from '../../i18n/misakiDeskWords'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Icon } from '../../ui/Icon'
import account from '../account/account.module.css'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import { Table } from './parts'
import { phraseDeskQuery, useDesk } from './phraseDesk'
import styles from './phrases.module.css'

// The phrases as a spreadsheet. A file is looked through first, and takes the draft's place only when asked to.
export function PhraseSheet({ desk }: { desk: PhraseDesk }) {
  const words = useWords(phraseDeskWords)
  const locale = useLocale()
  const client = useQueryClient()
  const { guard } = useDesk()
  const [file, setFile] = useState<File | null>(null)
  const read = useGuarded({
    mutationFn: ({ csv, check }: { csv: File; check: boolean }) => guard(putPhrasesCsv(desk.revision, check, csv)),
    onSuccess: (outcome) => {
      if (outcome.applied) setFile(null)
      return outcome.applied ? client.invalidateQueries({ queryKey: phraseDeskQuery.queryKey }) : undefined
    },
  })
  const outcome = read.data
  return (
    <section className={account['card']}>
      <h2>{words.csv}</h2>
      <p className={account['soft']}>{words.csvText}</p>
      <div className={account['row']}>
        <a className={buttonClass({ small: true })} href="/admin/misaki/phrases/csv?from=draft" download>
          <Icon name="down" size={16} />
          {words.csvDraft}
        </a>
        <a className={buttonClass({ small: true })} href="/admin/misaki/phrases/csv?from=published" download>
          <Icon name="down" size={16} />
          {words.csvLive}
        </a>
        <label className={cx(buttonClass({ small: true }), styles['file'])}>
          {words.csvPick}
          <input
            type="file"
            accept=".csv,text/csv"
            disabled={read.isPending}
            onChange={(event) => {
              const csv = event.target.files?.[0] ?? null
              event.target.value = ''
              setFile(csv)
              if (csv) read.mutate({ csv, check: true })
            }}
          />
        </label>
      </div>
      <Summary error={read.error} />
      <div role="status">
        {outcome?.applied && <p>{words.csvApplied}</p>}
        {outcome && !outcome.applied && outcome.errors.length === 0 && (
          <p>{words.csvGood(count(outcome.lines, locale), count(outcome.phrases, locale))}</p>
        )}
      </div>
      {outcome && !outcome.applied && outcome.errors.length === 0 && file && (
        <div>
          <Button look="primary" disabled={read.isPending} onClick={() => read.mutate({ csv: file, check: false })}>
            {words.csvApply}
          </Button>
        </div>
      )}
      {outcome && outcome.errors.length > 0 && (
        <Table
          label={words.mistake}
          columns={[
            { id: 'line', head: words.line, figure: true, cell: ({ line }) => line },
            { id: 'text', head: words.mistake, cell: ({ text }) => text[locale] },
          ]}
          rows={outcome.errors}
          keyOf={({ line, code }) => `${line}/${code}`}
        />
      )}
    </section>
  )
}

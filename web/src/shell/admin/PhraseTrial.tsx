import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Stand, tryPhrases } from '../../api/misaki'
import { phraseDeskWords } from '../../i18n/misakiDeskWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Field } from '../../ui/Field'
import { Select } from '../../ui/Select'
import account from '../account/account.module.css'
import { Summary } from '../form'
import { Id, named, Table } from './parts'
import styles from './phrases.module.css'

// What a guest's words would hit, by which rule, and what came near.
export function PhraseTrial() {
  const words = useWords(phraseDeskWords)
  const [text, setText] = useState('')
  const [from, setFrom] = useState<Stand>('draft')
  const [hour, setHour] = useState('')
  const [asAnswer, setAsAnswer] = useState(false)
  const trial = useMutation({
    mutationFn: async () => ({
      asAnswer,
      found: await tryPhrases(text.trim(), from, hour === '' ? null : Number(hour), asAnswer),
    }),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (text.trim() !== '') trial.mutate()
  }
  const rules = {
    exact: words.rule_exact,
    folded: words.rule_folded,
    pattern: words.rule_pattern,
    semantic: words.rule_semantic,
  }
  const found = trial.data?.found
  const hours = Array.from({ length: 24 }, (_, value) => ({ value: String(value), text: words.hourOf(value) }))
  return (
    <section className={account['card']}>
      <h2>{words.trial}</h2>
      <form className={styles['trial']} onSubmit={submit}>
        <Field
          label={words.trialText}
          value={text}
          maxLength={200}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
        />
        <Select
          label={words.trialFrom}
          value={from}
          options={[
            { value: 'draft', text: words.draft },
            { value: 'published', text: words.live },
          ]}
          onChange={(event) => setFrom(event.target.value === 'draft' ? 'draft' : 'published')}
        />
        <Select
          label={words.hour}
          value={hour}
          options={[{ value: '', text: words.now }, ...hours]}
          onChange={(event) => setHour(event.target.value)}
        />
        <Check checked={asAnswer} onChange={(event) => setAsAnswer(event.target.checked)}>
          {words.asAnswer}
        </Check>
        <Button type="submit" disabled={trial.isPending || text.trim() === ''}>
          {words.run}
        </Button>
      </form>
      <Summary error={trial.error} />
      <div role="status">
        {found?.hit && (
          <>
            <p>
              <b>{words.hit(found.hit.id, named(rules, found.hit.rule))}</b> {found.hit.entry}
            </p>
            <p className={styles['answer']}>{found.hit.reply}</p>
          </>
        )}
        {found && !found.hit && <p>{trial.data?.asAnswer ? words.fine : words.miss}</p>}
      </div>
      {found && found.candidates.length > 0 && (
        <Table
          label={words.near}
          columns={[
            { id: 'id', head: words.near, cell: ({ id }) => <Id>{id}</Id> },
            { id: 'entry', head: words.entry, cell: ({ entry }) => entry },
            { id: 'score', head: words.score, figure: true, cell: ({ score }) => score.toFixed(2) },
          ]}
          rows={found.candidates}
          keyOf={({ id, entry }) => `${id}/${entry}`}
        />
      )}
    </section>
  )
}

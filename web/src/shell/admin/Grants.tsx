import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { getGrants, getPlans, giveUnits, type OneOffGrant, takeUnitsBack } from '../../api/admin'
import { grantDeskWords } from '../../i18n/adminWords'
import { count, day } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import { Select } from '../../ui/Select'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Form, type Mistakes } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { amountOf, endOfDay } from './grantRules'
import { Id, Pieces, usePieces } from './parts'

interface Ways {
  onDone: () => unknown
  onCancel: () => void
}

function ReasonField(props: { value: string; onChange: (value: string) => void; error: string | undefined }) {
  const words = useWords(grantDeskWords)
  return (
    <Field
      label={words.reason}
      hint={words.reasonHint}
      name="reason"
      autoComplete="off"
      maxLength={200}
      required
      value={props.value}
      onChange={(event) => props.onChange(event.target.value)}
      error={props.error}
    />
  )
}

function GiveUnits({ tenant, held, onDone, onCancel }: Ways & { tenant: string; held: readonly string[] }) {
  const words = useWords(grantDeskWords)
  const form = useWords(formWords)
  const plans = useQuery({ queryKey: ['admin', 'plans'], queryFn: getPlans })
  const sold = (plans.data ?? []).flatMap(({ versions }) => versions[0]?.grants.map(({ unit }) => unit) ?? [])
  const units = [...new Set([...held, ...sold])].sort()
  const [draft, setDraft] = useState({ unit: '', amount: '', until: '', reason: '' })
  const change = (part: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...part }))
  const unit = draft.unit || (units[0] ?? '')
  // One form is one wish, however often it is sent.
  const [key] = useState(() => crypto.randomUUID())
  const give = useGuarded({
    mutationFn: () =>
      giveUnits(tenant, key, {
        unit,
        amount: amountOf(draft.amount),
        reason: draft.reason.trim(),
        ...(draft.until === '' ? {} : { expires_at: endOfDay(draft.until) ?? '' }),
      }),
    onSuccess: onDone,
  })
  const check = (): Mistakes => ({
    ...(Number.isNaN(amountOf(draft.amount)) ? { amount: words.badAmount } : {}),
    ...(draft.until !== '' && endOfDay(draft.until) === null ? { expires_at: words.badUntil } : {}),
    ...(draft.reason.trim() === '' ? { reason: words.needReason } : {}),
  })
  const cancel = (
    <Button look="plain" onClick={onCancel}>
      {form.cancel}
    </Button>
  )
  return (
    <Form run={give} check={check} submit={words.give} beside={cancel}>
      {(errors) => (
        <>
          <Select
            label={words.unit}
            options={units.map((value) => ({ value, text: value }))}
            value={unit}
            onChange={(event) => change({ unit: event.target.value })}
            error={errors['unit']}
          />
          <Field
            label={words.amount}
            hint={words.amountHint}
            name="amount"
            inputMode="numeric"
            autoComplete="off"
            required
            value={draft.amount}
            onChange={(event) => change({ amount: event.target.value })}
            error={errors['amount']}
          />
          <Field
            label={words.until}
            hint={words.untilHint}
            name="expires_at"
            type="date"
            value={draft.until}
            onChange={(event) => change({ until: event.target.value })}
            error={errors['expires_at']}
          />
          <ReasonField value={draft.reason} onChange={(reason) => change({ reason })} error={errors['reason']} />
        </>
      )}
    </Form>
  )
}

function TakeBack({ grant, onDone, onCancel }: Ways & { grant: OneOffGrant }) {
  const words = useWords(grantDeskWords)
  const form = useWords(formWords)
  const [reason, setReason] = useState('')
  const take = useGuarded({
    mutationFn: () => takeUnitsBack(grant.tenant, grant.id, reason.trim()),
    onSuccess: onDone,
  })
  const cancel = (
    <Button look="plain" onClick={onCancel}>
      {form.cancel}
    </Button>
  )
  return (
    <Form
      run={take}
      check={() => (reason.trim() === '' ? { reason: words.needReason } : {})}
      submit={words.takeBack}
      beside={cancel}
      danger
    >
      {(errors) => (
        <>
          <p>{words.takeBackText}</p>
          <ReasonField value={reason} onChange={setReason} error={errors['reason']} />
        </>
      )}
    </Form>
  )
}

export function Grants({ tenant, held }: { tenant: string; held: readonly string[] }) {
  const words = useWords(grantDeskWords)
  const form = useWords(formWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const [giving, setGiving] = useState(false)
  const [asked, setAsked] = useState<OneOffGrant | null>(null)
  const pieces = usePieces(['grants', tenant], (cursor) => getGrants(tenant, cursor))
  const done = () => {
    setGiving(false)
    setAsked(null)
    // what was given is in the books too
    return Promise.all(
      ['grants', 'ledger', 'lots'].map((key) => queryClient.invalidateQueries({ queryKey: ['admin', key, tenant] })),
    )
  }
  const nameOf = ({ amount, unit }: OneOffGrant) => words.takeBackOf(count(amount, locale), unit)
  const figure = (id: 'given' | 'left' | 'used', cell: (grant: OneOffGrant) => number): Column<OneOffGrant> => ({
    id,
    head: words[id],
    figure: true,
    cell: (grant) => count(cell(grant), locale),
  })
  const columns: Column<OneOffGrant>[] = [
    { id: 'unit', head: words.unit, cell: ({ unit }) => unit },
    figure('given', ({ amount }) => amount),
    figure('left', ({ left }) => left),
    figure('used', ({ used }) => used),
    {
      id: 'reason',
      head: words.reason,
      long: true,
      cell: ({ id, reason, given_by, given_at, expires_at, revoked_by, revoked_reason }) => (
        <span className={styles['two']}>
          {reason}
          <small>
            <time dateTime={given_at}>{day(given_at, locale)}</time> {words.by(given_by)} ·{' '}
            {expires_at ? words.ends(day(expires_at, locale)) : words.forever}
          </small>
          {revoked_by && <small>{words.takenBack(revoked_by, revoked_reason ?? '')}</small>}
          <Id>{id}</Id>
        </span>
      ),
    },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.title}</h2>
      <p className={account['soft']}>{words.lead}</p>
      {giving ? (
        <GiveUnits tenant={tenant} held={held} onDone={done} onCancel={() => setGiving(false)} />
      ) : (
        <div>
          <Button onClick={() => setGiving(true)}>{words.give}</Button>
        </div>
      )}
      <Pieces
        pieces={pieces}
        label={words.title}
        columns={columns}
        keyOf={({ id }) => id}
        empty={<p className={account['soft']}>{words.empty}</p>}
        acts={(grant) =>
          grant.revoked_at === null &&
          grant.left + grant.held > 0 && (
            <Button small look="plain" aria-label={nameOf(grant)} onClick={() => setAsked(grant)}>
              {words.takeBack}
            </Button>
          )
        }
      />
      {asked && (
        <Dialog title={nameOf(asked)} closeLabel={form.close} onClose={() => setAsked(null)}>
          <TakeBack grant={asked} onDone={done} onCancel={() => setAsked(null)} />
        </Dialog>
      )}
    </section>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Cap, getCaps, removeCap, setCap } from '../../api/admin'
import { day } from '../../i18n/format'
import { capWords, memberBudgetWords } from '../../i18n/limitWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Select } from '../../ui/Select'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched } from '../account/parts'
import { isCost, readAmount, shownAmount } from '../billing/amounts'
import { shops } from '../billing/shops'
import { Form, Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { Table } from './parts'

export function Caps({ tenant, held }: { tenant: string; held: readonly string[] }) {
  const words = useWords(capWords)
  const amounts = useWords(memberBudgetWords)
  const locale = useLocale()
  const client = useQueryClient()
  const key = ['admin', 'caps', tenant]
  const caps = useQuery({ queryKey: key, queryFn: () => getCaps(tenant) })
  const units = [...new Set([...shops.map((shop) => `${shop}.cost`), ...held])].sort()
  const [draft, setDraft] = useState({ unit: '', monthly: '' })
  const unit = draft.unit || (units[0] ?? '')
  const onSuccess = () => client.invalidateQueries({ queryKey: key })
  const save = useGuarded({
    mutationFn: () => setCap(tenant, unit, readAmount(unit, draft.monthly) ?? 0),
    onSuccess,
  })
  const remove = useGuarded({ mutationFn: (cap: Cap) => removeCap(tenant, cap.unit), onSuccess })
  const columns: Column<Cap>[] = [
    { id: 'unit', head: words.unit, cell: (cap) => cap.unit },
    { id: 'used', head: words.used, figure: true, cell: (cap) => shownAmount(cap.unit, cap.used, locale) },
    { id: 'monthly', head: words.monthly, figure: true, cell: (cap) => shownAmount(cap.unit, cap.monthly, locale) },
    {
      id: 'set',
      head: words.set,
      long: true,
      cell: (cap) => (
        <span className={styles['two']}>
          {cap.set_by}
          <small>
            <time dateTime={cap.set_at}>{day(cap.set_at, locale)}</time>
          </small>
        </span>
      ),
    },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.title}</h2>
      <p className={account['soft']}>{words.lead}</p>
      <Fetched query={caps}>
        {(rows) =>
          rows.length === 0 ? (
            <p className={account['soft']}>{words.empty}</p>
          ) : (
            <Table
              label={words.title}
              columns={columns}
              rows={rows}
              keyOf={(cap) => cap.unit}
              acts={(cap) => (
                <Button small look="plain" aria-label={words.removeOf(cap.unit)} onClick={() => remove.mutate(cap)}>
                  {words.remove}
                </Button>
              )}
            />
          )
        }
      </Fetched>
      <Summary error={remove.error} />
      <Form
        run={save}
        check={() =>
          readAmount(unit, draft.monthly) === null ? { monthly: isCost(unit) ? amounts.amount : amounts.number } : {}
        }
        submit={words.save}
      >
        {(errors) => (
          <>
            <Select
              label={words.unit}
              options={units.map((value) => ({ value, text: value }))}
              value={unit}
              onChange={(event) => setDraft((before) => ({ ...before, unit: event.target.value }))}
            />
            <Field
              label={isCost(unit) ? amounts.monthlyCost : words.monthly}
              name="monthly"
              inputMode={isCost(unit) ? 'decimal' : 'numeric'}
              autoComplete="off"
              required
              value={draft.monthly}
              onChange={(event) => setDraft((before) => ({ ...before, monthly: event.target.value }))}
              error={errors['monthly']}
            />
          </>
        )}
      </Form>
    </section>
  )
}

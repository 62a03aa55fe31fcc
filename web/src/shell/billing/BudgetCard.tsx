import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Budget, removeBudget, setBudget } from '../../api/billing'
import type { Me } from '../../api/types'
import { budgetWords } from '../../i18n/budgetWords'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { unitName } from '../../i18n/units'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Meter } from '../../ui/Meter'
import { Notice } from '../../ui/Notice'
import account from '../account/account.module.css'
import { dollarText } from '../dollars'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import { isCost, readAmount, shownAmount } from './amounts'
import styles from './billing.module.css'
import { budgetsQuery } from './queries'
import { mayBuy } from './shops'

// One press lets the month go on: half as much again, and one more at least.
function raised(monthly: number): number {
  return monthly + Math.max(1, Math.ceil(monthly / 2))
}

export function BudgetCard({ unit, me }: { unit: string; me: Me }) {
  const words = useWords(budgetWords)
  const locale = useLocale()
  const client = useQueryClient()
  const budgets = useQuery(budgetsQuery)
  const budget: Budget | undefined = budgets.data?.find((one) => one.unit === unit)
  const [monthly, setMonthly] = useState('')
  const [alert, setAlert] = useState('')
  const [wrong, setWrong] = useState(false)
  const change = useGuarded({
    mutationFn: async (wish: { monthly: number; alerts: number[] } | null) => {
      await (wish === null ? removeBudget(unit) : setBudget(unit, wish))
    },
    onSuccess: () => client.invalidateQueries({ queryKey: budgetsQuery.queryKey }),
  })
  if (!mayBuy(me) || !budgets.data) return null
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const most = readAmount(unit, monthly)
    const at = alert.trim() === '' ? [] : [readAmount(unit, alert)]
    const bad = most === null || at.some((one) => one === null || one === 0)
    setWrong(bad)
    if (!bad) change.mutate({ monthly: most, alerts: at.filter((one) => one !== null) })
  }
  const limit = budget?.monthly
  const cost = isCost(unit)
  const over = budget !== undefined && typeof limit === 'number' && (budget.stopped || budget.used >= limit)
  return (
    <section className={account['card']}>
      <h2>{`${words.title} · ${cost ? words.cost : unitName(unit, locale)}`}</h2>
      <p className={account['soft']}>{cost ? words.costLead : words.lead}</p>
      {typeof budget?.house_cap === 'number' && (
        <p>{words.houseCap(shownAmount(unit, budget.used, locale), shownAmount(unit, budget.house_cap, locale))}</p>
      )}
      {budget && typeof limit === 'number' && (
        <>
          {over && <Notice tone="warn" role="status" title={cost ? words.costReached : words.reached} />}
          <Meter
            value={Math.min(budget.used, limit)}
            max={Math.max(limit, 1)}
            label={words.title}
            words={words.used(shownAmount(unit, budget.used, locale), shownAmount(unit, limit, locale))}
          />
          <p className={account['soft']}>{words.until(dayAndTime(budget.resets_at, locale))}</p>
          <div className={account['row']}>
            <Button
              small
              look={over ? 'primary' : 'quiet'}
              disabled={change.isPending}
              onClick={() => change.mutate({ monthly: raised(limit), alerts: budget.alerts })}
            >
              {words.raise(cost ? `$${dollarText(raised(limit))}` : count(raised(limit), locale))}
            </Button>
            <Button small look="plain" disabled={change.isPending} onClick={() => change.mutate(null)}>
              {words.remove}
            </Button>
          </div>
        </>
      )}
      <form className={styles['fields']} onSubmit={submit} noValidate>
        <Field
          label={cost ? words.costMonthly : words.monthly}
          inputMode={cost ? 'decimal' : 'numeric'}
          value={monthly}
          error={wrong ? (cost ? words.amount : words.number) : undefined}
          onChange={(event) => setMonthly(event.target.value)}
        />
        <Field
          label={cost ? words.costAlert : words.alert}
          inputMode={cost ? 'decimal' : 'numeric'}
          value={alert}
          onChange={(event) => setAlert(event.target.value)}
        />
        <Summary error={change.error} />
        <Button small type="submit" disabled={change.isPending}>
          {words.save}
        </Button>
      </form>
    </section>
  )
}

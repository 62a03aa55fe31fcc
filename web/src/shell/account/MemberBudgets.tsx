import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type MemberBudget, removeMemberBudget, setMemberBudget } from '../../api/billing'
import type { Me, Member, StorefrontId } from '../../api/types'
import { shopWords } from '../../i18n/billingWords'
import { dayAndTime } from '../../i18n/format'
import { memberBudgetWords } from '../../i18n/limitWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { unitName } from '../../i18n/units'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Meter } from '../../ui/Meter'
import { Select } from '../../ui/Select'
import { isCost, readAmount, shownAmount } from '../billing/amounts'
import { memberBudgetsQuery } from '../billing/queries'
import { Form } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { Fetched } from './parts'
import { can } from './sections'

// What members of a team use most; whatever else somebody used or is limited in is offered too.
const units = ['genai.cost', 'genai.chat', 'misaki.cost', 'misaki.chat']

function useUnitName() {
  const words = useWords(memberBudgetWords)
  const shops = useWords(shopWords)
  const locale = useLocale()
  return (unit: string) => {
    const shop = unit.slice(0, unit.indexOf('.')) as StorefrontId
    return `${shops[shop] ?? shop} · ${isCost(unit) ? words.cost : unitName(unit, locale)}`
  }
}

const called = (member: Member) => member.display_name || member.email || member.login_name || member.user

function Use({ of, name, mayRemove }: { of: MemberBudget; name: string; mayRemove: boolean }) {
  const words = useWords(memberBudgetWords)
  const locale = useLocale()
  const unitOf = useUnitName()
  const client = useQueryClient()
  const { unit, used, monthly } = of
  const remove = useGuarded({
    mutationFn: () => removeMemberBudget(of.user, unit),
    onSuccess: () => client.invalidateQueries({ queryKey: memberBudgetsQuery.queryKey }),
  })
  const shown = shownAmount(unit, used, locale)
  if (monthly === null) return <span>{`${unitOf(unit)} ${shown}`}</span>
  const share = words.usedOf(shown, shownAmount(unit, monthly, locale))
  return (
    <span className={area['limited']}>
      <span>{`${unitOf(unit)} ${share}`}</span>
      <Meter
        value={Math.min(used, monthly)}
        max={Math.max(monthly, 1)}
        label={`${name} · ${unitOf(unit)}`}
        words={share}
      />
      {mayRemove && (
        <Button
          small
          look="plain"
          disabled={remove.isPending}
          aria-label={words.removeOf(name, unitOf(unit))}
          onClick={() => remove.mutate()}
        >
          {words.remove}
        </Button>
      )}
    </span>
  )
}

function SetLimit({ members, used }: { members: readonly Member[]; used: readonly MemberBudget[] }) {
  const words = useWords(memberBudgetWords)
  const unitOf = useUnitName()
  const client = useQueryClient()
  const [draft, setDraft] = useState({ user: members[0]?.user ?? '', unit: 'genai.cost', monthly: '' })
  const change = (part: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...part }))
  const offered = [...new Set([...units, ...used.map(({ unit }) => unit)])]
  const cost = isCost(draft.unit)
  const save = useGuarded({
    mutationFn: () => setMemberBudget(draft.user, draft.unit, readAmount(draft.unit, draft.monthly) ?? 0),
    onSuccess: () => {
      change({ monthly: '' })
      return client.invalidateQueries({ queryKey: memberBudgetsQuery.queryKey })
    },
  })
  const check = () =>
    readAmount(draft.unit, draft.monthly) === null ? { monthly: cost ? words.amount : words.number } : {}
  return (
    <Form run={save} check={check} submit={words.save}>
      {(errors) => (
        <>
          <Select
            label={words.who}
            options={members.map((member) => ({ value: member.user, text: called(member) }))}
            value={draft.user}
            onChange={(event) => change({ user: event.target.value })}
          />
          <Select
            label={words.what}
            options={offered.map((value) => ({ value, text: unitOf(value) }))}
            value={draft.unit}
            onChange={(event) => change({ unit: event.target.value })}
          />
          <Field
            label={cost ? words.monthlyCost : words.monthly}
            name="monthly"
            inputMode={cost ? 'decimal' : 'numeric'}
            autoComplete="off"
            required
            value={draft.monthly}
            onChange={(event) => change({ monthly: event.target.value })}
            error={errors['monthly']}
          />
        </>
      )}
    </Form>
  )
}

// What each member used this month and may use; somebody who manages nothing sees only themselves.
export function MemberBudgets({ me, members }: { me: Me; members: readonly Member[] }) {
  const words = useWords(memberBudgetWords)
  const locale = useLocale()
  const budgets = useQuery(memberBudgetsQuery)
  const manages = can(me, 'billing.manage')
  const shown = members.filter((member) => manages || member.user === me.user?.id)
  const head = me.tenant.role === 'owner' || me.tenant.role === 'guardian'
  const mayLimit = (member: Member) => manages && (head || member.role === 'member')
  const limitable = members.filter(mayLimit)
  return (
    <section className={styles['card']}>
      <h2>{manages ? words.title : words.ownTitle}</h2>
      <p className={styles['soft']}>{manages ? words.lead : words.ownLead}</p>
      <Fetched query={budgets}>
        {(items) => (
          <>
            <ul className={area['things']}>
              {shown.map((member) => {
                const own = items.filter(({ user }) => user === member.user)
                return (
                  <li key={member.user}>
                    <div className={area['thing']}>
                      <b>{called(member)}</b>
                      <span className={area['facts']}>
                        {own.length === 0 && <span>{words.none}</span>}
                        {own.map((one) => (
                          <Use key={one.unit} of={one} name={called(member)} mayRemove={mayLimit(member)} />
                        ))}
                      </span>
                    </div>
                  </li>
                )
              })}
            </ul>
            {items[0] && <p className={styles['soft']}>{words.until(dayAndTime(items[0].resets_at, locale))}</p>}
            {limitable.length > 0 && (
              <>
                <h3>{words.set}</h3>
                <SetLimit members={limitable} used={items} />
              </>
            )}
          </>
        )}
      </Fetched>
    </section>
  )
}

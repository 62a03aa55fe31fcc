import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { type KeepRule, keeps, type Retention as Rules, setRetention, takeBackRetention } from '../../api/genai'
import { keysQuery } from '../../api/queries'
import type { ApiKey, Me } from '../../api/types'
import { formWords } from '../../i18n/formWords'
import { retentionWords } from '../../i18n/genaiRetentionWords'
import { useWords } from '../../i18n/text'
import area from '../../shell/account/area.module.css'
import { Fetched } from '../../shell/account/parts'
import { can } from '../../shell/account/sections'
import { Form, Summary } from '../../shell/form'
import { useGuarded } from '../../shell/stepUp'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import { type Column, Table } from '../../ui/Table'
import { Gate } from './Console'
import styles from './genai.module.css'
import { Page } from './parts'
import { retentionQuery } from './queries'

// Days as somebody types them, in digits of either width; NaN when they are none.
export function daysOf(text: string): number {
  const plain = text.normalize('NFKC').trim()
  const days = /^\d{1,4}$/.test(plain) ? Number(plain) : Number.NaN
  return days >= 1 && days <= 3650 ? days : Number.NaN
}

interface RuleProps {
  // None: the rule for all.
  id: string | null
  before: KeepRule
  onDone: () => void
  onCancel?: () => void
}

function RuleForm({ id, before, onDone, onCancel }: RuleProps) {
  const words = useWords(retentionWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const [keep, setKeep] = useState(before.keep)
  const [days, setDays] = useState(String(before.days ?? 30))
  const save = useGuarded({
    mutationFn: () => setRetention(id, { keep, days: keep === 'days' ? daysOf(days) : null }),
    onSuccess: (rules) => {
      queryClient.setQueryData(retentionQuery.queryKey, rules)
      onDone()
    },
  })
  const name = `keep-${id ?? 'all'}`
  return (
    <Form
      run={save}
      check={() => (keep === 'days' && Number.isNaN(daysOf(days)) ? { days: words.badDays } : {})}
      submit={form.save}
      beside={
        onCancel && (
          <Button look="plain" onClick={onCancel}>
            {form.cancel}
          </Button>
        )
      }
    >
      {(errors) => (
        <>
          <fieldset className={area['choices']}>
            <legend>{words.keep}</legend>
            {keeps.map((value) => (
              <label key={value} className={styles['option']}>
                <input
                  type="radio"
                  name={name}
                  value={value}
                  checked={keep === value}
                  onChange={() => setKeep(value)}
                />
                <span>
                  {words[value]}
                  <small>{words[`${value}Text`]}</small>
                </span>
              </label>
            ))}
          </fieldset>
          {keep === 'days' && (
            <div className={styles['short']}>
              <Field
                label={words.number}
                hint={words.numberHint}
                name="days"
                inputMode="numeric"
                autoComplete="off"
                required
                value={days}
                onChange={(event) => setDays(event.target.value)}
                error={errors['days']}
              />
            </div>
          )}
          <p className={styles['soft']}>{words.shorter}</p>
        </>
      )}
    </Form>
  )
}

function useRule(): (rule: KeepRule) => string {
  const words = useWords(retentionWords)
  return ({ keep, days }) => (days === null ? words[keep] : words.forDays(days))
}

function Tenant({ rules, mayChange }: { rules: Rules; mayChange: boolean }) {
  const words = useWords(retentionWords)
  const said = useRule()
  const [saved, setSaved] = useState(false)
  return (
    <section className={styles['card']}>
      <h2>{words.tenant}</h2>
      {mayChange ? (
        <RuleForm id={null} before={rules.tenant} onDone={() => setSaved(true)} />
      ) : (
        <>
          <p>{said(rules.tenant)}</p>
          <p className={styles['soft']}>{words.readOnly}</p>
        </>
      )}
      <p role="status">{saved ? words.saved : ''}</p>
    </section>
  )
}

function Keys({ rules, keys }: { rules: Rules; keys: readonly ApiKey[] }) {
  const words = useWords(retentionWords)
  const form = useWords(formWords)
  const said = useRule()
  const queryClient = useQueryClient()
  const [asked, setAsked] = useState<ApiKey | null>(null)
  const back = useGuarded({
    mutationFn: takeBackRetention,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: retentionQuery.queryKey }),
  })
  const ruleOf = ({ id }: ApiKey) => rules.keys.find(({ key }) => key.id === id)
  const columns: Column<ApiKey>[] = [
    { id: 'key', head: words.key, cell: ({ name }) => <b>{name}</b> },
    {
      id: 'rule',
      head: words.rule,
      cell: (key) => {
        const own = ruleOf(key)
        return own ? said(own) : <span className={styles['soft']}>{words.asTenant}</span>
      },
    },
    {
      id: 'acts',
      head: words.acts,
      bare: true,
      cell: (key) => (
        <span className={styles['row']}>
          <Button small aria-label={words.changeOf(key.name)} onClick={() => setAsked(key)}>
            {words.change}
          </Button>
          {ruleOf(key) && (
            <Button
              small
              look="plain"
              disabled={back.isPending}
              aria-label={words.takeBackOf(key.name)}
              onClick={() => back.mutate(key.id)}
            >
              {words.takeBack}
            </Button>
          )}
        </span>
      ),
    },
  ]
  return (
    <section className={styles['card']}>
      <h2>{words.keys}</h2>
      <p className={styles['soft']}>{words.keysText}</p>
      <Summary error={back.error} />
      {keys.length === 0 ? (
        <p>
          {words.noKeys} <Link to="/account/keys">{words.toKeys}</Link>
        </p>
      ) : (
        <Table label={words.keys} columns={columns} rows={keys} keyOf={({ id }) => id} />
      )}
      {asked && (
        <Dialog title={words.changeOf(asked.name)} closeLabel={form.close} onClose={() => setAsked(null)}>
          <RuleForm
            id={asked.id}
            before={ruleOf(asked) ?? rules.tenant}
            onDone={() => setAsked(null)}
            onCancel={() => setAsked(null)}
          />
        </Dialog>
      )}
    </section>
  )
}

// Keys that work, and those with a rule of their own that may still be taken back.
function shownKeys(rules: Rules, keys: readonly ApiKey[]): ApiKey[] {
  const ruled = new Set(rules.keys.map(({ key }) => key.id))
  return keys.filter(({ id, status }) => status === 'active' || ruled.has(id))
}

function Both({ me }: { me: Me }) {
  const rules = useQuery(retentionQuery)
  const mayKeys = can(me, 'keys.manage')
  const keys = useQuery({ ...keysQuery, enabled: mayKeys })
  return (
    <Fetched query={rules} height="20rem">
      {(found) => (
        <>
          <Tenant rules={found} mayChange={can(me, 'tenant.manage')} />
          {mayKeys && <Fetched query={keys}>{(all) => <Keys rules={found} keys={shownKeys(found, all)} />}</Fetched>}
        </>
      )}
    </Fetched>
  )
}

export function Retention() {
  const words = useWords(retentionWords)
  return (
    <Gate>
      {(me) => (
        <Page title={words.title} lead={words.lead}>
          <Both me={me} />
        </Page>
      )}
    </Gate>
  )
}

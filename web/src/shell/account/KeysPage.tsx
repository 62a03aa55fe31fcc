import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type Ref, useState } from 'react'
import { revokeKey, rotateKey } from '../../api/identity'
import { keysQuery } from '../../api/queries'
import type { ApiKey, KeyWithSecret } from '../../api/types'
import { count, day } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { keyWords } from '../../i18n/keyWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Dialog } from '../../ui/Dialog'
import { Noren } from '../../ui/Noren'
import { Notice } from '../../ui/Notice'
import { Select } from '../../ui/Select'
import { putFirstKeyAway, useArrival } from '../arrival'
import { dollarText } from '../dollars'
import { Form } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { EditKey } from './EditKey'
import { NewKeyForm } from './NewKeyForm'
import { Confirm, Fetched, Page } from './parts'
import { useFormFocus } from './useFormFocus'

function Secret({ secret, note, onKept }: { secret: string; note?: string; onKept: () => void }) {
  const words = useWords(keyWords)
  const form = useWords(formWords)
  return (
    <section className={styles['card']} aria-label={words.secretTitle}>
      <Notice tone="warn" role="status" icon="key" title={words.secretTitle}>
        <p>
          {note} {words.secretText}
        </p>
      </Notice>
      <Copy label={words.secret} value={secret} copy={form.copy} copied={form.copied} />
      <div>
        <Button look="primary" small onClick={onKept}>
          {words.kept}
        </Button>
      </div>
    </section>
  )
}

function Facts({ item }: { item: ApiKey }) {
  const words = useWords(keyWords)
  const locale = useLocale()
  return (
    <>
      <span className={area['facts']}>
        <code>{item.hint}</code>
        <span>{words.created(day(item.created_at, locale))}</span>
        <span>{item.last_used_at ? words.used(day(item.last_used_at, locale)) : words.unused}</span>
      </span>
      <span className={area['facts']}>
        <span>{item.scopes.map((scope) => (words as Record<string, unknown>)[scope] ?? scope).join(' · ')}</span>
        {item.models && <span>{item.models.join(', ')}</span>}
        {item.ip_ranges && <span>{item.ip_ranges.join(', ')}</span>}
        {item.daily_cost_nano_usd !== null && <span>{words.costs(`$${dollarText(item.daily_cost_nano_usd)}`)}</span>}
        {item.daily_cap !== null && <span>{words.capped(count(item.daily_cap, locale))}</span>}
        {item.expires_at && <span>{words.until(day(item.expires_at, locale))}</span>}
        {item.grace_until && <span>{words.grace(day(item.grace_until, locale))}</span>}
      </span>
    </>
  )
}

function Rotate({
  item,
  onMade,
  onClose,
}: {
  item: ApiKey
  onMade: (made: KeyWithSecret) => void
  onClose: () => void
}) {
  const words = useWords(keyWords)
  const form = useWords(formWords)
  const [hours, setHours] = useState('24')
  const rotate = useGuarded({ mutationFn: () => rotateKey(item.id, Number(hours)), onSuccess: onMade })
  return (
    <Dialog title={words.rotateOf(item.name)} closeLabel={form.close} onClose={onClose}>
      <p>{words.rotateText}</p>
      <Form
        run={rotate}
        submit={words.rotate}
        beside={
          <Button look="plain" onClick={onClose}>
            {form.cancel}
          </Button>
        }
      >
        {() => (
          <Select
            label={words.graceLabel}
            name="grace_hours"
            value={hours}
            onChange={(event) => setHours(event.target.value)}
            options={[
              { value: '24', text: words.grace24 },
              { value: '168', text: words.grace168 },
              { value: '720', text: words.grace720 },
              { value: '0', text: words.grace0 },
            ]}
          />
        )}
      </Form>
    </Dialog>
  )
}

function Keys({
  items,
  onMade,
  onNew,
  opener,
}: {
  items: readonly ApiKey[]
  onMade: (made: KeyWithSecret) => void
  onNew: () => void
  opener: Ref<HTMLButtonElement>
}) {
  const words = useWords(keyWords)
  const queryClient = useQueryClient()
  const [editing, setEditing] = useState<ApiKey | null>(null)
  const [rotating, setRotating] = useState<ApiKey | null>(null)
  const [revoking, setRevoking] = useState<ApiKey | null>(null)
  const revoke = useMutation({
    mutationFn: (id: string) => revokeKey(id),
    onSuccess: () => {
      setRevoking(null)
      return queryClient.invalidateQueries({ queryKey: keysQuery.queryKey })
    },
  })
  const live = items.filter(({ status }) => status === 'active')
  const ended = items.filter(({ status }) => status !== 'active')
  if (items.length === 0) {
    return (
      <div className={area['empty']}>
        <Noren characters="鍵" cloth="genai" />
        <h2>{words.empty}</h2>
        <p>{words.emptyText}</p>
        <Button ref={opener} look="primary" onClick={onNew}>
          {words.create}
        </Button>
      </div>
    )
  }
  return (
    <>
      <ul className={area['things']}>
        {live.map((item) => (
          <li key={item.id}>
            <div className={area['thing']}>
              <span className={area['title']}>
                <b>{item.name}</b>
                <Badge tone="accent">{words[item.status]}</Badge>
              </span>
              <Facts item={item} />
            </div>
            <div className={area['acts']}>
              <Button small aria-label={words.editOf(item.name)} onClick={() => setEditing(item)}>
                {words.edit}
              </Button>
              <Button small aria-label={words.rotateOf(item.name)} onClick={() => setRotating(item)}>
                {words.rotate}
              </Button>
              <Button small look="plain" aria-label={words.revokeOf(item.name)} onClick={() => setRevoking(item)}>
                {words.revoke}
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {ended.length > 0 && (
        <details className={area['details']}>
          <summary>{words.ended}</summary>
          <ul className={area['things']}>
            {ended.map((item) => (
              <li key={item.id}>
                <div className={area['thing']}>
                  <span className={area['title']}>
                    <b>{item.name}</b>
                    <Badge tone="warn">{words[item.status]}</Badge>
                  </span>
                  <Facts item={item} />
                </div>
              </li>
            ))}
          </ul>
        </details>
      )}
      {editing && (
        <EditKey
          item={editing}
          onClose={() => setEditing(null)}
          onDone={() => {
            setEditing(null)
            void queryClient.invalidateQueries({ queryKey: keysQuery.queryKey })
          }}
        />
      )}
      {rotating && (
        <Rotate
          item={rotating}
          onClose={() => setRotating(null)}
          onMade={(made) => {
            setRotating(null)
            onMade(made)
          }}
        />
      )}
      {revoking && (
        <Confirm
          title={words.revokeTitle(revoking.name)}
          text={words.revokeText}
          act={words.revoke}
          run={{ ...revoke, mutate: () => revoke.mutate(revoking.id) }}
          onClose={() => setRevoking(null)}
        />
      )}
    </>
  )
}

export default function KeysPage() {
  const words = useWords(keyWords)
  const queryClient = useQueryClient()
  const keys = useQuery(keysQuery)
  const { firstKey } = useArrival()
  const [making, setMaking] = useState(false)
  const [made, setMade] = useState<KeyWithSecret | null>(null)
  const { around, opener } = useFormFocus(making)
  const onMade = async (fresh: KeyWithSecret) => {
    setMade(fresh)
    // The list, and the button in it, are there before the form goes.
    await queryClient.invalidateQueries({ queryKey: keysQuery.queryKey })
    setMaking(false)
  }
  return (
    <Page title={words.title} lead={words.lead}>
      {firstKey && <Secret secret={firstKey.secret} note={words.firstKey} onKept={putFirstKeyAway} />}
      {made && <Secret secret={made.secret} onKept={() => setMade(null)} />}
      {making && (
        <section ref={around} className={styles['card']}>
          <h2>{words.create}</h2>
          <NewKeyForm onMade={onMade} onCancel={() => setMaking(false)} />
        </section>
      )}
      <section className={styles['card']}>
        <Fetched query={keys}>
          {(items) => (
            <>
              {items.length > 0 && !making && (
                <div>
                  <Button ref={opener} small look="primary" onClick={() => setMaking(true)}>
                    {words.create}
                  </Button>
                </div>
              )}
              <Keys items={items} onMade={onMade} onNew={() => setMaking(true)} opener={opener} />
            </>
          )}
        </Fetched>
      </section>
    </Page>
  )
}

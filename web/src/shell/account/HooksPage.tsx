import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import {
  changeHook,
  createHook,
  deleteHook,
  getHooks,
  type Hook,
  rollHookSecret,
  rollRunsSecret,
  testHook,
} from '../../api/hooks'
import { day, dayAndTime } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { hookWords } from '../../i18n/hookWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Dialog } from '../../ui/Dialog'
import { Noren } from '../../ui/Noren'
import { Notice } from '../../ui/Notice'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { HookDeliveries } from './HookDeliveries'
import { HookForm } from './HookForm'
import { emptyHook, hookDraftOf, termsOf } from './hookView'
import { Confirm, Fetched, Page } from './parts'
import { useFormFocus } from './useFormFocus'

const hooksQuery = { queryKey: ['hooks', 'list'], queryFn: getHooks }

interface Shown {
  hook: string
  secret: string
  oldUntil: string | null
}

function Secret({ shown, onKept }: { shown: Shown; onKept: () => void }) {
  const words = useWords(hookWords)
  const form = useWords(formWords)
  const locale = useLocale()
  return (
    <section className={styles['card']} aria-label={words.secretTitle}>
      <Notice tone="warn" role="status" icon="key" title={words.secretTitle}>
        <p>
          {words.secretText} {shown.oldUntil && words.oldUntil(dayAndTime(shown.oldUntil, locale))}
        </p>
      </Notice>
      <Copy label={words.secret} value={shown.secret} copy={form.copy} copied={form.copied} />
      <div>
        <Button look="primary" small onClick={onKept}>
          {words.kept}
        </Button>
      </div>
    </section>
  )
}

function State({ hook }: { hook: Hook }) {
  const words = useWords(hookWords)
  return <Badge tone={hook.enabled ? 'accent' : 'warn'}>{hook.enabled ? words.on : words.off}</Badge>
}

function Facts({ hook }: { hook: Hook }) {
  const words = useWords(hookWords)
  const locale = useLocale()
  const why = hook.off_reason
  return (
    <span className={area['facts']}>
      <span>{hook.event_types.join(' · ') || words.all}</span>
      <span>{words.created(day(hook.created_at, locale))}</span>
      {why && why !== 'owner' && <span>{words.offBecause(words[why])}</span>}
      {hook.enabled && hook.failing_since && <span>{words.failingSince(day(hook.failing_since, locale))}</span>}
      {hook.old_secret_until && <span>{words.oldUntil(dayAndTime(hook.old_secret_until, locale))}</span>}
    </span>
  )
}

type Asked = 'edit' | 'roll' | 'remove' | null

function OneHook({ hook, onSecret }: { hook: Hook; onSecret: (shown: Shown) => void }) {
  const words = useWords(hookWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [asked, setAsked] = useState<Asked>(null)
  const again = () => queryClient.invalidateQueries({ queryKey: ['hooks'] })
  const close = () => setAsked(null)
  const done = () => {
    close()
    return again()
  }
  const toggle = useGuarded({ mutationFn: () => changeHook(hook.id, { enabled: !hook.enabled }), onSuccess: again })
  const test = useGuarded({ mutationFn: () => testHook(hook.id), onSuccess: again })
  const roll = useGuarded({
    mutationFn: () => rollHookSecret(hook.id),
    onSuccess: ({ secret, old_secret_until }) => {
      onSecret({ hook: hook.id, secret, oldUntil: old_secret_until })
      return done()
    },
  })
  const remove = useGuarded({
    mutationFn: () => deleteHook(hook.id),
    onSuccess: async () => {
      close()
      await navigate({ to: '/account/hooks', search: {} })
      await queryClient.invalidateQueries({ queryKey: hooksQuery.queryKey })
    },
  })
  return (
    <section className={styles['card']} aria-label={hook.url ?? words.ofRuns}>
      <div className={area['head']}>
        <span className={area['title']}>
          <h2>{hook.url ?? words.ofRuns}</h2>
          <State hook={hook} />
        </span>
        <Facts hook={hook} />
        {hook.url === null && <p className={styles['soft']}>{words.ofRunsText}</p>}
      </div>
      <Summary error={toggle.error ?? test.error} />
      {test.isSuccess && <Notice tone="info" role="status" icon="check" title={words.tested} />}
      <div className={styles['row']}>
        {hook.url !== null && (
          <>
            <Button small look="primary" disabled={test.isPending || !hook.enabled} onClick={() => test.mutate()}>
              {words.test}
            </Button>
            <Button small onClick={() => setAsked('edit')}>
              {words.edit}
            </Button>
          </>
        )}
        <Button small onClick={() => setAsked('roll')}>
          {words.roll}
        </Button>
        <Button small disabled={toggle.isPending} onClick={() => toggle.mutate()}>
          {hook.enabled ? words.switchOff : words.switchOn}
        </Button>
        <Button small look="plain" onClick={() => setAsked('remove')}>
          {words.remove}
        </Button>
      </div>
      <HookDeliveries hook={hook.id} />
      {asked === 'edit' && (
        <Dialog title={words.editTitle} closeLabel={form.close} onClose={close}>
          <HookForm
            before={hookDraftOf(hook)}
            submit={form.save}
            act={(draft) => changeHook(hook.id, termsOf(draft))}
            onDone={done}
            onCancel={close}
          />
        </Dialog>
      )}
      {asked === 'roll' && (
        <Confirm
          title={words.rollTitle}
          text={words.rollText}
          act={words.roll}
          run={{ ...roll, mutate: () => roll.mutate() }}
          onClose={close}
        />
      )}
      {asked === 'remove' && (
        <Confirm
          title={words.removeTitle}
          text={words.removeText}
          act={words.remove}
          run={{ ...remove, mutate: () => remove.mutate() }}
          onClose={close}
        />
      )}
    </section>
  )
}

// For the addresses that single requests name; once there is one, its secret is rolled like every other.
function OfRuns({ onSecret }: { onSecret: (shown: Shown) => void }) {
  const words = useWords(hookWords)
  const queryClient = useQueryClient()
  const make = useGuarded({
    mutationFn: rollRunsSecret,
    onSuccess: ({ secret }) => {
      onSecret({ hook: 'runs', secret, oldUntil: null })
      return queryClient.invalidateQueries({ queryKey: hooksQuery.queryKey })
    },
  })
  return (
    <section className={styles['card']} aria-label={words.ofRuns}>
      <h2>{words.ofRuns}</h2>
      <p className={styles['soft']}>{words.ofRunsText}</p>
      <Summary error={make.error} />
      <div>
        <Button small disabled={make.isPending} onClick={() => make.mutate()}>
          {words.makeSecret}
        </Button>
      </div>
    </section>
  )
}

export default function HooksPage() {
  const words = useWords(hookWords)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const { hook: chosen } = useSearch({ from: '/house/account/hooks' })
  const hooks = useQuery(hooksQuery)
  const [adding, setAdding] = useState(false)
  const [shown, setShown] = useState<Shown | null>(null)
  const { around, opener } = useFormFocus(adding)
  return (
    <Page title={words.title} lead={words.lead}>
      {shown && <Secret shown={shown} onKept={() => setShown(null)} />}
      {adding && (
        <section ref={around} className={styles['card']}>
          <h2>{words.add}</h2>
          <HookForm
            before={emptyHook}
            submit={words.add}
            act={(draft) => createHook(termsOf(draft))}
            onDone={async (made) => {
              setShown({ hook: made.hook.id, secret: made.secret, oldUntil: null })
              // The list, and the button in it, are there before the form goes.
              await queryClient.invalidateQueries({ queryKey: hooksQuery.queryKey })
              setAdding(false)
              void navigate({ to: '/account/hooks', search: { hook: made.hook.id } })
            }}
            onCancel={() => setAdding(false)}
          />
        </section>
      )}
      <Fetched query={hooks}>
        {(items) => {
          const open = items.find(({ id }) => id === chosen)
          return (
            <>
              {items.length === 0 && !adding && (
                <section className={styles['card']}>
                  <div className={area['empty']}>
                    <Noren characters="便り" cloth="genai" />
                    <h2>{words.empty}</h2>
                    <p>{words.emptyText}</p>
                    <Button ref={opener} look="primary" onClick={() => setAdding(true)}>
                      {words.add}
                    </Button>
                  </div>
                </section>
              )}
              {items.length > 0 && (
                <section className={styles['card']} aria-label={words.title}>
                  {!adding && (
                    <div>
                      <Button ref={opener} small look={open ? 'quiet' : 'primary'} onClick={() => setAdding(true)}>
                        {words.add}
                      </Button>
                    </div>
                  )}
                  <ul className={area['things']}>
                    {items.map((hook) => (
                      <li key={hook.id}>
                        <div className={area['thing']}>
                          <span className={area['title']}>
                            <Link
                              to="/account/hooks"
                              search={{ hook: hook.id }}
                              aria-label={words.open(hook.url ?? words.ofRuns)}
                              aria-current={hook.id === chosen || undefined}
                            >
                              <b>{hook.url ?? words.ofRuns}</b>
                            </Link>
                            <State hook={hook} />
                          </span>
                          <Facts hook={hook} />
                        </div>
                      </li>
                    ))}
                  </ul>
                </section>
              )}
              {items.every(({ url }) => url !== null) && <OfRuns onSecret={setShown} />}
              {open && <OneHook key={open.id} hook={open} onSecret={setShown} />}
              {chosen && !open && !hooks.isFetching && <Notice tone="info" role="status" title={words.missing} />}
            </>
          )
        }}
      </Fetched>
    </Page>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { changeProviderKey, getProviderKeys, type ProviderKey, removeProviderKey } from '../../api/admin'
import { adminWords } from '../../i18n/adminWords'
import { count, day, dayAndTime } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { providerDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Confirm, Fetched, Page } from '../account/parts'
import { Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { AddKey, ChangeWeight, RotateKey } from './ProviderForms'
import { Table } from './parts'

const keysQuery = { queryKey: ['admin', 'providers'], queryFn: getProviderKeys }

const nameOf = ({ provider, suffix }: ProviderKey) => (suffix === '' ? provider : `${provider} …${suffix}`)

function State({ held }: { held: ProviderKey }) {
  const words = useWords(providerDeskWords)
  const locale = useLocale()
  const { enabled, refused_at, refused_status } = held
  return (
    <span className={styles['two']}>
      <Badge tone={enabled ? 'accent' : 'plain'}>{enabled ? words.on : words.off}</Badge>
      {refused_at && <small>{words.refused(dayAndTime(refused_at, locale), String(refused_status ?? '–'))}</small>}
    </span>
  )
}

type Asked = { what: 'weight' | 'rotate' | 'remove'; held: ProviderKey } | null

function List({ keys }: { keys: readonly ProviderKey[] }) {
  const words = useWords(providerDeskWords)
  const form = useWords(formWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const [asked, setAsked] = useState<Asked>(null)
  const again = () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey })
  const close = () => setAsked(null)
  const done = () => {
    close()
    return again()
  }
  const toggle = useGuarded({
    mutationFn: (held: ProviderKey) => changeProviderKey(held.id, { enabled: !held.enabled }),
    onSuccess: again,
  })
  const remove = useGuarded({ mutationFn: removeProviderKey, onSuccess: done })
  const columns: Column<ProviderKey>[] = [
    {
      id: 'provider',
      head: words.provider,
      cell: ({ provider, kind }) => (
        <span className={styles['two']}>
          <b>{provider}</b>
          {kind !== provider && <small>{kind}</small>}
        </span>
      ),
    },
    {
      id: 'secret',
      head: words.secret,
      cell: ({ suffix }) => <code className={styles['whole']}>{suffix === '' ? words.hidden : `…${suffix}`}</code>,
    },
    { id: 'weight', head: words.weight, figure: true, cell: ({ weight }) => count(weight, locale) },
    { id: 'state', head: words.state, cell: (held) => <State held={held} /> },
    {
      id: 'place',
      head: words.place,
      long: true,
      cell: ({ base_url, region }) => (
        <span className={styles['two']}>
          {base_url}
          {region !== '' && <small>{region}</small>}
        </span>
      ),
    },
    {
      id: 'changed',
      head: words.changed,
      cell: ({ changed_at }) => <time dateTime={changed_at}>{day(changed_at, locale)}</time>,
    },
  ]
  return (
    <>
      <Summary error={toggle.error} />
      <Table
        label={words.list}
        columns={columns}
        rows={keys}
        keyOf={({ id }) => id}
        acts={(held) => (
          <>
            <Button small aria-label={words.changeOf(nameOf(held))} onClick={() => setAsked({ what: 'weight', held })}>
              {words.change}
            </Button>
            <Button small aria-label={words.rotateOf(nameOf(held))} onClick={() => setAsked({ what: 'rotate', held })}>
              {words.rotate}
            </Button>
            <Button
              small
              disabled={toggle.isPending}
              aria-label={held.enabled ? words.switchOffOf(nameOf(held)) : words.switchOnOf(nameOf(held))}
              onClick={() => toggle.mutate(held)}
            >
              {held.enabled ? words.switchOff : words.switchOn}
            </Button>
            <Button
              small
              look="plain"
              aria-label={words.removeOf(nameOf(held))}
              onClick={() => {
                remove.reset()
                setAsked({ what: 'remove', held })
              }}
            >
              {words.remove}
            </Button>
          </>
        )}
      />
      {keys.some(({ refused_at }) => refused_at !== null) && <p className={account['soft']}>{words.rests}</p>}
      {asked?.what === 'weight' && (
        <Dialog title={words.changeOf(nameOf(asked.held))} closeLabel={form.close} onClose={close}>
          <ChangeWeight held={asked.held} onDone={done} onCancel={close} />
        </Dialog>
      )}
      {asked?.what === 'rotate' && (
        <Dialog title={words.rotateOf(nameOf(asked.held))} closeLabel={form.close} onClose={close}>
          <RotateKey held={asked.held} onDone={done} onCancel={close} />
        </Dialog>
      )}
      {asked?.what === 'remove' && (
        <Confirm
          title={words.removeOf(nameOf(asked.held))}
          text={words.removeText}
          act={words.remove}
          run={{ ...remove, mutate: () => remove.mutate(asked.held.id) }}
          onClose={close}
        />
      )}
    </>
  )
}

export function Providers() {
  const words = useWords(providerDeskWords)
  const admin = useWords(adminWords)
  const queryClient = useQueryClient()
  const keys = useQuery(keysQuery)
  const [adding, setAdding] = useState(false)
  const add = (
    <div>
      <Button look="primary" onClick={() => setAdding(true)}>
        {words.add}
      </Button>
    </div>
  )
  return (
    <Page title={admin.providers} lead={words.lead}>
      {adding && (
        <section className={account['card']} aria-label={words.add}>
          <h2>{words.add}</h2>
          <AddKey
            onDone={() => {
              setAdding(false)
              return queryClient.invalidateQueries({ queryKey: keysQuery.queryKey })
            }}
            onCancel={() => setAdding(false)}
          />
        </section>
      )}
      <Fetched query={keys} height="16rem">
        {(items) =>
          items.length === 0 ? (
            !adding && (
              <section className={account['card']}>
                <Empty title={words.empty} text={words.emptyText}>
                  {add}
                </Empty>
              </section>
            )
          ) : (
            <section className={account['card']}>
              <h2>{words.list}</h2>
              {!adding && add}
              <List keys={items} />
            </section>
          )
        }
      </Fetched>
    </Page>
  )
}

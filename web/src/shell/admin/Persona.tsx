import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import {
  getPersonaDesk,
  getPersonaVersions,
  importPersona,
  type PersonaDesk,
  type PersonaVersion,
  putPersona,
  rollBackPersona,
} from '../../api/misaki'
import { Told } from '../../api/problem'
import { dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { personaDeskWords } from '../../i18n/misakiDeskWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button, buttonClass } from '../../ui/Button'
import { cx } from '../../ui/css'
import { Field } from '../../ui/Field'
import { Icon } from '../../ui/Icon'
import type { Column } from '../../ui/Table'
import { TextArea } from '../../ui/TextArea'
import account from '../account/account.module.css'
import { Confirm, Fetched, Page } from '../account/parts'
import { Form, Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { Table } from './parts'
import phrases from './phrases.module.css'

const personaQuery = { queryKey: ['admin', 'persona'], queryFn: getPersonaDesk }
const versionsQuery = { queryKey: ['admin', 'persona', 'versions'], queryFn: getPersonaVersions }

type Card = PersonaDesk['card']

const long = ['description', 'personality', 'scenario', 'system_prompt', 'first_mes', 'mes_example'] as const

function useTaken() {
  const client = useQueryClient()
  return (desk: PersonaDesk) => {
    client.setQueryData(personaQuery.queryKey, desk)
    return client.invalidateQueries({ queryKey: versionsQuery.queryKey })
  }
}

export function readCard(text: string): Card {
  try {
    const card: unknown = JSON.parse(text)
    if (typeof card === 'object' && card !== null && !Array.isArray(card)) return card as Card
  } catch {
    // Told below, like every other thing that is no card.
  }
  throw new Told(personaDeskWords.broken)
}

const shown = (card: Card): string => JSON.stringify(card, null, 2)

// The fields that are changed often stand alone; the whole card stands below, and both are the same text.
function Editor({ desk }: { desk: PersonaDesk }) {
  const words = useWords(personaDeskWords)
  const taken = useTaken()
  const [text, setText] = useState(() => shown(desk.card))
  const publish = useGuarded({ mutationFn: async () => putPersona(readCard(text)), onSuccess: taken })
  let card: Card | null = null
  try {
    card = readCard(text)
  } catch {
    // While somebody types it is no card for a moment.
  }
  const value = (field: string) => {
    const found = card?.data?.[field]
    return typeof found === 'string' ? found : ''
  }
  const put = (field: string, changed: string) =>
    card && setText(shown({ ...card, data: { ...card.data, [field]: changed } }))
  return (
    <section className={account['card']}>
      <h2>{words.card}</h2>
      <Form
        run={{ ...publish, mutate: () => publish.mutate() }}
        submit={words.publish}
        check={() => (card ? {} : { card: words.broken })}
      >
        {(errors) => (
          <>
            <Field
              label={words.name}
              value={value('name')}
              disabled={!card}
              onChange={(event) => put('name', event.target.value)}
            />
            {long.map((field) => (
              <TextArea
                key={field}
                label={words[field]}
                rows={3}
                value={value(field)}
                disabled={!card}
                onChange={(event) => put(field, event.target.value)}
              />
            ))}
            <TextArea
              label={words.whole}
              hint={words.wholeHint}
              rows={14}
              className={cx(phrases['json'])}
              spellCheck={false}
              value={text}
              error={errors['card']}
              onChange={(event) => setText(event.target.value)}
            />
          </>
        )}
      </Form>
      <p role="status">{publish.data && words.done(publish.data.version)}</p>
    </section>
  )
}

function InAndOut() {
  const words = useWords(personaDeskWords)
  const taken = useTaken()
  const [file, setFile] = useState<File | null>(null)
  const bring = useGuarded({
    mutationFn: importPersona,
    onSuccess: (desk) => {
      setFile(null)
      return taken(desk)
    },
  })
  return (
    <section className={account['card']}>
      <h2>{words.import}</h2>
      <p className={account['soft']}>{words.importText}</p>
      <div className={account['row']}>
        <label className={cx(buttonClass({ small: true }), phrases['file'])}>
          {words.pick}
          <input
            type="file"
            accept=".json,.png,application/json,image/png"
            onChange={(event) => {
              bring.reset()
              setFile(event.target.files?.[0] ?? null)
              event.target.value = ''
            }}
          />
        </label>
        {(['v3', 'v2', 'png'] as const).map((format) => (
          <a
            key={format}
            className={buttonClass({ small: true })}
            href={`/admin/misaki/persona/export?format=${format}`}
            download
          >
            <Icon name="down" size={16} />
            {format.toUpperCase()}
          </a>
        ))}
      </div>
      <p role="status">{bring.data && words.done(bring.data.version)}</p>
      {file && (
        <Confirm
          title={words.replace}
          text={words.pickText(file.name)}
          act={words.replace}
          run={{ ...bring, mutate: () => bring.mutate(file) }}
          onClose={() => setFile(null)}
        />
      )}
    </section>
  )
}

function Versions({ items, now }: { items: readonly PersonaVersion[]; now: number }) {
  const words = useWords(personaDeskWords)
  const locale = useLocale()
  const taken = useTaken()
  const back = useGuarded({ mutationFn: rollBackPersona, onSuccess: taken })
  const columns: Column<PersonaVersion>[] = [
    { id: 'version', head: words.versions, cell: ({ version }) => words.versionOf(version) },
    { id: 'name', head: words.name, cell: ({ name }) => name },
    {
      id: 'at',
      head: words.publishedAt,
      cell: ({ published_at }) =>
        published_at && <time dateTime={published_at}>{dayAndTime(published_at, locale)}</time>,
    },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.versions}</h2>
      <Summary error={back.error} />
      <Table
        label={words.versions}
        columns={columns}
        rows={items}
        keyOf={({ version }) => String(version)}
        acts={({ version }) =>
          version !== now && (
            <Button
              small
              aria-label={words.rollBackOf(version)}
              disabled={back.isPending}
              onClick={() => back.mutate(version)}
            >
              {words.rollBack}
            </Button>
          )
        }
      />
    </section>
  )
}

export function Persona() {
  const words = useWords(personaDeskWords)
  const desk = useQuery(personaQuery)
  const versions = useQuery(versionsQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <Fetched query={desk} height="24rem">
        {(now) => (
          <>
            <p className={styles['badges']}>
              <Badge tone="accent">{words.version(now.version)}</Badge>
            </p>
            {/* Another version is another text to edit. */}
            <Editor key={now.version} desk={now} />
            <InAndOut />
            <Fetched query={versions}>{(items) => <Versions items={items} now={now.version} />}</Fetched>
          </>
        )}
      </Fetched>
    </Page>
  )
}

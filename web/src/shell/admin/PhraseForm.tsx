import { useState } from 'react'
import type { Phrase, When } from '../../api/misaki'
import { phraseDeskWords } from '../../i18n/misakiDeskWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import { Icon } from '../../ui/Icon'
import { Select } from '../../ui/Select'
import { TextArea } from '../../ui/TextArea'
import { Form, type Run } from '../form'
import styles from './phrases.module.css'

const whens = ['any', 'morning', 'day', 'evening', 'night'] as const satisfies readonly When[]
const seasons = ['spring', 'summer', 'autumn', 'winter'] as const
const visits = ['first', 'again', 'regular'] as const

const guards = ['minors', 'self_harm', 'house'] as const

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

type Reply = Phrase['replies'][number]

export interface Draft {
  id: string
  match: string
  patterns: string
  unless: string
  replies: Phrase['replies']
  chip: boolean
  safety: boolean
  guards: Phrase['guards']
}

export function draftOf(phrase: Phrase | null): Draft {
  return {
    id: phrase?.id ?? '',
    match: phrase?.match?.join('\n') ?? '',
    patterns: phrase?.patterns?.join('\n') ?? '',
    unless: phrase?.unless?.join('\n') ?? '',
    replies: phrase?.replies ?? [{ when: 'any', text: '' }],
    chip: phrase?.chip ?? false,
    safety: phrase?.safety ?? false,
    guards: phrase?.guards ?? null,
  }
}

function replyOf({ when, season, visits, plan, text }: Reply): Reply {
  const id = plan?.trim()
  return {
    when,
    ...(season ? { season } : {}),
    ...(visits ? { visits } : {}),
    ...(id ? { plan: id } : {}),
    text: text.trim(),
  }
}

// What is empty is left out, as in the published set.
export function phraseOf(draft: Draft): Phrase {
  const match = linesOf(draft.match)
  const patterns = linesOf(draft.patterns)
  const unless = linesOf(draft.unless)
  return {
    id: draft.id.trim(),
    ...(match.length > 0 ? { match } : {}),
    ...(patterns.length > 0 ? { patterns } : {}),
    replies: draft.replies.map(replyOf).filter(({ text }) => text !== ''),
    ...(draft.chip && !draft.guards ? { chip: true } : {}),
    ...(draft.safety && !draft.guards ? { safety: true } : {}),
    ...(draft.guards ? { guards: draft.guards } : {}),
    ...(unless.length > 0 ? { unless } : {}),
  }
}

interface Props {
  phrase: Phrase | null
  run: Omit<Run, 'mutate'> & { mutate: (phrase: Phrase) => void }
  onClose: () => void
}

export function PhraseForm({ phrase, run, onClose }: Props) {
  const words = useWords(phraseDeskWords)
  const [draft, setDraft] = useState(() => draftOf(phrase))
  const put = (part: Partial<Draft>) => setDraft((now) => ({ ...now, ...part }))
  const reply = (at: number, part: Partial<Draft['replies'][number]>) =>
    put({ replies: draft.replies.map((one, place) => (place === at ? { ...one, ...part } : one)) })
  return (
    <Dialog title={phrase ? words.editOf(phrase.id) : words.add} closeLabel={words.cancel} onClose={onClose}>
      <Form
        run={{ ...run, mutate: () => run.mutate(phraseOf(draft)) }}
        submit={words.save}
        beside={
          <Button look="plain" onClick={onClose}>
            {words.cancel}
          </Button>
        }
      >
        {() => (
          <>
            {phrase === null && (
              <Field
                label={words.id}
                hint={words.idHint}
                value={draft.id}
                maxLength={64}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => put({ id: event.target.value })}
              />
            )}
            <TextArea
              label={words.matches}
              hint={words.matchHint}
              rows={3}
              value={draft.match}
              onChange={(event) => put({ match: event.target.value })}
            />
            <TextArea
              label={words.patterns}
              hint={words.patternHint}
              rows={2}
              value={draft.patterns}
              onChange={(event) => put({ patterns: event.target.value })}
            />
            <fieldset className={styles['replies']}>
              <legend>{words.replies}</legend>
              {draft.replies.map((one, at) => (
                // Replies have no name of their own; their place is what tells them apart.
                // biome-ignore lint/suspicious/noArrayIndexKey: see above
                <div key={at} className={styles['reply']}>
                  <Select
                    label={words.when(at + 1)}
                    options={whens.map((value) => ({ value, text: words[value] }))}
                    value={one.when}
                    onChange={(event) =>
                      reply(at, { when: whens.find((when) => when === event.target.value) ?? 'any' })
                    }
                  />
                  <details className={styles['only']}>
                    <summary>{words.only(at + 1)}</summary>
                    <Select
                      label={words.season}
                      options={[
                        { value: '', text: words.always },
                        ...seasons.map((value) => ({ value, text: words[value] })),
                      ]}
                      value={one.season ?? ''}
                      onChange={(event) =>
                        reply(at, { season: seasons.find((name) => name === event.target.value) ?? null })
                      }
                    />
                    <Select
                      label={words.visits}
                      options={[
                        { value: '', text: words.everybody },
                        ...visits.map((value) => ({ value, text: words[value] })),
                      ]}
                      value={one.visits ?? ''}
                      onChange={(event) =>
                        reply(at, { visits: visits.find((name) => name === event.target.value) ?? null })
                      }
                    />
                    <Field
                      label={words.plan}
                      hint={words.planHint}
                      value={one.plan ?? ''}
                      onChange={(event) => reply(at, { plan: event.target.value })}
                    />
                  </details>
                  <TextArea
                    label={words.reply(at + 1)}
                    rows={2}
                    value={one.text}
                    onChange={(event) => reply(at, { text: event.target.value })}
                  />
                  {draft.replies.length > 1 && (
                    <Button
                      look="plain"
                      small
                      icon
                      aria-label={words.removeReply(at + 1)}
                      title={words.removeReply(at + 1)}
                      onClick={() => put({ replies: draft.replies.filter((_, place) => place !== at) })}
                    >
                      <Icon name="trash" size={18} />
                    </Button>
                  )}
                </div>
              ))}
              <Button small onClick={() => put({ replies: [...draft.replies, { when: 'any', text: '' }] })}>
                <Icon name="plus" size={16} />
                {words.addReply}
              </Button>
            </fieldset>
            <Select
              label={words.guards}
              hint={words.guardsHint}
              options={[
                { value: '', text: words.guardsNone },
                ...guards.map((value) => ({ value, text: words[value] })),
              ]}
              value={draft.guards ?? ''}
              onChange={(event) => put({ guards: guards.find((name) => name === event.target.value) ?? null })}
            />
            <Check checked={draft.chip} onChange={(event) => put({ chip: event.target.checked })}>
              {words.chip}
            </Check>
            <Check checked={draft.safety} onChange={(event) => put({ safety: event.target.checked })}>
              {words.safety}
            </Check>
            {(draft.safety || draft.guards) && (
              <TextArea
                label={words.unless}
                hint={words.matchHint}
                rows={2}
                value={draft.unless}
                onChange={(event) => put({ unless: event.target.value })}
              />
            )}
          </>
        )}
      </Form>
    </Dialog>
  )
}

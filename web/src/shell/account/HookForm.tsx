import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { getEventTypes } from '../../api/hooks'
import { formWords } from '../../i18n/formWords'
import { hookWords } from '../../i18n/hookWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Field } from '../../ui/Field'
import { Form, type Mistakes } from '../form'
import { useGuarded } from '../stepUp'
import area from './area.module.css'
import { type HookDraft, isWebAddress } from './hookView'
import { Fetched } from './parts'

export const eventTypesQuery = { queryKey: ['hooks', 'event-types'], queryFn: getEventTypes, staleTime: 300_000 }

interface Props<T> {
  before: HookDraft
  submit: string
  act: (draft: HookDraft) => Promise<T>
  onDone: (answer: T) => void
  onCancel: () => void
}

export function HookForm<T>({ before, submit, act, onDone, onCancel }: Props<T>) {
  const words = useWords(hookWords)
  const said = useWords(formWords)
  const locale = useLocale()
  const types = useQuery(eventTypesQuery)
  const [draft, setDraft] = useState(before)
  const run = useGuarded({ mutationFn: () => act(draft), onSuccess: onDone })
  const change = (part: Partial<HookDraft>) => setDraft((now) => ({ ...now, ...part }))
  const check = (): Mistakes => ({
    ...(isWebAddress(draft.url) ? {} : { url: words.badUrl }),
    ...(draft.all || draft.events.length > 0 ? {} : { events: words.needEvent }),
  })
  return (
    <Form
      run={run}
      check={check}
      submit={submit}
      beside={
        <Button look="plain" onClick={onCancel}>
          {said.cancel}
        </Button>
      }
    >
      {(errors) => (
        <>
          <Field
            label={words.url}
            hint={words.urlHint}
            name="url"
            type="url"
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
            required
            value={draft.url}
            onChange={(event) => change({ url: event.target.value })}
            error={errors['url']}
          />
          <fieldset className={area['choices']}>
            <legend>{words.events}</legend>
            <label className={area['choice']}>
              <input type="radio" name="which" checked={draft.all} onChange={() => change({ all: true })} />
              {words.all}
              <small>{words.allText}</small>
            </label>
            <label className={area['choice']}>
              <input type="radio" name="which" checked={!draft.all} onChange={() => change({ all: false })} />
              {words.some}
            </label>
            {!draft.all && (
              <Fetched query={types} height="6rem">
                {(items) =>
                  items.map(({ name, text }) => (
                    <Check
                      key={name}
                      checked={draft.events.includes(name)}
                      onChange={(event) =>
                        change({
                          events: event.target.checked
                            ? [...draft.events, name]
                            : draft.events.filter((other) => other !== name),
                        })
                      }
                    >
                      {text[locale]} <code>{name}</code>
                    </Check>
                  ))
                }
              </Fetched>
            )}
          </fieldset>
        </>
      )}
    </Form>
  )
}

import { formWords } from '../../i18n/formWords'
import { keyWords } from '../../i18n/keyWords'
import { useWords } from '../../i18n/text'
import { Check } from '../../ui/Check'
import { Field } from '../../ui/Field'
import { lengthOf } from '../codes'
import type { Mistakes } from '../form'
import form from '../form.module.css'
import area from './area.module.css'
import { capOf, costOf, endOfDay, type KeyDraft, scopes } from './newKey'

// What can be said about a draft before the house is asked. A day that stays as it was may have passed.
export function useKeyCheck(): (draft: KeyDraft, before: KeyDraft) => Mistakes {
  const words = useWords(keyWords)
  const said = useWords(formWords)
  return (draft, before) => {
    const ends = draft.expires === before.expires ? null : endOfDay(draft.expires)
    return {
      ...(draft.name.trim() === '' ? { name: said.needName } : {}),
      ...(lengthOf(draft.name) > 50 ? { name: said.longName } : {}),
      ...(draft.scopes.length === 0 ? { scopes: words.needScope } : {}),
      ...(Number.isNaN(capOf(draft.cap)) ? { daily_cap: words.badCap } : {}),
      ...(Number.isNaN(costOf(draft.cost)) ? { daily_cost_nano_usd: words.badCost } : {}),
      ...(ends !== null && Date.parse(ends) < Date.now() ? { expires_at: words.pastDate } : {}),
    }
  }
}

interface Props {
  draft: KeyDraft
  errors: Mistakes
  onChange: (part: Partial<KeyDraft>) => void
  open?: boolean
}

// The name of a key and its limits, the same for a new key and for one that is there.
export function KeyFields({ draft, errors, onChange: change, open = false }: Props) {
  const words = useWords(keyWords)
  return (
    <>
      <Field
        label={words.name}
        hint={words.nameHint}
        name="key_name"
        autoComplete="off"
        required
        value={draft.name}
        onChange={(event) => change({ name: event.target.value })}
        error={errors['name']}
      />
      <details className={area['details']} open={open}>
        <summary>{words.more}</summary>
        <div className={form['form']}>
          <fieldset className={area['choices']}>
            <legend>{words.scopes}</legend>
            {scopes.map((scope) => (
              <Check
                key={scope}
                checked={draft.scopes.includes(scope)}
                onChange={(event) =>
                  change({
                    scopes: event.target.checked
                      ? [...draft.scopes, scope]
                      : draft.scopes.filter((other) => other !== scope),
                  })
                }
              >
                {words[scope]}
              </Check>
            ))}
          </fieldset>
          <Field
            label={words.models}
            hint={words.modelsHint}
            name="models"
            autoComplete="off"
            spellCheck={false}
            value={draft.models}
            onChange={(event) => change({ models: event.target.value })}
            error={errors['models']}
          />
          <Field
            label={words.ips}
            hint={words.ipsHint}
            name="ip_ranges"
            autoComplete="off"
            spellCheck={false}
            value={draft.ips}
            onChange={(event) => change({ ips: event.target.value })}
            error={errors['ip_ranges']}
          />
          <Field
            label={words.cap}
            hint={words.capHint}
            name="daily_cap"
            inputMode="numeric"
            autoComplete="off"
            value={draft.cap}
            onChange={(event) => change({ cap: event.target.value })}
            error={errors['daily_cap']}
          />
          <Field
            label={words.cost}
            hint={words.costHint}
            name="daily_cost_nano_usd"
            inputMode="decimal"
            autoComplete="off"
            value={draft.cost}
            onChange={(event) => change({ cost: event.target.value })}
            error={errors['daily_cost_nano_usd']}
          />
          <Field
            label={words.expires}
            hint={words.expiresHint}
            type="date"
            name="expires_at"
            value={draft.expires}
            onChange={(event) => change({ expires: event.target.value })}
            error={errors['expires_at']}
          />
        </div>
      </details>
    </>
  )
}

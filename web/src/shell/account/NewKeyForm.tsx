import { useState } from 'react'
import { createKey } from '../../api/identity'
import type { KeyWithSecret } from '../../api/types'
import { formWords } from '../../i18n/formWords'
import { keyWords } from '../../i18n/keyWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Form } from '../form'
import { useGuarded } from '../stepUp'
import { KeyFields, useKeyCheck } from './KeyFields'
import { emptyDraft, toNewKey } from './newKey'

export function NewKeyForm({ onMade, onCancel }: { onMade: (made: KeyWithSecret) => void; onCancel: () => void }) {
  const words = useWords(keyWords)
  const said = useWords(formWords)
  const [draft, setDraft] = useState(emptyDraft)
  const check = useKeyCheck()
  const create = useGuarded({ mutationFn: () => createKey(toNewKey(draft)), onSuccess: onMade })
  return (
    <Form
      run={create}
      check={() => check(draft, emptyDraft)}
      submit={words.create}
      beside={
        <Button look="plain" onClick={onCancel}>
          {said.cancel}
        </Button>
      }
    >
      {(errors) => (
        <KeyFields draft={draft} errors={errors} onChange={(part) => setDraft((now) => ({ ...now, ...part }))} />
      )}
    </Form>
  )
}

import { useState } from 'react'
import { changeKey } from '../../api/identity'
import type { ApiKey } from '../../api/types'
import { formWords } from '../../i18n/formWords'
import { keyWords } from '../../i18n/keyWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Form } from '../form'
import { useGuarded } from '../stepUp'
import { KeyFields, useKeyCheck } from './KeyFields'
import { draftOf, toChange } from './newKey'

export function EditKey({ item, onDone, onClose }: { item: ApiKey; onDone: () => void; onClose: () => void }) {
  const words = useWords(keyWords)
  const said = useWords(formWords)
  const [before] = useState(() => draftOf(item))
  const [draft, setDraft] = useState(before)
  const check = useKeyCheck()
  const change = useGuarded({ mutationFn: () => changeKey(item.id, toChange(draft, before)), onSuccess: onDone })
  return (
    <Dialog title={words.editOf(item.name)} closeLabel={said.close} onClose={onClose}>
      <p>{words.editText}</p>
      <Form
        run={change}
        check={() => check(draft, before)}
        submit={said.save}
        beside={
          <Button look="plain" onClick={onClose}>
            {said.cancel}
          </Button>
        }
      >
        {(errors) => (
          <KeyFields draft={draft} errors={errors} open onChange={(part) => setDraft((now) => ({ ...now, ...part }))} />
        )}
      </Form>
    </Dialog>
  )
}

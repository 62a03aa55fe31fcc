import { useState } from 'react'
import { changeCanary, type DeskModel, type ModelDesk } from '../../api/admin'
import { count, dayAndTime } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { modelDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Field } from '../../ui/Field'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Confirm } from '../account/parts'
import { Form } from '../form'
import { useGuarded } from '../stepUp'
import styles from './admin.module.css'
import { useModelDesk } from './modelDesk'
import { Table } from './parts'

// Digits of a Japanese keyboard count as well.
function shareOf(text: string): number | null {
  const plain = text.trim().normalize('NFKC')
  const percent = Number(plain)
  return /^\d{1,3}$/.test(plain) && percent <= 100 ? percent : null
}

function ShareForm({ model, version, onClose }: { model: DeskModel; version: number; onClose: () => void }) {
  const words = useWords(modelDeskWords)
  const form = useWords(formWords)
  const { guard, refresh } = useModelDesk()
  const [text, setText] = useState(String(model.canary?.percent ?? 0))
  const change = useGuarded({
    mutationFn: () => guard(changeCanary({ model: model.name, percent: shareOf(text) ?? 0, seen: version })),
    onSuccess: () => {
      onClose()
      return refresh()
    },
  })
  return (
    <Dialog title={words.changeShareOf(model.name)} closeLabel={form.close} onClose={onClose}>
      <Form
        run={{ ...change, mutate: () => change.mutate() }}
        submit={words.changeShare}
        check={() => (shareOf(text) === null ? { percent: words.badShare } : {})}
      >
        {(errors) => (
          <Field
            label={words.newShare}
            value={text}
            inputMode="numeric"
            error={errors['percent']}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Form>
    </Dialog>
  )
}

const share = ({ model, percent }: { model: string; percent: number }) => `${model} ${percent} %`

function Found({ found }: Pick<DeskModel, 'found'>) {
  const words = useWords(modelDeskWords)
  const locale = useLocale()
  if (!found) return words.nothingFound
  const agreement = found.agreement_percent === null ? '–' : `${found.agreement_percent} %`
  return words.foundText(
    count(found.answered, locale),
    count(found.failed, locale),
    agreement,
    count(found.tokens, locale),
  )
}

// What the canary has to pass before its share may grow, and how that went last.
function Gate({ model, gate }: NonNullable<DeskModel['canary']>) {
  const words = useWords(modelDeskWords)
  const locale = useLocale()
  if (!gate) return null
  const { evaluation, found } = gate
  if (found?.passed) {
    return (
      <span className={styles['badges']}>
        <Badge tone="accent">
          {words.gatePassed(evaluation, count(found.kept, locale), count(found.asked, locale))}
        </Badge>
        <small>
          <time dateTime={found.at}>{dayAndTime(found.at, locale)}</time>
        </small>
      </span>
    )
  }
  return (
    <>
      <Badge tone="warn">
        {found
          ? words.gateFailed(evaluation, count(found.kept, locale), count(found.asked, locale))
          : words.gateOpen(evaluation)}
      </Badge>
      <small>{words.gateCommand(model)}</small>
    </>
  )
}

export function ModelShares({ desk }: { desk: ModelDesk }) {
  const words = useWords(modelDeskWords)
  const { guard, refresh } = useModelDesk()
  const [changing, setChanging] = useState<DeskModel | null>(null)
  const [taking, setTaking] = useState<DeskModel | null>(null)
  const back = useGuarded({
    mutationFn: (model: string) => guard(changeCanary({ model, percent: 0, seen: desk.version })),
    onSuccess: () => {
      setTaking(null)
      return refresh()
    },
  })
  const rows = desk.models.filter(({ canary, shadow }) => canary || shadow)
  if (rows.length === 0) return null
  const columns: Column<DeskModel>[] = [
    { id: 'model', head: words.model, cell: ({ name }) => <b>{name}</b> },
    {
      id: 'canary',
      head: words.canary,
      long: true,
      cell: ({ canary }) =>
        canary && (
          <span className={styles['two']}>
            {share(canary)}
            <Gate {...canary} />
          </span>
        ),
    },
    {
      id: 'shadow',
      head: words.shadow,
      long: true,
      cell: ({ shadow, found }) =>
        shadow && (
          <span className={styles['two']}>
            {share(shadow)}
            <small>
              <Found found={found} />
            </small>
          </span>
        ),
    },
  ]
  return (
    <section className={account['card']}>
      <h2>{words.shares}</h2>
      <p className={account['soft']}>{words.sharesText}</p>
      <Table
        label={words.shares}
        columns={columns}
        rows={rows}
        keyOf={({ name }) => name}
        acts={(model) =>
          model.canary && (
            <>
              <Button small aria-label={words.changeShareOf(model.name)} onClick={() => setChanging(model)}>
                {words.changeShare}
              </Button>
              {model.canary.percent > 0 && (
                <Button
                  small
                  look="danger"
                  aria-label={words.takeBackOf(model.name)}
                  onClick={() => {
                    back.reset()
                    setTaking(model)
                  }}
                >
                  {words.takeBack}
                </Button>
              )}
            </>
          )
        }
      />
      {changing && (
        <ShareForm key={changing.name} model={changing} version={desk.version} onClose={() => setChanging(null)} />
      )}
      {taking?.canary && (
        <Confirm
          title={words.takeBackOf(taking.name)}
          text={words.takeBackText(taking.name, taking.canary.model)}
          act={words.takeBack}
          run={{ ...back, mutate: () => back.mutate(taking.name) }}
          onClose={() => setTaking(null)}
        />
      )}
    </section>
  )
}

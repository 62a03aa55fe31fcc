import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Model } from '../../api/genai'
import { genaiPlayWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { offersQuery } from '../../shell/billing/queries'
import { buttonClass } from '../../ui/Button'
import { Check } from '../../ui/Check'
import { Choose, Small } from '../../ui/Choose'
import { Notice } from '../../ui/Notice'
import { perMillion } from './format'
import genai from './genai.module.css'
import type { Fault, Settings } from './play'
import styles from './play.module.css'

interface ModelChoiceProps {
  label: string
  models: readonly Model[]
  value: string
  onChange: (model: string) => void
}

function ModelChoice({ label, models, value, onChange }: ModelChoiceProps) {
  const words = useWords(genaiPlayWords)
  const locale = useLocale()
  const offers = useQuery({ ...offersQuery('genai'), retry: false }).data
  const planTitle = (id: string) => offers?.find((offer) => offer.id === id)?.title[locale] ?? id
  const chosen = models.find(({ name }) => name === value)
  const options = models.map(({ name, price, in_plan, cheapest_plan }) => ({
    value: name,
    text: in_plan
      ? `${name} · ${perMillion(price.input_nano_usd)} / ${perMillion(price.output_nano_usd)}`
      : cheapest_plan === null
        ? words.lockedNoPlan(name)
        : words.locked(name, planTitle(cheapest_plan)),
  }))
  return (
    <div className={styles['fields']}>
      <Choose label={label} value={value} options={options} onChange={(model) => onChange(model ?? '')} />
      {chosen && !chosen.in_plan && chosen.cheapest_plan !== null && (
        <Notice
          tone="info"
          icon="key"
          title={words.openedBy(planTitle(chosen.cheapest_plan))}
          actions={
            <Link
              to="/plans/$storefront"
              params={{ storefront: 'genai' }}
              search={{ plan: chosen.cheapest_plan }}
              className={buttonClass({ small: true })}
            >
              {words.seePlan}
            </Link>
          }
        />
      )}
    </div>
  )
}

interface FigureProps {
  label: string
  value: string
  range: [string, string]
  wrong: boolean
  onChange: (value: string) => void
}

function Figure({ label, value, range, wrong, onChange }: FigureProps) {
  const words = useWords(genaiPlayWords)
  return (
    <Small label={label}>
      {(id) => (
        <>
          <input
            id={id}
            inputMode="decimal"
            autoComplete="off"
            value={value}
            aria-invalid={wrong || undefined}
            aria-describedby={`${id}-hint`}
            onChange={(event) => onChange(event.target.value)}
          />
          <small id={`${id}-hint`}>{words.range(...range)}</small>
        </>
      )}
    </Small>
  )
}

interface AreaProps {
  label: string
  hint: string
  value: string
  rows: number
  onChange: (value: string) => void
}

function Area({ label, hint, value, rows, onChange }: AreaProps) {
  return (
    <Small label={label}>
      {(id) => (
        <>
          <textarea
            id={id}
            rows={rows}
            value={value}
            aria-describedby={`${id}-hint`}
            onChange={(event) => onChange(event.target.value)}
          />
          <small id={`${id}-hint`}>{hint}</small>
        </>
      )}
    </Small>
  )
}

interface SettingsProps {
  models: readonly Model[]
  settings: Settings
  faults: readonly Fault[]
  onChange: (part: Partial<Settings>) => void
}

export function SettingsForm({ models, settings, faults, onChange }: SettingsProps) {
  const words = useWords(genaiPlayWords)
  const [first = '', second] = settings.models
  const compared = second !== undefined
  const figure = (name: Fault, label: string, range: [string, string]) => (
    <Figure
      label={label}
      value={settings[name]}
      range={range}
      wrong={faults.includes(name)}
      onChange={(value) => onChange({ [name]: value })}
    />
  )
  return (
    <div className={styles['fields']}>
      <ModelChoice
        label={words.model}
        models={models}
        value={first}
        onChange={(model) => onChange({ models: compared ? [model, second] : [model] })}
      />
      <Check
        checked={compared}
        onChange={(event) => {
          const other = models.find(({ name, in_plan }) => in_plan && name !== first)?.name ?? first
          onChange({ models: event.target.checked ? [first, other] : [first] })
        }}
      >
        {words.compare}
      </Check>
      {compared && (
        <ModelChoice
          label={words.modelB}
          models={models}
          value={second}
          onChange={(model) => onChange({ models: [first, model] })}
        />
      )}
      <p className={genai['soft']}>{words.per}</p>
      <Area
        label={words.system}
        hint={words.systemHint}
        rows={3}
        value={settings.system}
        onChange={(system) => onChange({ system })}
      />
      {figure('maxTokens', words.maxTokens, ['1', '8192'])}
      <div className={styles['pair']}>
        {figure('temperature', words.temperature, ['0', '2'])}
        {figure('topP', words.topP, ['0', '1'])}
      </div>
      <Area
        label={words.stop}
        hint={words.stopHint}
        rows={2}
        value={settings.stop}
        onChange={(stop) => onChange({ stop })}
      />
    </div>
  )
}

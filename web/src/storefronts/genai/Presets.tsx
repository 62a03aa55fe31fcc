import { useState } from 'react'
import type { Model } from '../../api/genai'
import { genaiPlayWords } from '../../i18n/genaiWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Choose, Small } from '../../ui/Choose'
import { Icon } from '../../ui/Icon'
import genai from './genai.module.css'
import type { Settings } from './play'
import styles from './play.module.css'
import { loadPresets, savePresets, withPreset } from './presets'

interface Props {
  settings: Settings
  known: readonly Model[]
  onLoad: (settings: Settings) => void
}

export function Presets({ settings, known, onLoad }: Props) {
  const words = useWords(genaiPlayWords)
  const [presets, setPresets] = useState(loadPresets)
  const [chosen, setChosen] = useState<string | undefined>(undefined)
  const [name, setName] = useState('')
  const [saved, setSaved] = useState(false)
  const change = (next: typeof presets) => {
    setPresets(next)
    savePresets(next)
  }
  function load(wanted: string | undefined) {
    setChosen(wanted)
    const found = presets.find((preset) => preset.name === wanted)
    if (!found) return
    // A model that is gone since is not asked.
    const models = found.settings.models.filter((model) => known.some((one) => one.name === model))
    onLoad({ ...found.settings, models: models.length > 0 ? models : settings.models })
  }
  return (
    <div className={styles['fields']}>
      {presets.length > 0 && (
        <div className={genai['find']}>
          <Choose
            label={words.presets}
            any={words.none}
            value={chosen}
            options={presets.map((preset) => ({ value: preset.name, text: preset.name }))}
            onChange={load}
          />
          {chosen !== undefined && (
            <Button
              small
              icon
              look="plain"
              aria-label={words.deletePreset(chosen)}
              onClick={() => {
                change(presets.filter((preset) => preset.name !== chosen))
                setChosen(undefined)
              }}
            >
              <Icon name="trash" size={16} />
            </Button>
          )}
        </div>
      )}
      <form
        className={genai['find']}
        onSubmit={(event) => {
          event.preventDefault()
          const title = name.trim()
          if (title === '') return
          change(withPreset(presets, { name: title, settings }))
          setChosen(title)
          setName('')
          setSaved(true)
        }}
      >
        <Small label={words.presetName}>
          {(id) => <input id={id} maxLength={60} value={name} onChange={(event) => setName(event.target.value)} />}
        </Small>
        <Button small type="submit" disabled={name.trim() === ''}>
          {words.savePreset}
        </Button>
      </form>
      <span className={genai['soft']} role="status">
        {saved ? words.saved : ''}
      </span>
    </div>
  )
}

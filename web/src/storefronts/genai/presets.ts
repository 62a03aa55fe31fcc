import { keep, kept } from '../../i18n/store'
import { emptySettings, type Settings } from './play'

// Presets stay on this device: what someone tries out is nobody else's business.
export interface Preset {
  name: string
  settings: Settings
}

const KEY = 'noren.genai.presets'
export const MOST = 20

function text(value: unknown, longest: number): string {
  return typeof value === 'string' ? value.slice(0, longest) : ''
}

// Web storage may hold anything.
export function readSettings(value: unknown): Settings | null {
  if (typeof value !== 'object' || value === null) return null
  const has = value as Record<string, unknown>
  const models = Array.isArray(has['models']) ? has['models'].map((model) => text(model, 200)).slice(0, 2) : []
  return {
    ...emptySettings,
    models: models.filter((model) => model !== ''),
    system: text(has['system'], 20_000),
    maxTokens: text(has['maxTokens'], 10),
    temperature: text(has['temperature'], 10),
    topP: text(has['topP'], 10),
    stop: text(has['stop'], 400),
  }
}

// What is not a preset is left out.
export function readPresets(raw: string | null): Preset[] {
  let found: unknown
  try {
    found = JSON.parse(raw ?? '[]')
  } catch {
    return []
  }
  if (!Array.isArray(found)) return []
  return found.slice(0, MOST).flatMap((one: unknown) => {
    if (typeof one !== 'object' || one === null || !('name' in one) || !('settings' in one)) return []
    const name = text(one.name, 60)
    const settings = readSettings(one.settings)
    return settings === null || name === '' ? [] : [{ name, settings }]
  })
}

export function loadPresets(): Preset[] {
  return readPresets(kept(KEY, (value): value is string => typeof value === 'string'))
}

// The newest first; one of the same name is replaced.
export function withPreset(presets: readonly Preset[], preset: Preset): Preset[] {
  return [preset, ...presets.filter(({ name }) => name !== preset.name)].slice(0, MOST)
}

export function savePresets(presets: readonly Preset[]): void {
  keep(KEY, JSON.stringify(presets))
}

import type { Locale } from '../../api/types'
import { deviceWords } from '../../i18n/securityWords'
import { wordsOf } from '../../i18n/text'

// The order matters: most browsers also carry the names of those that they want to be taken for.
const browsers = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
] as const
const systems = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Mac OS X|Macintosh/, 'Mac'],
  [/Linux/, 'Linux'],
] as const

// What a person calls the device that a user agent stands for; null when it says nothing that one would recognise.
export function deviceName(agent: string, locale: Locale): string | null {
  const browser = browsers.find(([mark]) => mark.test(agent))?.[1]
  const system = systems.find(([mark]) => mark.test(agent))?.[1]
  if (browser && system) return wordsOf(deviceWords, locale).browserOn(browser, system)
  return browser ?? system ?? null
}

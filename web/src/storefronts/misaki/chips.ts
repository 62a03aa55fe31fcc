import type { Locale } from '../../api/types'
import type { PhraseSet } from './phrases'

const MOST = 6
const JAPANESE = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u

// Ways to begin, from the phrases that are offered as buttons; in the language of the page where there are any.
export function chipsFor(set: PhraseSet | null, locale: Locale): string[] {
  const labels = (set?.phrases ?? [])
    .filter((phrase) => phrase.chip)
    .flatMap((phrase) => phrase.match?.slice(0, 1) ?? [])
  const fitting = labels.filter((label) => JAPANESE.test(label) === (locale === 'ja'))
  return (fitting.length > 0 ? fitting : labels)
    .slice(0, MOST)
    .map((label) => label.charAt(0).toUpperCase() + label.slice(1))
}

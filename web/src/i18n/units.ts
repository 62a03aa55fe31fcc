import type { Locale } from '../api/types'
import { unitWords } from './billingWords'
import { count } from './format'
import { wordsOf } from './text'

type Kind = 'chat' | 'request' | 'ticket' | 'training' | 'embedding' | 'token' | 'point'

// What is counted is named by the second half of its unit, such as `misaki.chat`; the shop is the first half.
function kindOf(unit: string): Kind | null {
  // What the inference API counts is not part of a talk.
  if (unit === 'genai.chat') return 'request'
  const name = unit.slice(unit.indexOf('.') + 1)
  // A site's bot is trained with them; elsewhere they are what the API counts.
  if (/embed/.test(name)) return unit.startsWith('webgpt.') ? 'training' : 'embedding'
  if (/token/.test(name)) return 'token'
  if (/ticket/.test(name)) return 'ticket'
  if (name === 'point') return 'point'
  if (/chat|message/.test(name)) return 'chat'
  if (/request|run|call/.test(name)) return 'request'
  return null
}

// A unit that this page does not know keeps its own name.
export function unitName(unit: string, locale: Locale): string {
  const kind = kindOf(unit)
  return kind === null ? unit : wordsOf(unitWords, locale)[kind]
}

export function amountOf(unit: string, amount: number, locale: Locale): string {
  const words = wordsOf(unitWords, locale)
  const shown = count(amount, locale)
  switch (kindOf(unit)) {
    case 'chat':
    case 'request':
      return words.times(shown)
    case 'ticket':
      return words.sheets(shown)
    case 'training':
    case 'embedding':
    case 'token':
      return words.tokens(shown)
    case 'point':
      return words.points(shown)
    default:
      return shown
  }
}

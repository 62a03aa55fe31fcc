/**
 * 定型文: the phrases that Mama answers by herself, at once and for free.
 *
 * The rules are those of the server (`crates/misaki/src/phrase.rs`), which tells them in words. Both are held together by
 * `crates/misaki/phrases/vectors.json`, so a change here is a change there and in the vectors.
 */

export type When = 'any' | 'morning' | 'day' | 'evening' | 'night'

export type PhraseRule = 'exact' | 'folded' | 'pattern'

export type Season = 'spring' | 'summer' | 'autumn' | 'winter'

export type Visits = 'any' | 'first' | 'again' | 'regular'

export interface PhraseReply {
  when: When
  /** Any when absent, as the two below. */
  season?: Season
  visits?: Visits
  /** The id of a plan. */
  plan?: string
  text: string
}

/** To whom an answer is given, and when. */
export interface Scene {
  /** The hour at the bar (0 to 23). */
  hour: number
  /** The month at the bar (1 to 12). */
  month: number
  visits: Visits
  /** The id of the person's plan. */
  plan: string
  /** What Mama said of late in this talk; she does not repeat herself while there is anything else to say. */
  recent: readonly string[]
  /** Chooses among replies, the same one for the same seed. */
  seed: string
}

export interface Phrase {
  id: string
  match?: string[]
  /** Texts with one `{slot}`. */
  patterns?: string[]
  replies: PhraseReply[]
  /** Offered as a button; the first of `match` is its label. */
  chip?: boolean
  /** Matches anywhere in a text, and before everything else. */
  safety?: boolean
  /** Words in which a safety entry means nothing. */
  unless?: string[]
}

export interface PhraseSet {
  version: number
  phrases: Phrase[]
}

export interface PhraseHit {
  id: string
  rule: PhraseRule
  reply: string
}

const LONGEST_TEXT = 200
const LONGEST_SLOT = 20

const PUNCTUATION = new Set('。、．，.,!?！？…・「」『』"\'()（）\u2018\u2019\u201c\u201d')
const SENTENCE_MARKS = new Set('\n\r。、!?,')

type Range = readonly [first: number, last: number]

const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0xad, 0xad],
  [0x1680, 0x1680],
  [0x2000, 0x200c],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x2060],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]

const WAVES: readonly Range[] = [
  [0x30fc, 0x30fc],
  [0x301c, 0x301c],
  [0x7e, 0x7e],
  [0x3030, 0x3030],
]

const PICTOGRAPHS: readonly Range[] = [
  [0x200d, 0x200d],
  [0x20e3, 0x20e3],
  [0x2190, 0x21ff],
  [0x2300, 0x23ff],
  [0x25a0, 0x27bf],
  [0x2900, 0x297f],
  [0x2b00, 0x2bff],
  [0xfe00, 0xfe0f],
  [0x1f000, 0x1faff],
  [0xe0020, 0xe007f],
]

function within(char: string, ranges: readonly Range[]): boolean {
  const code = char.codePointAt(0) ?? 0
  return ranges.some(([first, last]) => code >= first && code <= last)
}

const isSpace = (char: string) => within(char, SPACES)
const isWave = (char: string) => within(char, WAVES)
const isMark = (char: string) => isSpace(char) || PUNCTUATION.has(char) || within(char, PICTOGRAPHS)

function foldChar(char: string): string {
  if (isWave(char) || isMark(char)) return ''
  let folded = ''
  for (const lower of char.toLowerCase()) {
    const code = lower.codePointAt(0) ?? 0
    folded += code >= 0x30a1 && code <= 0x30f6 ? String.fromCodePoint(code - 0x60) : lower
  }
  return folded
}

/** Folds a text for comparison: width, case, kana, long vowels, white space, punctuation and emoji no longer count. */
export function fold(text: string): string {
  let folded = ''
  for (const char of text.normalize('NFKC')) folded += foldChar(char)
  return folded
}

/** Writes the ASCII words of a text in lower case, one space before and after each. */
function words(text: string): string {
  const found = text
    .normalize('NFKC')
    .replace(/['\u2018\u2019]/g, '')
    .match(/[A-Za-z0-9]+/g)
  return found ? ` ${found.join(' ').toLowerCase()} ` : ' '
}

function stripEnds(chars: readonly string[], atStart: (char: string) => boolean, atEnd: (char: string) => boolean) {
  let start = 0
  let end = chars.length
  while (start < end && atStart(chars[start] ?? '')) start += 1
  while (end > start && atEnd(chars[end - 1] ?? '')) end -= 1
  return chars.slice(start, end)
}

function trim(text: string): string {
  return stripEnds([...text], isSpace, isSpace).join('')
}

interface Pattern {
  phrase: Phrase
  before: string
  slot: string
  after: string
}

interface Safety {
  phrase: Phrase
  parts: string[]
  words: string[]
  unless: string[]
}

interface Compiled {
  safety: Safety[]
  exact: Map<string, Phrase>
  folded: Map<string, Phrase>
  patterns: Pattern[]
}

const compiledSets = new WeakMap<PhraseSet, Compiled>()

// biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/

function compile(set: PhraseSet): Compiled {
  const known = compiledSets.get(set)
  if (known) return known
  const compiled: Compiled = { safety: [], exact: new Map(), folded: new Map(), patterns: [] }
  for (const phrase of set.phrases) {
    const entries = phrase.match ?? []
    if (phrase.safety === true) {
      compiled.safety.push({
        phrase,
        parts: entries.filter((entry) => !ASCII.test(entry)).map(fold),
        words: entries.filter((entry) => ASCII.test(entry)).map(words),
        unless: (phrase.unless ?? []).map(fold),
      })
      continue
    }
    for (const entry of entries) {
      compiled.exact.set(trim(entry), phrase)
      compiled.folded.set(fold(entry), phrase)
    }
    for (const pattern of phrase.patterns ?? []) {
      const parts = /^([^{}]*)\{([a-z]+)\}([^{}]*)$/.exec(pattern)
      if (!parts) continue // the server has checked the set; a pattern of a later form is not for this reader
      const [, before = '', slot = '', after = ''] = parts
      compiled.patterns.push({ phrase, before: fold(before), slot, after: fold(after) })
    }
  }
  compiledSets.set(set, compiled)
  return compiled
}

function findSafety(compiled: Compiled, text: string, folded: string): Phrase | undefined {
  const spaced = words(text)
  return compiled.safety.find((safety) => {
    const masked = safety.unless.reduce((rest, part) => rest.split(part).join('\0'), folded)
    return safety.parts.some((part) => masked.includes(part)) || safety.words.some((part) => spaced.includes(part))
  })?.phrase
}

function endOfPrefix(pieces: readonly string[], prefix: string): number | undefined {
  let rest = prefix
  for (const [index, piece] of pieces.entries()) {
    if (rest === '') return index
    if (!rest.startsWith(piece)) return undefined
    rest = rest.slice(piece.length)
  }
  return rest === '' ? pieces.length : undefined
}

function startOfSuffix(pieces: readonly string[], suffix: string): number | undefined {
  let rest = suffix
  for (let index = pieces.length - 1; index >= 0; index -= 1) {
    if (rest === '') return index + 1
    const piece = pieces[index] ?? ''
    if (!rest.endsWith(piece)) return undefined
    rest = rest.slice(0, rest.length - piece.length)
  }
  return rest === '' ? 0 : undefined
}

const isAsciiWord = (char: string | undefined) => char !== undefined && /^[A-Za-z0-9]$/.test(char)

function findSlot(pattern: Pattern, chars: readonly string[], pieces: readonly string[]): string | undefined {
  const start = endOfPrefix(pieces, pattern.before)
  const end = startOfSuffix(pieces, pattern.after)
  if (start === undefined || end === undefined || start >= end) return undefined
  const partsAWord = (at: number) => isAsciiWord(chars[at - 1]) && isAsciiWord(chars[at])
  if (partsAWord(start) || partsAWord(end)) return undefined
  // A long vowel at the end belongs to the name, as in ミキー; one at the start never does.
  const slot = stripEnds(chars.slice(start, end), (char) => isMark(char) || isWave(char), isMark)
  if (slot.length < 1 || slot.length > LONGEST_SLOT || slot.some((char) => SENTENCE_MARKS.has(char))) return undefined
  return slot.join('')
}

function bandOf(hour: number): When {
  const local = hour % 24
  if (local >= 5 && local <= 10) return 'morning'
  if (local >= 11 && local <= 16) return 'day'
  if (local >= 17 && local <= 21) return 'evening'
  return 'night'
}

function seasonOf(month: number): Season {
  if (month >= 3 && month <= 5) return 'spring'
  if (month >= 6 && month <= 8) return 'summer'
  if (month >= 9 && month <= 11) return 'autumn'
  return 'winter'
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

function fits(reply: PhraseReply, scene: Scene): boolean {
  return (
    (reply.when === 'any' || reply.when === bandOf(scene.hour)) &&
    (reply.season === undefined || reply.season === seasonOf(scene.month)) &&
    (reply.visits === undefined || reply.visits === 'any' || reply.visits === scene.visits) &&
    (reply.plan === undefined || reply.plan === scene.plan)
  )
}

/** Finds the phrase that answers a text, and what it answers. */
export function matchPhrase(set: PhraseSet, text: string, scene: Scene): PhraseHit | null {
  const compiled = compile(set)
  const hit = (phrase: Phrase, rule: PhraseRule, slot?: { name: string; value: string }): PhraseHit | null => {
    const said = phrase.replies
      .filter((reply) => fits(reply, scene))
      .map((reply) => (slot ? reply.text.split(`{${slot.name}}`).join(slot.value) : reply.text))
    const fresh = said.filter((words) => !scene.recent.includes(words))
    const among = fresh.length > 0 ? fresh : said
    const reply = among[fnv1a(`${scene.seed}:${phrase.id}`) % among.length]
    return reply === undefined ? null : { id: phrase.id, rule, reply }
  }

  const folded = fold(text)
  const safety = findSafety(compiled, text, folded)
  if (safety) return hit(safety, 'folded')
  if ([...text].length > LONGEST_TEXT) return null

  const exact = compiled.exact.get(trim(text))
  if (exact) return hit(exact, 'exact')
  if (folded === '') return null
  const same = compiled.folded.get(folded)
  if (same) return hit(same, 'folded')

  const chars = [...text.normalize('NFKC')]
  const pieces = chars.map(foldChar)
  for (const pattern of compiled.patterns) {
    const value = findSlot(pattern, chars, pieces)
    if (value === undefined) continue
    const found = hit(pattern.phrase, 'pattern', { name: pattern.slot, value })
    if (found) return found
  }
  return null
}

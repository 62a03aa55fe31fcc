import { describe, expect, test } from 'vitest'
import house from '../../../../crates/misaki/phrases/default.json'
import vectors from '../../../../crates/misaki/phrases/vectors.json'
import { fold, matchPhrase, type PhraseSet, type Scene } from './phrases'

const set = house as PhraseSet
const scene: Scene = { hour: 19, month: 11, visits: 'again', plan: '', recent: [], seed: 'a' }

describe('the vectors shared with the server hold', () => {
  test('there are enough of them', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(80)
  })

  test.each(vectors.map((vector, index) => ({ index, ...vector })))(
    '$index: $text at $hour',
    ({ text, expect: expected, index: _, ...asked }) => {
      expect(matchPhrase(set, text, { ...scene, ...(asked as Partial<Scene>) })).toEqual(expected)
    },
  )
})

test('every entry of the house is answered by its phrase at every hour', () => {
  for (const phrase of set.phrases) {
    for (const entry of phrase.match ?? []) {
      for (let hour = 0; hour < 24; hour += 1) {
        const hit = matchPhrase(set, entry, { ...scene, hour, seed: 'seed' })
        expect(hit, entry).toMatchObject({ id: phrase.id, rule: phrase.safety ? 'folded' : 'exact' })
      }
    }
  }
})

test('the seed chooses among all replies', () => {
  const replies = new Set<string>()
  for (let seed = 0; seed < 100; seed += 1) {
    replies.add(matchPhrase(set, 'ありがとう', { ...scene, hour: 12, seed: String(seed) })?.reply ?? '')
  }
  expect(replies.size).toBe(3)
})

test('folding twice is folding once', () => {
  for (const text of ['ｺﾝﾊﾞﾝﾊ！', 'ΑΣ', 'İstanbul', 'ヴァイオリン〜♪', 'が\u3099ァー']) {
    expect(fold(fold(text))).toBe(fold(text))
  }
})

test('a match takes far less than 20 ms', () => {
  matchPhrase(set, 'こんばんは', scene)
  const start = performance.now()
  for (let round = 0; round < 100; round += 1) {
    matchPhrase(set, `明日の天気を教えて${round}`, scene)
  }
  expect((performance.now() - start) / 100).toBeLessThan(20)
})

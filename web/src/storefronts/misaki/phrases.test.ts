import { describe, expect, test } from 'vitest'
import house from '../../../../crates/misaki/phrases/default.json'
import vectors from '../../../../crates/misaki/phrases/vectors.json'
import { fold, matchPhrase, type PhraseSet } from './phrases'

const set = house as PhraseSet

describe('the vectors shared with the server hold', () => {
  test('there are enough of them', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(80)
  })

  test.each(vectors.map((vector, index) => ({ index, ...vector })))(
    '$index: $text at $hour',
    ({ text, hour, seed, expect: expected }) => {
      expect(matchPhrase(set, text, { hour, seed })).toEqual(expected)
    },
  )
})

test('every entry of the house is answered by its phrase at every hour', () => {
  for (const phrase of set.phrases) {
    for (const entry of phrase.match ?? []) {
      for (let hour = 0; hour < 24; hour += 1) {
        const hit = matchPhrase(set, entry, { hour, seed: 'seed' })
        expect(hit, entry).toMatchObject({ id: phrase.id, rule: phrase.safety ? 'folded' : 'exact' })
      }
    }
  }
})

test('the seed chooses among all replies', () => {
  const replies = new Set<string>()
  for (let seed = 0; seed < 100; seed += 1) {
    replies.add(matchPhrase(set, 'ありがとう', { hour: 12, seed: String(seed) })?.reply ?? '')
  }
  expect(replies.size).toBe(3)
})

test('folding twice is folding once', () => {
  for (const text of ['ｺﾝﾊﾞﾝﾊ！', 'ΑΣ', 'İstanbul', 'ヴァイオリン〜♪', 'が\u3099ァー']) {
    expect(fold(fold(text))).toBe(fold(text))
  }
})

test('a match takes far less than 20 ms', () => {
  matchPhrase(set, 'こんばんは', { hour: 19, seed: 'a' })
  const start = performance.now()
  for (let round = 0; round < 100; round += 1) {
    matchPhrase(set, `明日の天気を教えて${round}`, { hour: 19, seed: 'a' })
  }
  expect((performance.now() - start) / 100).toBeLessThan(20)
})

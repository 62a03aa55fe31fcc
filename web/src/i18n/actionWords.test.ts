import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { featureName } from '../shell/billing/offers'
import { actionName, actionWords, actorName } from './actionWords'

test('every action that the server writes down has a word', () => {
  const source = readdirSync('../crates', { recursive: true, encoding: 'utf8' })
    .filter((path) => /^[^/]+\/src\/.*\.rs$/.test(path))
    .map((path) => readFileSync(`../crates/${path}`, 'utf8'))
  const named = source.flatMap((text) =>
    [...text.matchAll(/Action::new\(\s*"([a-z_.]+)"/g)].map(([, name]) => name ?? ''),
  )
  expect(named.length).toBeGreaterThan(70)
  expect(named.filter((name) => !(name in actionWords))).toEqual([])
})

test('what is not known keeps its name', () => {
  expect(actionName('session.start', 'ja')).toBe('サインインした')
  expect(actionName('moon.rise', 'ja')).toBe('moon.rise')
})

test('what a plan may have is named in the language of the page', () => {
  const features = readFileSync('../plans/default.toml', 'utf8').matchAll(/^features = \{ (.*) \}$/gm)
  const names = [...features].flatMap(([, all = '']) => [...all.matchAll(/(\w+) =/g)].map(([, name = '']) => name))
  expect(names).toContain('insights')
  for (const name of names) expect(featureName(name, 'ja')).toMatch(/[ぁ-ん]/)
})

test.each([
  ['usr_1', 'あなた'],
  ['usr_2', 'ほかの方'],
  ['key_1', 'APIキー'],
  ['guest:tnt_1', 'ゲスト'],
  ['stripe', '決済サービス'],
  ['moon', 'moon'],
])('%s is called %s', (actor, name) => {
  expect(actorName(actor, 'usr_1', 'ja')).toBe(name)
})

import { describe, expect, test } from 'vitest'
import type { Phrase } from '../../api/misaki'
import { Told } from '../../api/problem'
import { readCard } from './Persona'
import { draftOf, phraseOf } from './PhraseForm'
import { fits } from './phraseDesk'
import { linesOf } from './Routing'
import { deskFeedbackSearch } from './search'

const hello: Phrase = {
  id: 'hello',
  match: ['こんばんは', 'Good evening'],
  replies: [{ when: 'any', text: 'いらっしゃい。' }],
  chip: true,
}

describe('a phrase', () => {
  test('comes out of the form as it went in', () => {
    const help: Phrase = { id: 'help', match: ['しにたい'], replies: hello.replies, safety: true, unless: ['漫画'] }
    expect(phraseOf(draftOf(hello))).toEqual(hello)
    expect(phraseOf(draftOf(help))).toEqual(help)
  })

  test('leaves out what is empty', () => {
    const draft = { ...draftOf(hello), match: '\n  こんばんは \n\n', chip: false }
    draft.replies = [...draft.replies, { when: 'night', text: '  ' }]
    expect(phraseOf(draft)).toEqual({ id: 'hello', match: ['こんばんは'], replies: hello.replies })
  })

  test('is found by its name, its words and its replies', () => {
    expect(['HELLO', 'evening', 'いらっしゃい', ''].map((text) => fits(hello, text))).toEqual([true, true, true, true])
    expect(fits(hello, '水割り')).toBe(false)
  })
})

describe('a card', () => {
  test('is an object, and everything else is told', () => {
    expect(readCard('{"data":{"name":"みさき"}}').data?.['name']).toBe('みさき')
    for (const text of ['', '[1]', 'null', '{"data":']) expect(() => readCard(text)).toThrow(Told)
  })
})

test('the newest version of each plan says where its words go', () => {
  const version = { routes: { 'misaki.chat': 'misaki-small' } } as never
  const older = { routes: { 'misaki.chat': 'old' } } as never
  const plans = [
    { storefront: 'misaki', id: 'free', versions: [version, older] },
    { storefront: 'narai', id: 'free', versions: [] },
  ]
  expect(linesOf(plans).map(({ task, model }) => [task, model])).toEqual([['misaki.chat', 'misaki-small']])
})

test('a filter reads what the router makes of an address', () => {
  expect(deskFeedbackSearch({ liked: false, reason: 'cold' })).toEqual({ liked: 'false', reason: 'cold' })
  expect(deskFeedbackSearch({})).toEqual({ liked: undefined, reason: undefined })
})

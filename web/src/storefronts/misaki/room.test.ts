import { beforeEach, describe, expect, test } from 'vitest'
import { createDrafts } from './drafts'
import { createMarks } from './marks'

describe('drafts', () => {
  beforeEach(() => sessionStorage.clear())

  test('stay with their conversation, and move along when it is opened', () => {
    const drafts = createDrafts()
    drafts.belongTo('tnt_1')
    drafts.write('new', 'あのね')
    drafts.write('chat_1', 'それから')
    drafts.move('new', 'chat_2')
    expect(drafts.get()).toEqual({ chat_1: 'それから', chat_2: 'あのね' })
  })

  test('a line that was refused stands above what was typed since', () => {
    const drafts = createDrafts()
    drafts.write('new', '続き')
    drafts.giveBack('new', '断られた言葉')
    expect(drafts.get()['new']).toBe('断られた言葉\n続き')
  })

  test('outlive a reload, for the same person only', () => {
    const before = createDrafts()
    before.belongTo('tnt_1')
    before.write('chat_1', '書きかけ')
    const again = createDrafts()
    again.write('new', 'もう打ちはじめた')
    again.belongTo('tnt_1')
    expect(again.get()).toEqual({ chat_1: '書きかけ', new: 'もう打ちはじめた' })
    const other = createDrafts()
    other.belongTo('tnt_2')
    expect(other.get()).toEqual({})
    again.belongTo('tnt_2')
    expect(again.get()).toEqual({})
    expect(sessionStorage.length).toBe(0)
  })

  test('a storage full of nonsense is an empty one', () => {
    sessionStorage.setItem('noren.misaki.drafts', '{"tenant":"tnt_1","lines":{"chat_1":3}')
    const drafts = createDrafts()
    drafts.belongTo('tnt_1')
    expect(drafts.get()).toEqual({})
  })
})

describe('marks', () => {
  test('say what is answered elsewhere, until somebody looks', () => {
    const marks = createMarks()
    marks.look('chat_1')
    marks.begin('chat_1')
    marks.begin('chat_2')
    expect([...marks.get()]).toEqual([
      ['chat_1', 'answering'],
      ['chat_2', 'answering'],
    ])
    marks.end('chat_1')
    marks.end('chat_2')
    expect([...marks.get()]).toEqual([['chat_2', 'answered']])
    marks.look('chat_2')
    expect(marks.get().size).toBe(0)
  })

  test('an answer that ends after someone left the bar is marked', () => {
    const marks = createMarks()
    marks.look('chat_1')
    marks.begin('chat_1')
    marks.look(null)
    marks.end('chat_1')
    expect(marks.get().get('chat_1')).toBe('answered')
  })
})

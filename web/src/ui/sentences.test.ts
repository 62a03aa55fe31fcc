import { describe, expect, test } from 'vitest'
import { finishedSentences } from './sentences'

describe('what a screen reader is told', () => {
  test('is finished sentences only', () => {
    expect(finishedSentences('いらっしゃい。今日は', 0)).toEqual({ said: 'いらっしゃい。', next: 7 })
    expect(finishedSentences('いらっしゃい', 0)).toEqual({ said: '', next: 0 })
  })

  test('is nothing twice, whatever the pieces are', () => {
    const text = '「そうなの？」と聞いた。ほんとうに！ It is 3.5 km. Then we go.\n終わり\n'
    let from = 0
    let heard = ''
    for (let end = 1; end <= text.length; end += 1) {
      const cut = finishedSentences(text.slice(0, end), from)
      heard += cut.said
      from = cut.next
    }
    expect(from).toBe(text.length)
    expect(heard.replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
  })

  test('carries no Markdown signs', () => {
    expect(finishedSentences('**「大事」**な[頁](https://a.example)。\n', 0).said).toBe('「大事」な頁。')
  })
})

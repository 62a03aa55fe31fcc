import { cleanup, render } from '@testing-library/react'
import { afterEach, describe, expect, test } from 'vitest'
import { splitBlocks } from './blocks'
import { Markdown } from './Markdown'

afterEach(cleanup)

function html(text: string, partial = false): string {
  return render(<Markdown text={text} partial={partial} />).container.innerHTML
}

// Emphasis beside Japanese brackets and punctuation, which plain CommonMark leaves as literal asterisks.
const golden: [markdown: string, rendered: string][] = [
  ['これは**「重要」**な話', '<p>これは<strong>「重要」</strong>な話</p>'],
  ['**「ただいま」**と言う', '<p><strong>「ただいま」</strong>と言う</p>'],
  ['私は**（少し）**疲れた', '<p>私は<strong>（少し）</strong>疲れた</p>'],
  ['**今日は、**休もう', '<p><strong>今日は、</strong>休もう</p>'],
  ['**おしまい。**また明日', '<p><strong>おしまい。</strong>また明日</p>'],
  ['**本当？**と聞いた', '<p><strong>本当？</strong>と聞いた</p>'],
  ['**やった！**うれしい', '<p><strong>やった！</strong>うれしい</p>'],
  ['値段は**1,000円（税込）**です', '<p>値段は<strong>1,000円（税込）</strong>です</p>'],
  ['これは*「少し」*だけ', '<p>これは<em>「少し」</em>だけ</p>'],
  ['普通の**太字**です', '<p>普通の<strong>太字</strong>です</p>'],
  ['**『源氏物語』**を読む', '<p><strong>『源氏物語』</strong>を読む</p>'],
  ['**【大事】**確認してね', '<p><strong>【大事】</strong>確認してね</p>'],
  ['ここ**：**です', '<p>ここ<strong>：</strong>です</p>'],
  [
    '**A案**と**「B案」**と**C案。**を比べる',
    '<p><strong>A案</strong>と<strong>「B案」</strong>と<strong>C案。</strong>を比べる</p>',
  ],
  ['***「とても」***大事', '<p><em><strong>「とても」</strong></em>大事</p>'],
  ['韓国語도**“중요”**합니다', '<p>韓国語도<strong>“중요”</strong>합니다</p>'],
  ['这是**“重点”**内容', '<p>这是<strong>“重点”</strong>内容</p>'],
  ['**`npm run`**を実行', '<p><strong><code>npm run</code></strong>を実行</p>'],
  ['**10％**オフ', '<p><strong>10％</strong>オフ</p>'],
  ['English **bold** stays', '<p>English <strong>bold</strong> stays</p>'],
]

describe('Japanese emphasis', () => {
  test('has twenty cases', () => expect(golden).toHaveLength(20))
  test.each(golden)('%s', (markdown, rendered) => expect(html(markdown)).toBe(rendered))
})

describe('an answer', () => {
  test('cannot load pictures, run scripts or smuggle markup', () => {
    const rendered = html(
      '![しるし](https://elsewhere.example/a.png)\n\n<img src=x onerror=alert(1)>\n\n[x](javascript:alert(1))',
    )
    expect(rendered).not.toMatch(/<img|onerror=|javascript:/)
    expect(rendered).toContain('しるし')
  })

  test('opens links elsewhere without telling where from', () => {
    expect(html('[頁](https://example.jp/)')).toContain('rel="noopener noreferrer nofollow"')
  })

  test('keeps the page to one h1', () => expect(html('# 大見出し')).toBe('<h3>大見出し</h3>'))

  test('heals what is still being written', () => {
    expect(html('これは**とても', true)).toBe('<p>これは<strong>とても</strong></p>')
    expect(html('これは**とても', false)).toBe('<p>これは**とても</p>')
  })
})

describe('cutting into blocks', () => {
  test('keeps lists, nested items and fences whole', () => {
    expect(splitBlocks('一\n\n1. a\n\n2. b\n\n   続き\n\n二')).toEqual(['一', '1. a\n\n2. b\n\n   続き', '二'])
    expect(splitBlocks('```js\na\n\nb\n```\n\n後')).toEqual(['```js\na\n\nb\n```', '後'])
    expect(splitBlocks('```\nまだ\n\n開いている')).toEqual(['```\nまだ\n\n開いている'])
  })

  test('never changes a finished block while text grows', () => {
    const text = 'はじめに\n\n- 一つ\n- 二つ\n\n```\ncode\n\nmore\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nおわりに。'
    let before: string[] = []
    for (let end = 1; end <= text.length; end += 1) {
      const now = splitBlocks(text.slice(0, end))
      expect(now.slice(0, before.length - 1)).toEqual(before.slice(0, -1))
      before = now
    }
    expect(before).toHaveLength(5)
  })
})

import { describe, expect, test } from 'vitest'
import { authWords } from '../i18n/authWords'
import { wordsOf } from '../i18n/text'
import { checkCredentials } from './authForm'
import { safeNext } from './paths'

describe('going on after signing in', () => {
  test('stays in the house', () => {
    expect(safeNext('/misaki/chat/chat_1')).toBe('/misaki/chat/chat_1')
    for (const outside of [
      'https://elsewhere.example',
      '//elsewhere.example',
      '/\\elsewhere.example',
      'misaki',
      1,
      null,
    ]) {
      expect(safeNext(outside)).toBeUndefined()
    }
  })
})

describe('checking credentials before a round trip', () => {
  const words = wordsOf(authWords, 'ja')
  const good = { email: 'a@example.jp', password: 'とても長い合言葉', displayName: '' }

  test('passes what the server would take', () => {
    expect(checkCredentials('sign-up', good, words)).toEqual({})
    // Someone with an old, shorter password must still get in.
    expect(checkCredentials('sign-in', { ...good, password: 'short' }, words)).toEqual({})
  })

  test('names each field that needs correcting', () => {
    expect(checkCredentials('sign-up', { email: '', password: '', displayName: 'あ'.repeat(51) }, words)).toEqual({
      email: words.needEmail,
      password: words.needPassword,
      display_name: words.longName,
    })
    expect(checkCredentials('sign-up', { ...good, email: 'a@', password: '1234567' }, words)).toEqual({
      email: words.badEmail,
      password: words.shortPassword,
    })
    expect(checkCredentials('sign-up', { ...good, password: 'あ'.repeat(129) }, words).password).toBe(
      words.longPassword,
    )
  })
})

import { describe, expect, test } from 'vitest'
import { formWords } from '../i18n/formWords'
import { wordsOf } from '../i18n/text'
import { checkNewPassword, checkSignIn, checkSignUp } from './authForm'
import { inGroups, plainCode, plainDigits } from './codes'
import { isServerPath, safeNext } from './paths'

describe('going on after signing in', () => {
  test('stays in the house', () => {
    expect(safeNext('/misaki/chat/chat_1')).toBe('/misaki/chat/chat_1')
    for (const outside of [
      'https://elsewhere.example',
      '//elsewhere.example',
      '/\\elsewhere.example',
      // the parser of a browser drops these, and folds dots away
      '/\t/elsewhere.example',
      '/\n/elsewhere.example',
      '/.//elsewhere.example',
      '/a/..//elsewhere.example',
      '/%2e//elsewhere.example',
      'javascript:alert(1)',
      '',
      'misaki',
      1,
      null,
    ]) {
      expect(safeNext(outside), String(outside)).toBeUndefined()
    }
  })

  test('keeps the query and the fragment, and knows what the server answers itself', () => {
    const door = '/oauth/authorize?client_id=noren&redirect_uri=https%3A%2F%2Fapp.example%2Fback&state=a%20b'
    expect(safeNext(door)).toBe(door)
    expect(isServerPath(door)).toBe(true)
    expect(safeNext('/account/keys?x=1#y')).toBe('/account/keys?x=1#y')
    for (const page of ['/account', '/oauth', '/oauth/authorize/x', '/oauth/authorizer', '/x/oauth/authorize']) {
      expect(isServerPath(page), page).toBe(false)
    }
  })
})

describe('checking credentials before a round trip', () => {
  const words = wordsOf(formWords, 'ja')
  const good = { email: 'a@example.jp', password: 'とても長い合言葉', displayName: '' }

  test('passes what the server would take', () => {
    expect(checkSignUp(good, words)).toEqual({})
    // Someone with an old, shorter password must still get in.
    expect(checkSignIn(good.email, 'short', words)).toEqual({})
  })

  test('names each field that needs correcting', () => {
    expect(checkSignUp({ email: '', password: '', displayName: 'あ'.repeat(51) }, words)).toEqual({
      email: words.needEmail,
      password: words.needPassword,
      display_name: words.longName,
    })
    expect(checkSignUp({ ...good, email: 'a@', password: '1234567' }, words)).toEqual({
      email: words.badEmail,
      password: words.shortPassword,
    })
    expect(checkNewPassword('あ'.repeat(129), words)['password']).toBe(words.longPassword)
    expect(checkSignIn('', '', words)).toEqual({ email: words.needEmail, password: words.needPassword })
  })
})

describe('codes as people type them', () => {
  test('full-width digits and gaps are taken', () => {
    expect(plainDigits('１２３ ４５６')).toBe('123456')
    expect(plainDigits('123-456')).toBe('123456')
    expect(plainCode(' ＡＢＣＤ－efgh ')).toBe('ABCD-efgh')
  })

  test('a secret is shown in groups of four', () => {
    expect(inGroups('JBSWY3DPEHPK3PXP')).toBe('JBSW Y3DP EHPK 3PXP')
    expect(inGroups('')).toBe('')
  })
})

import type { formWords } from '../i18n/formWords'
import type { Words } from '../i18n/text'
import { lengthOf, looksLikeEmail } from './codes'
import type { Mistakes } from './form'

type Said = Words<typeof formWords>

// The same limits as the server's, said before a round trip; the server stays the judge.
export function checkEmail(email: string, words: Said): Mistakes {
  if (email === '') return { email: words.needEmail }
  return looksLikeEmail(email) ? {} : { email: words.badEmail }
}

export function checkNewPassword(password: string, words: Said): Mistakes {
  if (password === '') return { password: words.needPassword }
  if (lengthOf(password) < 8) return { password: words.shortPassword }
  return lengthOf(password) > 128 ? { password: words.longPassword } : {}
}

export interface Credentials {
  email: string
  password: string
  displayName: string
}

export function checkSignUp(values: Credentials, words: Said): Mistakes {
  const long = lengthOf(values.displayName) > 50 ? { display_name: words.longName } : {}
  return { ...checkEmail(values.email, words), ...checkNewPassword(values.password, words), ...long }
}

// Someone with an old, shorter password must still get in.
export function checkSignIn(email: string, password: string, words: Said): Mistakes {
  return { ...checkEmail(email, words), ...(password === '' ? { password: words.needPassword } : {}) }
}

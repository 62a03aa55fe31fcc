import type { authWords } from '../i18n/authWords'
import type { Words } from '../i18n/text'

export interface Credentials {
  email: string
  password: string
  displayName: string
}

export type FieldName = 'email' | 'password' | 'display_name'
export type FieldErrors = Partial<Record<FieldName, string>>

// The same limits as the server's, said before a round trip; the server stays the judge.
export function checkCredentials(
  mode: 'sign-in' | 'sign-up',
  values: Credentials,
  words: Words<typeof authWords>,
): FieldErrors {
  const errors: FieldErrors = {}
  if (values.email === '') errors.email = words.needEmail
  else if (!/^[^\s@]+@[^\s@]+$/.test(values.email)) errors.email = words.badEmail
  if (values.password === '') errors.password = words.needPassword
  else if (mode === 'sign-up') {
    const length = [...values.password].length
    if (length < 8) errors.password = words.shortPassword
    if (length > 128) errors.password = words.longPassword
  }
  if (mode === 'sign-up' && [...values.displayName].length > 50) errors.display_name = words.longName
  return errors
}

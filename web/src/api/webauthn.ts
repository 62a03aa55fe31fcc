import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  WebAuthnError,
} from '@simplewebauthn/browser'
import { newPasskeyOptions, passkeyOptions } from './identity'
import { Told } from './problem'
import type { Signed } from './types'

// The ceremonies are needed by few visits, so their code comes when one begins.
const library = () => import('@simplewebauthn/browser')

export function passkeysWork(): boolean {
  return typeof globalThis.PublicKeyCredential === 'function'
}

// Someone who closes the browser's own window, or lets it run out, is told so in the words of the page.
function told(error: unknown): unknown {
  const { code, name } = error as Partial<WebAuthnError>
  if (code === 'ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED') {
    return new Told({
      ja: 'この端末のパスキーは、すでに登録されています。',
      en: 'A passkey of this device is registered already.',
    })
  }
  if (code === 'ERROR_CEREMONY_ABORTED' || name === 'NotAllowedError' || name === 'AbortError') {
    return new Told({
      ja: 'パスキーの確認が途中で閉じられました。もう一度押すと、やり直せます。',
      en: 'The passkey prompt was closed before it finished. Press again to retry.',
    })
  }
  return new Told({
    ja: 'この端末では、パスキーを使えませんでした。ほかの方法をお使いください。',
    en: 'The passkey could not be used on this device. Please use another way.',
  })
}

// A browser runs one ceremony at a time and drops an older one for a newer. So whoever presses a button ends what the page
// only offers, before anything is fetched, and no offer that comes late ends what they pressed for.
let asking = 0
let offer: AbortController | null = null

export async function askPasskey(): Promise<Signed> {
  asking += 1
  offer?.abort()
  try {
    const [{ startAuthentication }, { ceremony, options }] = await Promise.all([library(), passkeyOptions()])
    const optionsJSON = options as unknown as PublicKeyCredentialRequestOptionsJSON
    const credential = await startAuthentication({ optionsJSON }).catch((error: unknown) => {
      throw told(error)
    })
    return { ceremony, credential: { ...credential } }
  } finally {
    asking -= 1
  }
}

export async function makePasskey(): Promise<Signed> {
  const [{ startRegistration }, { ceremony, options }] = await Promise.all([library(), newPasskeyOptions()])
  try {
    const optionsJSON = options as unknown as PublicKeyCredentialCreationOptionsJSON
    return { ceremony, credential: { ...(await startRegistration({ optionsJSON })) } }
  } catch (error) {
    throw told(error)
  }
}

// Offers passkeys among the browser's suggestions for the address field. Ends with null when someone takes another way,
// and it is never the reason for a message: whoever does not choose a passkey has asked for nothing.
export async function offerPasskey(left: AbortSignal): Promise<Signed | null> {
  const mine = new AbortController()
  const withdrawn = mine.signal
  left.addEventListener('abort', () => mine.abort(), { once: true })
  offer = mine
  try {
    if (!passkeysWork() || left.aborted) return null
    const { browserSupportsWebAuthnAutofill, startAuthentication, WebAuthnAbortService } = await library()
    if (!(await browserSupportsWebAuthnAutofill()) || withdrawn.aborted) return null
    const { ceremony, options } = await passkeyOptions()
    if (withdrawn.aborted || asking > 0) return null
    withdrawn.addEventListener('abort', () => WebAuthnAbortService.cancelCeremony(), { once: true })
    const optionsJSON = options as unknown as PublicKeyCredentialRequestOptionsJSON
    const credential = await startAuthentication({ optionsJSON, useBrowserAutofill: true })
    return withdrawn.aborted ? null : { ceremony, credential: { ...credential } }
  } catch {
    return null
  }
}

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { askPasskey, offerPasskey } from './webauthn'

// The browser as far as it matters here: a newer ceremony ends an older one, as in the library.
const { ceremonies, browser } = vi.hoisted(() => {
  const ceremonies: { offered: boolean; finish: () => void; abort: () => void }[] = []
  const browser = {
    browserSupportsWebAuthnAutofill: async () => true,
    startAuthentication: ({ useBrowserAutofill = false }) => {
      ceremonies.at(-1)?.abort()
      return new Promise((resolve, reject) => {
        ceremonies.push({
          offered: useBrowserAutofill,
          finish: () => resolve({ id: useBrowserAutofill ? 'offered' : 'asked' }),
          abort: () => reject(Object.assign(new Error(), { name: 'AbortError' })),
        })
      })
    },
    WebAuthnAbortService: { cancelCeremony: () => ceremonies.at(-1)?.abort() },
  }
  return { ceremonies, browser }
})
vi.mock('@simplewebauthn/browser', () => browser)

// The house answers each question for a challenge when the test says so.
let answers: (() => void)[]
beforeEach(() => {
  answers = []
  ceremonies.length = 0
  vi.stubGlobal('PublicKeyCredential', () => undefined)
  vi.stubGlobal(
    'fetch',
    () =>
      new Promise((resolve) => {
        answers.push(() => resolve(Response.json({ ceremony: 'c', options: {} })))
      }),
  )
})
afterEach(() => vi.unstubAllGlobals())

const asked = (count: number) => vi.waitFor(() => expect(answers).toHaveLength(count))
const begun = (count: number) => vi.waitFor(() => expect(ceremonies).toHaveLength(count))

test('an offer whose challenge comes late leaves alone what someone pressed for', async () => {
  const page = new AbortController()
  const offered = offerPasskey(page.signal)
  await asked(1)
  const pressed = askPasskey()
  await asked(2)
  answers[1]?.()
  await begun(1)
  answers[0]?.()
  expect(await offered).toBeNull()
  expect(ceremonies).toHaveLength(1)
  ceremonies[0]?.finish()
  expect((await pressed).credential).toEqual({ id: 'asked' })
})

test('pressing ends the offer at once, so that one may not come in twice', async () => {
  const page = new AbortController()
  const offered = offerPasskey(page.signal)
  await asked(1)
  answers[0]?.()
  await begun(1)
  expect(ceremonies[0]?.offered).toBe(true)
  const pressed = askPasskey()
  expect(await offered).toBeNull()
  await asked(2)
  answers[1]?.()
  await begun(2)
  ceremonies[1]?.finish()
  expect((await pressed).credential).toEqual({ id: 'asked' })
})

test('a page that is left ends its own offer', async () => {
  const page = new AbortController()
  const offered = offerPasskey(page.signal)
  await asked(1)
  answers[0]?.()
  await begun(1)
  page.abort()
  expect(await offered).toBeNull()
})

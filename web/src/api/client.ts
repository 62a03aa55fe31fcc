import createClient, { type Middleware } from 'openapi-fetch'
import { currentLocale } from '../i18n/locale'
import type { paths } from './types'

// The server words its problem details in the language of the page, which may differ from the browser's.
export const inPageLanguage: Middleware = {
  onRequest({ request }) {
    request.headers.set('accept-language', currentLocale())
    return request
  },
}

// The account listener serves this app, so its calls are same-origin and carry the HttpOnly session cookie.
// fetch is looked up at each call: tests and tools may replace it after this module was loaded.
export const account = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? '',
  credentials: 'same-origin',
  fetch: (request) => globalThis.fetch(request),
})
account.use(inPageLanguage)

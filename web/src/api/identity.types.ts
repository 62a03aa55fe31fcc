// The issuers' operations, written by hand until the server's OpenAPI document describes them.
import type { paths as generated } from './schema.gen'
import type { Bilingual, Me } from './types'

export interface Issuer {
  id: string
  name: string
}

interface Refusal {
  headers: { [name: string]: unknown }
  content: {
    'application/problem+json': { code: string; text: Bilingual }
  }
}
interface Answers<T> {
  200: { headers: { [name: string]: unknown }; content: { 'application/json': T } }
  '4XX': Refusal
  '5XX': Refusal
}
interface NoParameters {
  path?: never
  query?: never
}

interface IssuerPaths {
  '/auth/issuers': { get: { parameters: NoParameters; requestBody?: never; responses: Answers<{ items: Issuer[] }> } }
  '/auth/callback': {
    post: {
      parameters: NoParameters
      requestBody: { content: { 'application/json': { code: string; state: string } } }
      responses: Answers<Me & { next?: string | null }>
    }
  }
}

export type paths = Omit<generated, keyof IssuerPaths> & IssuerPaths

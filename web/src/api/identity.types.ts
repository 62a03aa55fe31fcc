// What the identity operations take and answer, written by hand until the server's OpenAPI document describes them.
import type { paths as generated } from './schema.gen'
import type { Bilingual, Me, Membership, Role } from './types'

export type TenantKind = 'person' | 'family' | 'school' | 'team'
// What WebAuthn exchanges is the browser's business: it is handed on as it comes.
export interface Ceremony {
  ceremony: string
  options: Record<string, unknown>
}
export interface Signed {
  ceremony: string
  credential: Record<string, unknown>
}
export type Proof = { password: string } | { code: string } | Signed

export interface Passkey {
  id: string
  name: string
  created_at: string
  last_used_at: string | null
}
export interface Factors {
  password: boolean
  totp: boolean
  recovery_codes_left: number
  passkeys: Passkey[]
}
export interface TotpSetup {
  secret: string
  uri: string
}

export interface Issuer {
  id: string
  name: string
}

export interface Member {
  user: string
  display_name: string
  email: string | null
  login_name: string | null
  role: Role
  joined_at: string
}
export interface Invitation {
  id: string
  email: string
  role: Role
  created_at: string
  expires_at: string
}
export interface InvitationView {
  tenant: { kind: TenantKind; name: string }
  role: Role
  email: string
  stale: boolean
}

export interface Child {
  user: string
  display_name: string
  name: string
  birth_year: number | null
  created_at: string
  consent_at: string
}
export interface Family {
  code: string
  guardians: Member[]
  children: Child[]
}
export interface NewChild {
  name: string
  display_name: string
  birth_year?: number
  pin: string
  consent: true
}

interface Refusal {
  headers: { [name: string]: unknown }
  content: {
    'application/problem+json': { code: string; text: Bilingual }
  }
}
interface Answered<T> {
  headers: { [name: string]: unknown }
  content: T extends undefined ? never : { 'application/json': T }
}
type Op<Body, Answer, Params = { path?: never; query?: never }> = {
  parameters: Params
  responses: { 200: Answered<Answer>; '4XX': Refusal; '5XX': Refusal }
} & (Body extends undefined ? { requestBody?: never } : { requestBody: { content: { 'application/json': Body } } })
interface Named<Name extends string> {
  path: Record<Name, string>
}
interface Nothing {
  [name: string]: never
}
interface Items<T> {
  items: T[]
}

interface IdentityPaths {
  '/auth/passkey/options': { post: Op<Nothing, Ceremony> }
  '/auth/passkey/login': { post: Op<Signed, Me> }
  '/auth/tenant': { post: Op<{ tenant: string }, Me> }
  '/auth/step-up': { post: Op<Proof, Me> }
  '/auth/factors': { get: Op<undefined, Factors> }
  '/auth/factors/totp': { post: Op<undefined, TotpSetup>; delete: Op<undefined, undefined> }
  '/auth/factors/totp/confirm': { post: Op<{ code: string }, { recovery_codes: string[] }> }
  '/auth/factors/recovery-codes': { post: Op<undefined, { recovery_codes: string[] }> }
  '/auth/factors/passkeys/options': { post: Op<Nothing, Ceremony> }
  '/auth/factors/passkeys': { post: Op<Signed & { name: string }, Passkey> }
  '/auth/factors/passkeys/{passkey}': { delete: Op<undefined, undefined, Named<'passkey'>> }
  '/auth/issuers': { get: Op<undefined, Items<Issuer>> }
  '/auth/callback': { post: Op<{ code: string; state: string }, Me & { next?: string | null }> }
  '/tenants': { post: Op<{ kind: TenantKind; name: string }, Membership> }
  '/tenants/current': { patch: Op<{ name: string }, Membership> }
  '/members': { get: Op<undefined, Items<Member>> }
  '/members/{user}': {
    patch: Op<{ role: Role }, Member, Named<'user'>>
    delete: Op<undefined, undefined, Named<'user'>>
  }
  '/invitations': { get: Op<undefined, Items<Invitation>>; post: Op<{ email: string; role: Role }, Invitation> }
  '/invitations/{id}': { delete: Op<undefined, undefined, Named<'id'>> }
  '/invitations/view': { post: Op<{ token: string }, InvitationView> }
  '/invitations/accept': { post: Op<{ token: string }, Me> }
  '/invitations/refresh': { post: Op<{ token: string }, Nothing> }
  '/family': { get: Op<undefined, Family> }
  '/family/children': { post: Op<NewChild, Child> }
  '/family/children/{user}': {
    patch: Op<{ display_name?: string; pin?: string }, Child, Named<'user'>>
    delete: Op<undefined, undefined, Named<'user'>>
  }
  '/family/children/{user}/enter': { post: Op<undefined, Me, Named<'user'>> }
  '/account/deletion': { post: Op<undefined, { deletion_at: string }>; delete: Op<undefined, undefined> }
}

export type paths = Omit<generated, keyof IdentityPaths> & IdentityPaths

// What the identity operations take and answer, written by hand until the server's OpenAPI document describes them.
import type { paths as generated } from './schema.gen'
import type { Bilingual, Locale } from './types'

export type TenantKind = 'person' | 'family' | 'school' | 'team'
export type Role = 'guest' | 'owner' | 'admin' | 'member' | 'guardian' | 'child'

export interface Membership {
  id: string
  kind: TenantKind
  name: string
  role: Role
}

export interface Me {
  user: null | {
    id: string
    email: string | null
    email_verified: boolean
    display_name: string
    locale: Locale
    operator: boolean
    login_name: string | null
  }
  tenant: Membership
  tenants: Membership[]
  guest: boolean
  permissions: string[]
  signed_in_at: string | null
  stepped_up_until: string | null
  deletion_at: string | null
}

export interface FirstKey {
  id: string
  name: string
  secret: string
}
export type Registered = Me & { api_key: FirstKey }

export type SecondMethod = 'totp' | 'recovery' | 'passkey'
export interface SecondStep {
  ticket: string
  methods: SecondMethod[]
}

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

export interface DeviceSession {
  id: string
  current: boolean
  kind: 'browser' | 'api'
  user_agent: string
  network: string
  created_at: string
  last_seen_at: string
}

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

export interface ApiKey {
  id: string
  name: string
  hint: string
  storefront: string
  scopes: string[]
  models: string[] | null
  ip_ranges: string[] | null
  daily_cap: number | null
  expires_at: string | null
  created_at: string
  last_used_at: string | null
  grace_until: string | null
  status: 'active' | 'expired' | 'revoked'
}
export interface NewKey {
  name: string
  storefront?: string
  scopes?: string[]
  models?: string[]
  ip_ranges?: string[]
  daily_cap?: number
  expires_at?: string
}
export interface KeyWithSecret {
  key: ApiKey
  secret: string
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

export interface AuditRow {
  id: string
  seq: number
  at: string
  actor: string
  action: string
  target: string
  before: unknown
  after: unknown
  request_id: string | null
}

export interface Letter {
  id: string
  to: string
  subject: string
  text: string
  html: string
  at: string
  links: string[]
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
  '/auth/register': {
    post: Op<{ email: string; password: string; display_name?: string; locale?: Locale }, Registered>
  }
  '/auth/login': { post: Op<{ email: string; password: string }, Me | SecondStep> }
  '/auth/login/second': { post: Op<{ ticket: string; code: string }, Me> }
  '/auth/login/child': { post: Op<{ family: string; name: string; pin: string }, Me> }
  '/auth/passkey/options': { post: Op<Nothing, Ceremony> }
  '/auth/passkey/login': { post: Op<Signed, Me> }
  '/auth/guest': { post: Op<undefined, Me> }
  '/auth/me': { get: Op<undefined, Me>; patch: Op<{ display_name?: string; locale?: Locale }, Me> }
  '/auth/tenant': { post: Op<{ tenant: string }, Me> }
  '/auth/step-up': { post: Op<Proof, Me> }
  '/auth/password': { post: Op<{ password: string }, Me> }
  '/auth/password/forgot': { post: Op<{ email: string; locale?: Locale }, Nothing> }
  '/auth/password/reset': { post: Op<{ token: string; password: string }, undefined> }
  '/auth/email/verify': { post: Op<{ token: string }, { email: string }> }
  '/auth/email/resend': { post: Op<undefined, Nothing> }
  '/auth/email': { post: Op<{ email: string }, Nothing> }
  '/auth/sessions': { get: Op<undefined, Items<DeviceSession>> }
  '/auth/sessions/{session}': { delete: Op<undefined, undefined, Named<'session'>> }
  '/auth/sessions/revoke-others': { post: Op<undefined, undefined> }
  '/auth/factors': { get: Op<undefined, Factors> }
  '/auth/factors/totp': { post: Op<undefined, TotpSetup>; delete: Op<undefined, undefined> }
  '/auth/factors/totp/confirm': { post: Op<{ code: string }, { recovery_codes: string[] }> }
  '/auth/factors/recovery-codes': { post: Op<undefined, { recovery_codes: string[] }> }
  '/auth/factors/passkeys/options': { post: Op<Nothing, Ceremony> }
  '/auth/factors/passkeys': { post: Op<Signed & { name: string }, Passkey> }
  '/auth/factors/passkeys/{passkey}': { delete: Op<undefined, undefined, Named<'passkey'>> }
  '/auth/issuers': { get: Op<undefined, Items<Issuer>> }
  '/auth/callback': { post: Op<{ code: string; state: string }, Me & { next?: string | null }> }
  '/demo/sign-in': { post: Op<{ as: 'guest' | 'free' | 'paid' | 'vip' }, Me> }
  '/keys': { get: Op<undefined, Items<ApiKey>>; post: Op<NewKey, KeyWithSecret> }
  '/keys/{key}': { patch: Op<Partial<NewKey>, ApiKey, Named<'key'>>; delete: Op<undefined, undefined, Named<'key'>> }
  '/keys/{key}/rotate': { post: Op<{ grace_hours: number }, KeyWithSecret, Named<'key'>> }
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
  '/audit': {
    get: Op<
      undefined,
      { items: AuditRow[]; next_cursor: string | null },
      { query?: { cursor?: string; limit?: number } }
    >
  }
  '/account/deletion': { post: Op<undefined, { deletion_at: string }>; delete: Op<undefined, undefined> }
  '/mail/unsubscribe/{token}': { post: Op<undefined, undefined, Named<'token'>> }
  '/sandbox/letters': { get: Op<undefined, Items<Letter>> }
}

export type paths = Omit<generated, keyof IdentityPaths> & IdentityPaths

import { account } from './client'
import { unwrap } from './problem'
import type {
  ApiKey,
  Arrived,
  AuditRow,
  Ceremony,
  Child,
  DeviceSession,
  Factors,
  Family,
  Invitation,
  InvitationView,
  Issuer,
  IssuerAnswer,
  KeyChange,
  KeyWithSecret,
  Letter,
  Locale,
  Me,
  Member,
  Membership,
  NewChild,
  NewKey,
  Page,
  Passkey,
  Proof,
  Role,
  Signed,
  TenantKind,
  TotpSetup,
} from './types'

export function signInWithCode(ticket: string, code: string): Promise<Me> {
  return unwrap(account.POST('/auth/login/second', { body: { ticket, code } }))
}

export function signInAsChild(body: { family: string; name: string; pin: string }): Promise<Me> {
  return unwrap(account.POST('/auth/login/child', { body }))
}

export function passkeyOptions(): Promise<Ceremony> {
  return unwrap(account.POST('/auth/passkey/options'))
}

export function signInWithPasskey(signed: Signed): Promise<Me> {
  return unwrap(account.POST('/auth/passkey/login', { body: signed }))
}

export async function getIssuers(): Promise<Issuer[]> {
  return (await unwrap(account.GET('/auth/issuers'))).items
}

export function answerIssuer(answer: IssuerAnswer): Promise<Arrived> {
  return unwrap(account.POST('/auth/callback', { body: answer }))
}

// A plain link, because the browser itself has to go. `again`: the issuer asks even someone whom it still knows.
export function issuerDoor(issuer: string, next: string | undefined, again = false): string {
  const query = new URLSearchParams({ ...(next === undefined ? {} : { next }), ...(again ? { again: 'true' } : {}) })
  return `/auth/oidc/${encodeURIComponent(issuer)}${query.size > 0 ? `?${query}` : ''}`
}

export function changeMe(changes: { display_name?: string; locale?: Locale }): Promise<Me> {
  return unwrap(account.PATCH('/auth/me', { body: changes }))
}

export function actFor(tenant: string): Promise<Me> {
  return unwrap(account.POST('/auth/tenant', { body: { tenant } }))
}

export function stepUp(proof: Proof): Promise<Me> {
  return unwrap(account.POST('/auth/step-up', { body: proof }))
}

export function changePassword(password: string): Promise<Me> {
  return unwrap(account.POST('/auth/password', { body: { password } }))
}

export function removePassword(): Promise<unknown> {
  return unwrap(account.DELETE('/auth/password'))
}

export function forgotPassword(email: string, locale: Locale): Promise<unknown> {
  return unwrap(account.POST('/auth/password/forgot', { body: { email, locale } }))
}

export function resetPassword(token: string, password: string): Promise<unknown> {
  return unwrap(account.POST('/auth/password/reset', { body: { token, password } }))
}

export function verifyEmail(token: string): Promise<{ email: string }> {
  return unwrap(account.POST('/auth/email/verify', { body: { token } }))
}

export function resendVerification(): Promise<unknown> {
  return unwrap(account.POST('/auth/email/resend'))
}

export function changeEmail(email: string): Promise<unknown> {
  return unwrap(account.POST('/auth/email', { body: { email } }))
}

export async function getSessions(): Promise<DeviceSession[]> {
  return (await unwrap(account.GET('/auth/sessions'))).items
}

export function revokeSession(session: string): Promise<unknown> {
  return unwrap(account.DELETE('/auth/sessions/{session}', { params: { path: { session } } }))
}

export function revokeOtherSessions(): Promise<unknown> {
  return unwrap(account.POST('/auth/sessions/revoke-others'))
}

export function getFactors(): Promise<Factors> {
  return unwrap(account.GET('/auth/factors'))
}

export function beginTotp(): Promise<TotpSetup> {
  return unwrap(account.POST('/auth/factors/totp'))
}

export async function confirmTotp(code: string): Promise<string[]> {
  return (await unwrap(account.POST('/auth/factors/totp/confirm', { body: { code } }))).recovery_codes
}

export function removeTotp(): Promise<unknown> {
  return unwrap(account.DELETE('/auth/factors/totp'))
}

export async function newRecoveryCodes(): Promise<string[]> {
  return (await unwrap(account.POST('/auth/factors/recovery-codes'))).recovery_codes
}

export function newPasskeyOptions(): Promise<Ceremony> {
  return unwrap(account.POST('/auth/factors/passkeys/options'))
}

export function addPasskey(name: string, signed: Signed): Promise<Passkey> {
  return unwrap(account.POST('/auth/factors/passkeys', { body: { name, ...signed } }))
}

export function removePasskey(passkey: string): Promise<unknown> {
  return unwrap(account.DELETE('/auth/factors/passkeys/{passkey}', { params: { path: { passkey } } }))
}

export async function getKeys(): Promise<ApiKey[]> {
  return (await unwrap(account.GET('/keys'))).items
}

export function createKey(body: NewKey): Promise<KeyWithSecret> {
  return unwrap(account.POST('/keys', { body }))
}

export function changeKey(key: string, body: KeyChange): Promise<ApiKey> {
  return unwrap(account.PATCH('/keys/{key}', { params: { path: { key } }, body }))
}

export function rotateKey(key: string, graceHours: number): Promise<KeyWithSecret> {
  return unwrap(account.POST('/keys/{key}/rotate', { params: { path: { key } }, body: { grace_hours: graceHours } }))
}

export function revokeKey(key: string): Promise<unknown> {
  return unwrap(account.DELETE('/keys/{key}', { params: { path: { key } } }))
}

export function createTenant(kind: TenantKind, name: string): Promise<Membership> {
  return unwrap(account.POST('/tenants', { body: { kind, name } }))
}

export function renameTenant(name: string): Promise<unknown> {
  return unwrap(account.PATCH('/tenants/current', { body: { name } }))
}

export async function getMembers(): Promise<Member[]> {
  return (await unwrap(account.GET('/members'))).items
}

export function changeRole(user: string, role: Role): Promise<unknown> {
  return unwrap(account.PATCH('/members/{user}', { params: { path: { user } }, body: { role } }))
}

export function removeMember(user: string): Promise<unknown> {
  return unwrap(account.DELETE('/members/{user}', { params: { path: { user } } }))
}

export async function getInvitations(): Promise<Invitation[]> {
  return (await unwrap(account.GET('/invitations'))).items
}

export function invite(email: string, role: Role): Promise<Invitation> {
  return unwrap(account.POST('/invitations', { body: { email, role } }))
}

export function withdrawInvitation(id: string): Promise<unknown> {
  return unwrap(account.DELETE('/invitations/{id}', { params: { path: { id } } }))
}

export function viewInvitation(token: string): Promise<InvitationView> {
  return unwrap(account.POST('/invitations/view', { body: { token } }))
}

export function acceptInvitation(token: string): Promise<Me> {
  return unwrap(account.POST('/invitations/accept', { body: { token } }))
}

export function refreshInvitation(token: string): Promise<unknown> {
  return unwrap(account.POST('/invitations/refresh', { body: { token } }))
}

export function getFamily(): Promise<Family> {
  return unwrap(account.GET('/family'))
}

export function addChild(body: NewChild): Promise<Child> {
  return unwrap(account.POST('/family/children', { body }))
}

export function changeChild(user: string, changes: { display_name?: string; pin?: string }): Promise<unknown> {
  return unwrap(account.PATCH('/family/children/{user}', { params: { path: { user } }, body: changes }))
}

export function removeChild(user: string): Promise<unknown> {
  return unwrap(account.DELETE('/family/children/{user}', { params: { path: { user } } }))
}

export function enterAsChild(user: string): Promise<Me> {
  return unwrap(account.POST('/family/children/{user}/enter', { params: { path: { user } } }))
}

export function getAudit(cursor: string | null): Promise<Page<AuditRow>> {
  const query: { limit: number; cursor?: string } = cursor === null ? { limit: 25 } : { limit: 25, cursor }
  return unwrap(account.GET('/audit', { params: { query } }))
}

export function askDeletion(): Promise<{ deletion_at: string }> {
  return unwrap(account.POST('/account/deletion'))
}

export function undoDeletion(): Promise<unknown> {
  return unwrap(account.DELETE('/account/deletion'))
}

export function unsubscribe(token: string): Promise<unknown> {
  return unwrap(account.POST('/mail/unsubscribe/{token}', { params: { path: { token } } }))
}

export async function getLetters(): Promise<Letter[]> {
  return (await unwrap(account.GET('/sandbox/letters'))).items
}

// The names that the app uses for what the server's OpenAPI document describes. `npm run api` writes schema.gen.ts.

import type { components } from './schema.gen'

export type { paths } from './schema.gen'

type Schemas = components['schemas']

export type Locale = Schemas['Lang']
export type Bilingual = Schemas['Text']
export type FieldProblem = Schemas['FieldError']
/** As it arrives; a proxy in between may have left out what is not required by RFC 9457. */
export type Problem = Pick<Schemas['Problem'], 'type' | 'code' | 'status' | 'title'> & Partial<Schemas['Problem']>
export type Role = Schemas['Role']
export type Membership = Schemas['TenantView']
export type Me = Schemas['Me']
export type FirstKey = Schemas['FirstKey']
export type Registered = Schemas['Welcome']
export type SecondStep = Schemas['SecondFactor']
export type Issuer = Schemas['Issuer']
export type IssuerAnswer = Schemas['Callback']
export type Arrived = Schemas['Arrived']
export type Ceremony = Schemas['PasskeyChallenge']
export type Signed = Schemas['PasskeyLogin']
export type Proof = Schemas['StepUp']
export type Factors = Schemas['Factors']
export type Passkey = Schemas['Passkey']
export type TotpSetup = Schemas['TotpSetup']
export type TenantKind = Schemas['GroupKind']
export type Member = Schemas['Member']
export type Invitation = Schemas['Invitation']
export type InvitationView = Schemas['InvitationView']
export type Family = Schemas['Family']
export type Child = Schemas['Child']
export type NewChild = Schemas['AddChild']
export type DeviceSession = Schemas['SessionView']
export type ApiKey = Schemas['Key']
export type NewKey = Schemas['CreateKey']
export type KeyChange = Schemas['UpdateKey']
export type KeyWithSecret = Schemas['NewKey']
export type AuditRow = Schemas['AuditLine']
export type Letter = Schemas['SandboxLetter']
export type DemoLogin = Schemas['DemoLogin']
export type DemoRole = Schemas['DemoRole']
export type StorefrontId = Schemas['StorefrontId']
export type House = Schemas['HouseView']
export type Quota = Schemas['Quota']
export type PlanView = Schemas['PlanView']
export type UsageRow = Schemas['UsageRow']
export type LedgerBalance = Schemas['Balance']
export type LedgerEntry = Schemas['Movement']
export type LedgerPage = Schemas['Statement']
export type RunState = Schemas['State']
export type MatchRule = Schemas['Rule']
export type MessageRun = Schemas['MessageRun']
export type Message = Schemas['MessageView']
export type ChatSummary = Schemas['ChatSummary']
export type Chat = Schemas['ChatView']
export type Findings = Schemas['Findings']
export type PassingAnswer = Schemas['PassingAnswer']
export type SendReply = Schemas['Answer']
export type Run = Schemas['InferenceView']

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

// Events of a stream are outside of what OpenAPI can describe.
export interface EndedData {
  state: 'completed' | 'failed' | 'cancelled'
  reason: string | null
  tokens_in: number
  tokens_out: number
  cost_nano_usd: number
}

export type RunEvent =
  | { id: number; event: 'started'; data: { run_id: string; model: string } }
  | { id: number; event: 'aside'; data: { text: Bilingual } }
  | { id: number; event: 'delta'; data: { text: string } }
  // What was said so far is taken back; what follows takes its place.
  | { id: number; event: 'withdrawn'; data: { category: string } }
  | { id: number; event: 'ended'; data: EndedData }

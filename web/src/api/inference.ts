import createClient from 'openapi-fetch'
import { getPlan } from './account'
import { inPageLanguage } from './client'
import { unwrap } from './problem'
import type { Access } from './runStream'
import type { Locale, PassingAnswer, PlanView, paths, Run, SendReply } from './types'

const RENEW_BEFORE_MS = 30_000

// Where the inference listener is, as the house tells everybody who loads its page.
export function inferenceUrl(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="noren-inference"]')?.content ?? location.origin
}

export interface AccessKeeper {
  access: (fresh: boolean) => Promise<Access>
  remember: (plan: PlanView) => void
  forget: () => void
}

// Keeps the five-minute inference token in memory (never in web storage) and renews it before it ends.
// Callers that ask at the same moment share one renewal.
export function createAccessKeeper(fetchPlan: () => Promise<PlanView>, now: () => number = Date.now): AccessKeeper {
  let held: PlanView['inference'] | null = null
  let renewal: Promise<Access> | null = null
  let generation = 0

  const remember = (plan: PlanView): void => {
    held = plan.inference
  }
  const renew = async (): Promise<Access> => {
    const asked = generation
    const plan = await fetchPlan()
    // Someone signed in or out meanwhile: this token is the former person's.
    if (asked === generation) remember(plan)
    return plan.inference
  }
  return {
    remember,
    forget() {
      generation += 1
      held = null
      renewal = null
    },
    access(fresh) {
      if (!fresh && held && Date.parse(held.expires_at) - now() > RENEW_BEFORE_MS) return Promise.resolve(held)
      renewal ??= renew().finally(() => {
        renewal = null
      })
      return renewal
    },
  }
}

// Under `npm run dev` the page has an origin that the inference listener does not know, so vite hands its calls on.
function reachable(plan: PlanView): PlanView {
  if (import.meta.env.MODE !== 'development') return plan
  return { ...plan, inference: { ...plan.inference, url: window.location.origin } }
}

export async function getMisakiPlan(): Promise<PlanView> {
  return reachable(await getPlan('misaki'))
}

export async function getGenaiPlan(): Promise<PlanView> {
  return reachable(await getPlan('genai'))
}

export const misakiAccess = createAccessKeeper(getMisakiPlan)
export const genaiAccess = createAccessKeeper(getGenaiPlan)

// A request goes out with a live token and once more with a new one when the first was refused.
function authorisedBy(keeper: AccessKeeper) {
  return async (request: Request): Promise<Response> => {
    const again = request.clone()
    const { token } = await keeper.access(false)
    request.headers.set('authorization', `Bearer ${token}`)
    const response = await globalThis.fetch(request)
    if (response.status !== 401) return response
    const renewed = await keeper.access(true)
    again.headers.set('authorization', `Bearer ${renewed.token}`)
    return globalThis.fetch(again)
  }
}

export async function inferenceOf(keeper: AccessKeeper) {
  const { url } = await keeper.access(false)
  const client = createClient<paths>({ baseUrl: url, credentials: 'omit', fetch: authorisedBy(keeper) })
  client.use(inPageLanguage)
  return client
}

export interface Outgoing {
  chatId: string | null
  // The message that this one is another version of.
  insteadOf: string | null
  text: string
  locale: Locale
  key: string
}

export async function sendMessage({ chatId, insteadOf, text, locale, key }: Outgoing): Promise<SendReply> {
  const client = await inferenceOf(misakiAccess)
  return unwrap(
    client.POST('/misaki/messages', {
      params: { header: { 'idempotency-key': key } },
      body: { chat_id: chatId, text, locale, ...(insteadOf === null ? {} : { instead_of: insteadOf }) },
    }),
  )
}

export async function askAgain(message: string, locale: Locale, key: string): Promise<SendReply> {
  const client = await inferenceOf(misakiAccess)
  return unwrap(
    client.POST('/misaki/messages/{message}/again', {
      params: { path: { message }, header: { 'idempotency-key': key } },
      body: { locale },
    }),
  )
}

export interface Said {
  role: 'user' | 'assistant'
  text: string
}

export async function sayInPassing(earlier: Said[], text: string, locale: Locale): Promise<PassingAnswer> {
  const client = await inferenceOf(misakiAccess)
  return unwrap(client.POST('/misaki/passing', { body: { earlier, text, locale } }))
}

export async function cancelRun(run: string): Promise<Run> {
  const client = await inferenceOf(misakiAccess)
  return unwrap(client.POST('/inference/{run}/cancel', { params: { path: { run } } }))
}

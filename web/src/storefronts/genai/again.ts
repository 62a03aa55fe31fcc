import { type Ask, getHistoryEntry, type HistoryEntry, startInference } from '../../api/genai'
import { Told } from '../../api/problem'
import { requestWords } from '../../i18n/genaiRecordWords'

const settings = [
  'max_tokens',
  'temperature',
  'top_p',
  'stop',
  'seed',
  'response_format',
  'tools',
  'tool_choice',
] as const

// The same request once more. Pictures, documents and the answers of tools are not on record in full, so such a one is not repeated.
export function askAgain({ model, messages, parameters }: HistoryEntry): Ask | null {
  if (messages === null || messages.length === 0) return null
  const whole = messages.every(
    ({ role, images, documents, tool_calls }) =>
      role !== 'tool' && images === 0 && documents === 0 && tool_calls.length === 0,
  )
  if (!whole) return null
  const kept = settings.flatMap((name) => {
    const value = parameters?.[name]
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(kept),
    model,
    messages: messages.map(({ role, text }) => ({ role: role as Ask['messages'][number]['role'], content: text })),
  }
}

export async function sendAgain(id: string): Promise<string> {
  const ask = askAgain(await getHistoryEntry(id))
  if (ask === null) throw new Told(requestWords.noRetry)
  return (await startInference(ask)).id
}

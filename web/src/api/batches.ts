// Batches and their files, at the door that programs use as well.

import { genaiAccess } from './inference'
import { ApiError, Told, Unreachable } from './problem'
import type { Bilingual } from './types'

export const batchEndpoints = ['/v1/chat/completions', '/v1/embeddings', '/v1/responses'] as const
export type BatchEndpoint = (typeof batchEndpoints)[number]

export interface Batch {
  id: string
  endpoint: string
  status: 'validating' | 'in_progress' | 'cancelling' | 'finalizing' | 'completed' | 'failed' | 'expired' | 'cancelled'
  created_at: number
  output_file_id: string | null
  error_file_id: string | null
  request_counts: { total: number; completed: number; failed: number }
  errors: { data: { code: string; message: string }[] } | null
  metadata: Record<string, string> | null
}

interface BatchPage {
  data: Batch[]
  last_id: string | null
  has_more: boolean
}

// This door speaks in its vendor's words, which carry a sentence but one language.
async function refused(response: Response): Promise<never> {
  const body: { error?: { message?: string; code?: string } } | null = await response.json().catch(() => null)
  const said = body?.error?.message
  if (said === undefined || response.status === 401) {
    const code = body?.error?.code ?? 'unexpected'
    throw new ApiError({ type: `urn:noren:problem:${code}`, code, status: response.status, title: response.statusText })
  }
  const words: Bilingual = { ja: said, en: said }
  throw new Told(words)
}

async function ask(method: string, path: string, body?: BodyInit): Promise<Response> {
  const call = async (fresh: boolean) => {
    const { url, token } = await genaiAccess.access(fresh)
    const language = document.documentElement.lang || 'ja'
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, 'accept-language': language }
    if (typeof body === 'string') headers['content-type'] = 'application/json'
    const init: RequestInit = { method, credentials: 'omit', headers, ...(body === undefined ? {} : { body }) }
    try {
      return await globalThis.fetch(new Request(`${url}${path}`, init))
    } catch (cause) {
      throw new Unreachable('unreachable', { cause })
    }
  }
  const first = await call(false)
  const response = first.status === 401 ? await call(true) : first
  return response.ok ? response : refused(response)
}

export async function getBatches(after: string | null): Promise<BatchPage> {
  const query = after === null ? '' : `&after=${encodeURIComponent(after)}`
  return (await ask('GET', `/v1/batches?limit=20${query}`)).json()
}

// The file and what is to be done with it, in one go.
export async function startBatch(file: File, endpoint: BatchEndpoint): Promise<Batch> {
  const form = new FormData()
  form.append('purpose', 'batch')
  form.append('file', file)
  const { id }: { id: string } = await (await ask('POST', '/v1/files', form)).json()
  const wish = {
    input_file_id: id,
    endpoint,
    completion_window: '24h',
    metadata: { filename: [...file.name].slice(0, 500).join('') },
  }
  return (await ask('POST', '/v1/batches', JSON.stringify(wish))).json()
}

export async function cancelBatch(id: string): Promise<Batch> {
  return (await ask('POST', `/v1/batches/${encodeURIComponent(id)}/cancel`)).json()
}

export async function getFileText(id: string): Promise<string> {
  return (await ask('GET', `/v1/files/${encodeURIComponent(id)}/content`)).text()
}

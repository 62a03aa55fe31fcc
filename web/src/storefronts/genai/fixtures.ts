import type { Figures, HistoryEntry, HistoryItem, Model } from '../../api/genai'
import type { PlanView } from '../../api/types'

// What a house at work would answer. Only tests import this.
export function item(id: string, more: Partial<HistoryItem> = {}): HistoryItem {
  return {
    id,
    status: 'completed',
    model: 'a',
    model_used: 'a',
    door: 'native',
    queue_position: null,
    created_at: '2026-11-20T09:00:00Z',
    started_at: null,
    completed_at: null,
    processing_time_ms: 800,
    tokens: { input: 1, output: 2, cached: 0, written: 0, thought: 0 },
    cost_nano_usd: 5,
    is_cached: false,
    is_stored: true,
    tags: [],
    error: null,
    prompt_excerpt: 'hello',
    text_excerpt: null,
    is_closed: false,
    key: null,
    ...more,
  }
}

export function entry(id: string, more: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    ...item(id),
    messages: [],
    parameters: null,
    text: null,
    tool_calls: null,
    finish_reason: null,
    timeline: [],
    webhook: null,
    ...more,
  }
}

const model = (name: string, in_plan: boolean): Model => ({
  name,
  kind: 'chat',
  price: {
    input_nano_usd: 150_000,
    cached_nano_usd: 150_000,
    output_nano_usd: 600_000,
    written_nano_usd: 150_000,
    long: null,
  },
  in_plan,
  cheapest_plan: in_plan ? 'free' : 'pro',
  health: 'up',
})
export const models = [model('small', true), model('big', false)]

export const figures: Figures = {
  requests: 3,
  completed: 2,
  failed: 1,
  cancelled: 0,
  success_rate: 2 / 3,
  mean_ms: 700,
  p95_ms: 900,
  tokens: { input: 10, output: 20, cached: 0, written: 0, thought: 0 },
  cost_nano_usd: 1000,
}

export const plan: PlanView = {
  storefront: 'genai',
  plan: { id: 'free', version: 1, title: { ja: '無料', en: 'Free' }, price_yen: 0 },
  status: 'active',
  expires_at: null,
  limits: { per_minute: 20, concurrent: 2 },
  features: {},
  quotas: [],
  inference: { url: 'http://inference.test', token: 't', expires_at: '2999-01-01T00:00:00Z' },
}

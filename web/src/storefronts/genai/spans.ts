import type { Grouping, Span } from '../../api/genai'

export const spans = ['1h', '24h', '7d', '30d', '90d'] as const
export type SpanName = (typeof spans)[number]

const HOUR = 3_600_000
const lengths: Record<SpanName, number> = {
  '1h': HOUR,
  '24h': 24 * HOUR,
  '7d': 7 * 24 * HOUR,
  '30d': 30 * 24 * HOUR,
  '90d': 90 * 24 * HOUR,
}
// What the time axis of a span is divided into.
const steps: Record<SpanName, Grouping> = { '1h': 'minute', '24h': 'hour', '7d': 'day', '30d': 'day', '90d': 'day' }

// From a full minute on, so that pages which open at about the same moment ask for the same.
export function spanFrom(name: SpanName, now: number): Span {
  return { from: new Date(Math.floor((now - lengths[name]) / 60_000) * 60_000).toISOString() }
}

export function stepOf(name: SpanName): Grouping {
  return steps[name]
}

export function isSpan(value: unknown): value is SpanName {
  return spans.some((span) => span === value)
}

export const groupings = ['time', 'model', 'key', 'tag'] as const
export type Split = (typeof groupings)[number]

export function groupingOf(split: Split, span: SpanName): Grouping {
  return split === 'time' ? stepOf(span) : split
}

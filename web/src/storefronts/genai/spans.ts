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

const DAY = 24 * HOUR
const sizes: Partial<Record<Grouping, number>> = { day: DAY, hour: HOUR, minute: 60_000 }
const MOST_STEPS = 400

// 2026-11-20, or 2026-11-20T09:00 and what follows it: the zone's own clock, which is counted on as it stands.
function instant(name: string): { at: number; rest: string } | null {
  const [, day, time = '00:00', rest = ''] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(.*))?$/.exec(name) ?? []
  return day === undefined ? null : { at: Date.parse(`${day}T${time}Z`), rest }
}

// The house tells of steps in which something happened; an axis has the quiet ones in between as well.
export function everyStep(names: readonly string[], by: Grouping): string[] {
  const size = sizes[by]
  const first = names[0] === undefined ? null : instant(names[0])
  const last = instant(names.at(-1) ?? '')
  if (size === undefined || first === null || last === null) return [...names]
  const steps = Math.round((last.at - first.at) / size)
  if (steps <= 0 || steps > MOST_STEPS) return [...names]
  const known = new Map(names.map((name) => [instant(name)?.at, name]))
  return Array.from({ length: steps + 1 }, (_, step) => {
    const at = first.at + step * size
    const text = new Date(at).toISOString()
    return known.get(at) ?? (by === 'day' ? text.slice(0, 10) : text.slice(0, 16) + first.rest)
  })
}

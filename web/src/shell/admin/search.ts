// What a filter may be in the address. What is not accepted must be named as absent: the router keeps what is left out.
type Found = string | undefined

// The router reads what looks like a number as one.
function word(value: unknown): Found {
  const text = typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && text !== '' && text.length <= 200 ? text : undefined
}

function figure(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined
}

export function isMonth(text: string): boolean {
  return /^20\d{2}-(0[1-9]|1[0-2])$/.test(text)
}

export function deskPlansSearch(search: Record<string, unknown>): {
  plan?: Found
  from?: number | undefined
  to?: number | undefined
} {
  return { plan: word(search['plan']), from: figure(search['from']), to: figure(search['to']) }
}

export function deskTenantsSearch(search: Record<string, unknown>): { q?: Found } {
  return { q: word(search['q']) }
}

export function deskSubscriptionsSearch(search: Record<string, unknown>): { storefront?: Found; status?: Found } {
  return { storefront: word(search['storefront']), status: word(search['status']) }
}

export function deskEventsSearch(search: Record<string, unknown>): { state?: Found } {
  return { state: word(search['state']) }
}

export function deskJobsSearch(search: Record<string, unknown>): { state?: Found; kind?: Found } {
  return { state: word(search['state']), kind: word(search['kind']) }
}

export function deskFeedbackSearch(search: Record<string, unknown>): { liked?: Found; reason?: Found } {
  const liked = search['liked']
  return { liked: typeof liked === 'boolean' ? String(liked) : word(liked), reason: word(search['reason']) }
}

export function deskUsageSearch(search: Record<string, unknown>): { month?: Found } {
  const month = word(search['month'])
  return { month: month !== undefined && isMonth(month) ? month : undefined }
}

export function deskFiguresSearch(search: Record<string, unknown>): { of?: Found } {
  const of = word(search['of'])
  return { of: of !== undefined && (isMonth(of) || /^20\d{2}$/.test(of)) ? of : undefined }
}

export function hooksSearch(search: Record<string, unknown>): { hook?: Found } {
  return { hook: word(search['hook']) }
}

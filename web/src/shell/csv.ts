// RFC 4180, with the mark that tells Excel that this is UTF-8.
const MARK = '\uFEFF'

// A name that begins like a formula is kept from being one: it was chosen by a customer, and runs at the operator's.
function cell(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function toCsv(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return MARK + [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

export function saveAs(name: string, content: string | Blob): void {
  const type = name.endsWith('.csv') ? 'text/csv' : 'application/jsonl'
  const blob = typeof content === 'string' ? new Blob([content], { type: `${type};charset=utf-8` }) : content
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The browser reads it in a later turn.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

// The most rows that are taken along: a file beyond that is nobody's to read.
const MOST = 5000

// All of a paged list, page by page.
export async function everyPage<T>(
  read: (cursor: string | null) => Promise<{ items: T[]; next_cursor?: string | null }>,
): Promise<T[]> {
  const all: T[] = []
  let cursor: string | null = null
  do {
    const page: { items: T[]; next_cursor?: string | null } = await read(cursor)
    all.push(...page.items)
    cursor = page.next_cursor ?? null
  } while (cursor !== null && all.length < MOST)
  return all
}

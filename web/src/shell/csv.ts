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

export function saveAs(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The browser reads it in a later turn.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

// Amounts in US dollars as people write them. The house counts in billionths, so nothing is ever rounded.

// Null when nothing was written, and NaN when it is no amount.
export function nanoOf(text: string): number | null {
  const plain = text.normalize('NFKC').replace(/[\s,$]/g, '')
  if (plain === '') return null
  const found = /^(\d{1,6})(?:\.(\d{1,9}))?$/.exec(plain)
  if (!found) return Number.NaN
  return Number(found[1]) * 1e9 + Number((found[2] ?? '').padEnd(9, '0'))
}

export function dollarText(nano: number): string {
  const part = String(nano % 1e9)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return part === '' ? String(Math.floor(nano / 1e9)) : `${Math.floor(nano / 1e9)}.${part}`
}

const LARGEST = 1_000_000_000

// An amount as somebody types it, in digits of either width, with or without commas; NaN when it is none.
export function amountOf(text: string): number {
  const plain = text.normalize('NFKC').replaceAll(',', '').trim()
  const amount = /^\d{1,10}$/.test(plain) ? Number(plain) : Number.NaN
  return amount >= 1 && amount <= LARGEST ? amount : Number.NaN
}

// The last second of a day that a person chose where they are; null when there is no such day.
export function endOfDay(date: string): string | null {
  const end = new Date(`${date}T23:59:59`)
  return Number.isNaN(end.getTime()) ? null : end.toISOString()
}

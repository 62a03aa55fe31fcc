// Codes and PINs are typed on any keyboard: full-width digits and the gaps that people put between groups are taken too.
export function plainCode(text: string): string {
  return text.normalize('NFKC').replace(/[\s‐-―ー－]/g, (found) => (/\s/.test(found) ? '' : '-'))
}

export function plainDigits(text: string): string {
  return plainCode(text).replace(/-/g, '')
}

// A secret in groups of four is read and typed with fewer slips.
export function inGroups(secret: string): string {
  return (secret.match(/.{1,4}/g) ?? []).join(' ')
}

export function looksLikeEmail(text: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(text)
}

export function lengthOf(text: string): number {
  return [...text].length
}

const ENDS = /[。！？!?…]+[」』）)"”]*\s*|\.(?=\s)\s*|\n+/g

// Cuts what has been completed since `from`, so that a screen reader hears sentences and not tokens.
export function finishedSentences(text: string, from: number): { said: string; next: number } {
  ENDS.lastIndex = from
  let next = from
  for (let match = ENDS.exec(text); match; match = ENDS.exec(text)) next = match.index + match[0].length
  return { said: plain(text.slice(from, next)), next }
}

// Markdown's signs are noise when read aloud.
export function plain(markdown: string): string {
  return markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s*(?:#{1,6}|[-*+]|>)\s+/gm, '')
    .replace(/[*_~`]{1,3}/g, '')
    .trim()
}

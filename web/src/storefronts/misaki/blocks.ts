const FENCE = /^ {0,3}(`{3,}|~{3,})/
// A list item, or a line that continues one: numbering and nesting need their neighbours.
const LISTED = /^(?:\s{2,}\S|\s*[-*+]\s|\s*\d{1,9}[.)]\s)/

// Cuts Markdown at blank lines into pieces that never change once the next piece has begun. Each is rendered once
// and kept, so a long answer costs no more per token than a short one.
export function splitBlocks(markdown: string): string[] {
  const blocks: string[] = []
  let current: string[] = []
  let fence: string | null = null
  let gap = false
  let inList = false
  for (const line of markdown.split('\n')) {
    if (fence === null && line.trim() === '') {
      if (current.length > 0) gap = true
      continue
    }
    if (gap) {
      const continues = inList && LISTED.test(line)
      if (continues) current.push('')
      else {
        blocks.push(current.join('\n'))
        current = []
        inList = false
      }
      gap = false
    }
    const mark = FENCE.exec(line)?.[1]
    if (fence === null && mark) fence = mark
    else if (fence !== null && mark && mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark)
      fence = null
    if (current.length === 0) inList = fence === null && /^\s*(?:[-*+]|\d{1,9}[.)])\s/.test(line)
    current.push(line)
  }
  if (current.length > 0) blocks.push(current.join('\n'))
  return blocks
}

// The welcome page's first load: the entry and everything it imports before anyone does anything, gzipped.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const LIMIT = 200_000
const dist = fileURLToPath(new URL('../dist/', import.meta.url))
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, 'utf8'))

function gzipped(files) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(dist + file), { level: 9 }).length, 0)
}

function filesOf(key, seen = new Set()) {
  const { file, imports = [] } = manifest[key]
  if (seen.has(file)) return seen
  seen.add(file)
  for (const other of imports) filesOf(other, seen)
  return seen
}

const first = filesOf('index.html')
const welcome = gzipped([...first])
console.log(`welcome page, first load: ${(welcome / 1000).toFixed(1)} kB of JavaScript (limit ${LIMIT / 1000} kB)`)
for (const [key, { isDynamicEntry }] of Object.entries(manifest)) {
  if (!isDynamicEntry) continue
  const more = [...filesOf(key)].filter((file) => !first.has(file))
  console.log(`  + ${key}: ${(gzipped(more) / 1000).toFixed(1)} kB`)
}
if (welcome > LIMIT) process.exitCode = 1

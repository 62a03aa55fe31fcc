// ChatGPT hands out its export as a zip. Only the talks in it are taken, so that whoever moves need not unpack it.

export const LARGEST = 16 * 1024 * 1024

const END = 0x06054b50
const ENTRY = 0x02014b50
const TALKS = /(?:^|\/)conversations\.json$/

export class NoTalks extends Error {}
export class TooLarge extends Error {}

async function inflated(packed: Blob): Promise<Blob> {
  const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader()
  const parts: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return new Blob(parts)
    size += value.length
    if (size > LARGEST) {
      await reader.cancel()
      throw new TooLarge()
    }
    parts.push(new Uint8Array(value))
  }
}

// The end of a zip says where its list of files stands; the list says where each begins.
async function talksIn(zip: Blob): Promise<Blob> {
  const tail = Math.max(0, zip.size - 65_557)
  const ending = new DataView(await zip.slice(tail).arrayBuffer())
  let at = ending.byteLength - 22
  while (at >= 0 && ending.getUint32(at, true) !== END) at -= 1
  if (at < 0) throw new NoTalks()
  const from = ending.getUint32(at + 16, true)
  const list = new DataView(await zip.slice(from, from + ending.getUint32(at + 12, true)).arrayBuffer())
  for (let entry = 0; entry + 46 <= list.byteLength && list.getUint32(entry, true) === ENTRY; ) {
    const nameLength = list.getUint16(entry + 28, true)
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, entry + 46, nameLength))
    if (TALKS.test(name)) {
      const start = list.getUint32(entry + 42, true)
      const local = new DataView(await zip.slice(start, start + 30).arrayBuffer())
      const begin = start + 30 + local.getUint16(26, true) + local.getUint16(28, true)
      const packed = zip.slice(begin, begin + list.getUint32(entry + 20, true))
      return list.getUint16(entry + 10, true) === 0 ? packed : inflated(packed)
    }
    entry += 46 + nameLength + list.getUint16(entry + 30, true) + list.getUint16(entry + 32, true)
  }
  throw new NoTalks()
}

export async function talksOf(file: Blob): Promise<Blob> {
  const mark = new Uint8Array(await file.slice(0, 4).arrayBuffer())
  const zipped = mark[0] === 0x50 && mark[1] === 0x4b
  let talks = file
  if (zipped) {
    try {
      talks = await talksIn(file)
    } catch (error) {
      // A damaged zip ends in all sorts of ways; none of them has talks in it.
      throw error instanceof TooLarge ? error : new NoTalks()
    }
  }
  if (talks.size > LARGEST) throw new TooLarge()
  return talks
}

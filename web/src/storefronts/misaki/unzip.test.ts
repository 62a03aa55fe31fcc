// @vitest-environment node
import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { LARGEST, NoTalks, TooLarge, talksOf } from './unzip'

interface Entry {
  name: string
  bytes: Buffer
  method?: 0 | 8
}

// A zip as programs write it: the files, then the list of them, then where the list is.
function zip(entries: readonly Entry[]): Blob {
  const files: Buffer[] = []
  const list: Buffer[] = []
  let at = 0
  for (const { name, bytes, method = 8 } of entries) {
    const packed = method === 8 ? deflateRawSync(bytes) : bytes
    const label = Buffer.from(name)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(method, 8)
    local.writeUInt16LE(label.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50, 0)
    entry.writeUInt16LE(method, 10)
    entry.writeUInt32LE(packed.length, 20)
    entry.writeUInt32LE(bytes.length, 24)
    entry.writeUInt16LE(label.length, 28)
    entry.writeUInt32LE(at, 42)
    files.push(local, label, packed)
    list.push(entry, label)
    at += 30 + label.length + packed.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt32LE(Buffer.concat(list).length, 12)
  end.writeUInt32LE(at, 16)
  return new Blob([Buffer.concat([...files, ...list, end])])
}

const talks = Buffer.from('[{"title":"夜の話"}]')

describe('an export', () => {
  test('that is plain stays as it is', async () => {
    expect(await (await talksOf(new Blob([talks]))).text()).toBe('[{"title":"夜の話"}]')
  })

  test.each([0, 8] as const)('in a zip is found among the rest (method %d)', async (method) => {
    const packed = zip([
      { name: 'chat.html', bytes: Buffer.from('<p>no</p>') },
      { name: 'export/conversations.json', bytes: talks, method },
    ])
    expect(await (await talksOf(packed)).text()).toBe('[{"title":"夜の話"}]')
  })

  test('without talks says so, also when the zip is broken', async () => {
    await expect(talksOf(zip([{ name: 'user.json', bytes: talks }]))).rejects.toBeInstanceOf(NoTalks)
    await expect(talksOf(new Blob(['PK\u0003\u0004 nothing more']))).rejects.toBeInstanceOf(NoTalks)
    const damaged = Buffer.from(await zip([{ name: 'conversations.json', bytes: talks }]).arrayBuffer())
    damaged.fill(0xff, 48, 60)
    await expect(talksOf(new Blob([damaged]))).rejects.toBeInstanceOf(NoTalks)
  })

  test('that grows beyond what is taken is stopped while it grows', async () => {
    const bomb = zip([{ name: 'conversations.json', bytes: Buffer.alloc(LARGEST + 1) }])
    expect(bomb.size).toBeLessThan(100_000)
    await expect(talksOf(bomb)).rejects.toBeInstanceOf(TooLarge)
  })
})

// @vitest-environment node
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Ask } from '../../api/genai'
import { KEY_VARIABLE, pythonLiteral, rustLiteral, shellQuoted, snippet } from './snippets'

const awkward = `It's "quoted", $HOME \`id\` \\n, 暖簾 🏮\nnull true\t\b`
const ask: Ask = {
  model: 'gpt-4o-mini',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: awkward },
  ],
  max_tokens: 64,
  temperature: 0.2,
  stop: ["'"],
}

describe('programs that are shown do what they say', () => {
  const got: { headers: IncomingMessage['headers']; body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (bytes: Buffer) => {
      body += bytes.toString('utf8')
    })
    request.on('end', () => {
      got.push({ headers: request.headers, body })
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ id: 'run_1', text: 'こんにちは' }))
    })
  })
  let url = ''
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((done) => server.close(done)))
  beforeEach(() => {
    got.length = 0
  })

  function run(program: string, args: string[], env = {}): Promise<string> {
    return new Promise((done, fail) => {
      const child = spawn(program, args, { env: { PATH: process.env['PATH'], ...env } })
      let out = ''
      let bad = ''
      child.stdout.on('data', (bytes: Buffer) => {
        out += bytes.toString('utf8')
      })
      child.stderr.on('data', (bytes: Buffer) => {
        bad += bytes.toString('utf8')
      })
      child.on('error', fail)
      child.on('close', (code) => (code === 0 ? done(out) : fail(new Error(bad))))
    })
  }

  function judged(key: string) {
    expect(got).toHaveLength(1)
    expect(JSON.parse(got[0]?.body ?? '')).toEqual(ask)
    expect(got[0]?.headers.authorization).toBe(`Bearer ${key}`)
    expect(got[0]?.headers['prefer']).toBe('wait=60')
  }

  test.each(['nrn_secret', null])('curl, with the key %s', async (key) => {
    const out = await run('bash', ['-c', snippet('curl', { url, key, ask })], { [KEY_VARIABLE]: 'nrn_env' })
    expect(JSON.parse(out)).toMatchObject({ text: 'こんにちは' })
    judged(key ?? 'nrn_env')
  })

  test.each(['nrn_secret', null])('Python, with the key %s', async (key) => {
    const env = { [KEY_VARIABLE]: 'nrn_env', PYTHONIOENCODING: 'utf-8' }
    expect((await run('python3', ['-c', snippet('python', { url, key, ask })], env)).trim()).toBe('こんにちは')
    judged(key ?? 'nrn_env')
  })

  test.each(['nrn_secret', null])('TypeScript, with the key %s', async (key) => {
    // There are no type annotations in it, so Node runs it as it is.
    const code = snippet('typescript', { url, key, ask })
    const out = await run('node', ['--input-type=module', '-e', code], { [KEY_VARIABLE]: 'nrn_env' })
    expect(out.trim()).toBe('こんにちは')
    judged(key ?? 'nrn_env')
  })
})

test('a quote does not end what the shell takes literally', () => {
  expect(shellQuoted(`it's`)).toBe(`'it'\\''s'`)
})

test('Python has other words for nothing and truth, but not inside texts', () => {
  expect(pythonLiteral(['null "true"', null, true, false]).replace(/\s+/g, ' ')).toBe(
    '[ "null \\"true\\"", None, True, False ]',
  )
})

test('Rust writes escapes with braces', () => {
  expect(rustLiteral('a\b\f\u0001\n"\\u')).toBe('"a\\u{8}\\u{c}\\u{0001}\\n\\"\\\\u"')
})

// Cargo builds that file, and a test of the whole house runs it: tests/blackbox/test_history.py.
test('the Rust that is shown is the Rust that is compiled and run', () => {
  const shown = snippet('rust', {
    url: 'http://inference.test',
    key: null,
    ask: {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: awkward },
      ],
      max_tokens: 64,
      temperature: 0.2,
    },
  })
  expect(shown).toBe(readFileSync('../crates/testkit/examples/ask/shown.rs', 'utf8'))
})

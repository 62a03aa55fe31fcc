// Doubles of two providers, as far as one talk needs them: RunPod's queue of vLLM workers and Anthropic's messages.
// RunPod's own client judges the same shapes in tests/blackbox; here the point is who was asked, and how often.
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MODELS = `
[[model]]
name = "misaki-small"
prices = [{ from = "2025-01-01", input = 1000, output = 2000 }]
targets = [{ provider = "runpod", model = "phi-3-mini" }]
[[model]]
name = "misaki-medium"
prices = [{ from = "2025-01-01", input = 3000, output = 4000 }]
targets = [{ provider = "runpod", model = "mistral-7b" }]
[[model]]
name = "misaki-large"
prices = [{ from = "2025-01-01", input = 300000, output = 1500000 }]
targets = [{ provider = "anthropic", model = "claude-3-haiku-20240307" }]
`

const answerOf = (model) => `わたしは ${model} の声で答えています。`

function bodyOf(request) {
  return new Promise((done) => {
    let text = ''
    request.on('data', (bytes) => {
      text += bytes
    })
    request.on('end', () => done(text === '' ? null : JSON.parse(text)))
  })
}

export async function openDoubles() {
  // What was asked of each model, in order.
  const asked = []
  const jobs = new Map()
  const told = new Set()

  function runpod(path, body, say) {
    const [, , endpoint, what, job] = path.split('/')
    if (what === 'run') {
      const id = `job-${jobs.size}-e1`
      jobs.set(id, endpoint)
      asked.push({ model: endpoint, messages: body.input.messages })
      return say({ id, status: 'IN_QUEUE' })
    }
    const output = { choices: [{ tokens: [answerOf(endpoint)] }], usage: { input: 40, output: 12 } }
    if (what === 'stream') {
      // what was handed out once is not handed out again
      const rest = told.has(job) ? [] : [{ output }]
      told.add(job)
      return say({ status: 'COMPLETED', stream: rest })
    }
    return say({ id: job, status: 'COMPLETED', output: [output] })
  }

  function anthropic(body, response) {
    asked.push({ model: body.model, system: body.system, messages: body.messages })
    const usage = { input_tokens: 50, output_tokens: 14 }
    const events = [
      { type: 'message_start', message: { id: 'msg_1', role: 'assistant', model: body.model, content: [], usage } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: answerOf(body.model) } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage },
      { type: 'message_stop' },
    ]
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
  }

  const server = createServer(async (request, response) => {
    const body = await bodyOf(request)
    if (request.url.startsWith('/v2/')) {
      runpod(request.url, body, (value) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify(value))
      })
    } else anthropic(body, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const file = join(mkdtempSync(join(tmpdir(), 'noren-models-')), 'models.toml')
  writeFileSync(file, MODELS)
  return {
    asked,
    answerOf,
    settings: {
      NOREN__GATEWAY__MODELS_FILE: file,
      NOREN__GATEWAY__PROVIDERS__RUNPOD__BASE_URL: `${url}/v2`,
      NOREN__GATEWAY__PROVIDERS__RUNPOD__API_KEYS: 'rpa_double',
      NOREN__GATEWAY__PROVIDERS__ANTHROPIC__BASE_URL: url,
      NOREN__GATEWAY__PROVIDERS__ANTHROPIC__API_KEYS: 'sk-ant-double',
    },
    close: () => server.close(),
  }
}

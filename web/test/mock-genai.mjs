// The inference API's part of the stand-in house: what was asked and what it cost, models, statistics, and runs that stream.
const MINUTE = 60_000
const two = (ja, en) => ({ ja, en })
const model = (name, input, output, more = {}) => ({
  name,
  kind: 'chat',
  price: {
    input_nano_usd: input,
    cached_nano_usd: Math.round(input / 2),
    output_nano_usd: output,
    written_nano_usd: input,
    long:
      name === 'gpt-4o'
        ? {
            over: 272_000,
            input_nano_usd: 2 * input,
            cached_nano_usd: input,
            output_nano_usd: 2 * output,
            written_nano_usd: 2 * input,
          }
        : null,
  },
  in_plan: true,
  cheapest_plan: 'free',
  health: 'up',
  ...more,
})

export const models = [
  model('gpt-4o-mini', 150_000, 600_000),
  model('gpt-3.5-turbo', 500_000, 1_500_000, { health: 'slow' }),
  model('llama-3-8b', 200_000, 200_000, { health: 'unknown' }),
  model('gpt-4o', 2_500_000, 10_000_000, { in_plan: false, cheapest_plan: 'pro' }),
  model('claude-3-opus', 15_000_000, 75_000_000, {
    in_plan: false,
    cheapest_plan: 'enterprise',
    health: 'down',
  }),
  model('text-embedding-3-small', 20_000, 0, { kind: 'embedding' }),
]

const grants = (amount, every) => [{ unit: 'genai.chat', amount, every }]
export const genaiOffers = [
  ['free', two('無料', 'Free'), 0, [20, 2], grants(100, 'day')],
  ['pro', two('プロ', 'Pro'), 2980, [60, 5], grants(10_000, 'month')],
  ['enterprise', two('エンタープライズ', 'Enterprise'), 29_800, [600, 50], grants(200_000, 'month')],
].map(([id, title, price_yen, [per_minute, concurrent], granted]) => ({
  id,
  version: 1,
  title,
  price_yen,
  limits: { per_minute, concurrent },
  grants: granted,
  features: { async_jobs: true },
  highlights: [],
}))

const prompts = [
  '暖簾（のれん）とは何か、ひと言で教えてください。',
  'Summarise this incident report in three bullet points, naming owner and next step for each of them.',
  '次の問い合わせを、返金・不具合・その他に分類して JSON で返してください。',
  'Translate to Japanese: “The shop opens when the curtain is out.”',
]
const answer =
  '暖簾は、店の入口に掛ける布で、「いま開いています」という合図であり、店の信用そのものを指す言葉でもあります。'

function itemOf(state, at, part = {}) {
  const status = part.status ?? 'completed'
  const over = ['completed', 'failed', 'cancelled'].includes(status)
  const ms = over ? 640 + ((state.genai.count * 379) % 4200) : null
  const prompt = part.prompt ?? prompts[state.genai.count % prompts.length]
  state.genai.count += 1
  return {
    id: `run_${state.genai.count.toString(16).padStart(32, '0')}`,
    status,
    model: models[state.genai.count % 3].name,
    model_used: models[state.genai.count % 3].name,
    door: state.genai.count % 4 === 0 ? 'openai' : 'native',
    queue_position: status === 'queued' ? 2 : null,
    created_at: new Date(at).toISOString(),
    started_at: status === 'queued' ? null : new Date(at + 120).toISOString(),
    completed_at: over ? new Date(at + ms).toISOString() : null,
    processing_time_ms: ms,
    tokens: { input: 48 + prompt.length, output: over ? 96 : 0, cached: 0 },
    cost_nano_usd: over ? 81_400 + state.genai.count * 700 : 0,
    is_cached: false,
    is_stored: part.is_stored ?? true,
    tags: [],
    error:
      status === 'failed'
        ? { code: 'upstream_failed', title: two('モデルの提供元が失敗しました。', 'The provider failed.') }
        : null,
    last_event_id: 1,
    prompt_excerpt: part.is_stored === false || part.is_closed ? null : prompt,
    text_excerpt: status === 'completed' && part.is_stored !== false && !part.is_closed ? answer : null,
    is_closed: part.is_closed ?? false,
    key: state.genai.count % 3 === 0 ? null : { id: 'key_1', name: '夜の集計' },
  }
}

function genaiOf(state) {
  if (state.genai) return state.genai
  state.genai = { count: 0, items: [], watchers: new Set() }
  if (state.as === 'paid' || state.as === 'vip') {
    const now = Date.now()
    const kinds = ['completed', 'completed', 'failed', 'completed', 'cancelled', 'completed', 'completed']
    for (let n = 0; n < 40; n += 1) {
      state.genai.items.push(
        itemOf(state, now - n * n * 4 * MINUTE - 3 * MINUTE, {
          status: kinds[n % 7],
          is_stored: n % 9 !== 5,
          is_closed: n === 3,
        }),
      )
    }
    state.genai.items.unshift(
      itemOf(state, now - 4000, { status: 'queued' }),
      itemOf(state, now - 9000, { status: 'processing' }),
    )
  }
  return state.genai
}

function tell(genai, item) {
  for (const res of genai.watchers) res.write(`event: inference\ndata: ${JSON.stringify(item)}\n\n`)
}

function figures(items) {
  const completed = items.filter(({ status }) => status === 'completed')
  const count = (wanted) => items.filter(({ status }) => status === wanted).length
  const times = completed.map((item) => item.processing_time_ms).sort((a, b) => a - b)
  const sum = (of) => items.reduce((all, one) => all + of(one), 0)
  return {
    requests: items.length,
    completed: completed.length,
    failed: count('failed'),
    cancelled: count('cancelled'),
    success_rate: items.length === 0 ? null : completed.length / items.length,
    mean_ms: times.length === 0 ? null : Math.round(times.reduce((all, one) => all + one, 0) / times.length),
    p95_ms: times.length === 0 ? null : times[Math.floor((times.length - 1) * 0.95)],
    tokens: {
      input: sum((one) => one.tokens.input),
      output: sum((one) => one.tokens.output),
      cached: 0,
    },
    cost_nano_usd: sum((one) => one.cost_nano_usd),
  }
}

function statistics(items, by) {
  const nameOf = {
    model: (item) => item.model,
    key: (item) => item.key?.name ?? '',
    tag: () => '',
    day: (item) => item.created_at.slice(0, 10),
    hour: (item) => `${item.created_at.slice(0, 13)}:00:00Z`,
    minute: (item) => `${item.created_at.slice(0, 16)}:00Z`,
  }[by]
  const names = nameOf ? [...new Set(items.map(nameOf))].sort() : []
  return {
    totals: figures(items),
    zone: 'Asia/Tokyo',
    groups: names.map((name) => ({ name, id: null, ...figures(items.filter((item) => nameOf(item) === name)) })),
  }
}

const timeline = (item) => [
  { at: item.created_at, what: 'asked', detail: null },
  ...(item.started_at ? [{ at: item.started_at, what: 'started', detail: item.model_used }] : []),
  ...(item.completed_at ? [{ at: item.completed_at, what: item.status, detail: item.error?.code ?? null }] : []),
]

// Conversations at the playground, of those who have asked before.
function talksOf(state) {
  const genai = genaiOf(state)
  if (genai.talks) return genai.talks
  const ended = genai.items.filter(({ status }) => status === 'completed' || status === 'failed')
  const turn = (n, items, at = n) => ({
    id: `turn_${at}`,
    asked: items[0].prompt_excerpt,
    answers: items.map((item, place) => ({ ...item, place, text: item.text_excerpt })),
  })
  genai.talks = ended.slice(0, 9).map((item, n) => ({
    id: `talk_${n}`,
    title: n === 2 ? '問い合わせの仕分けの下書き（返金・不具合・その他）' : null,
    model: item.model,
    created_at: item.created_at,
    updated_at: item.created_at,
    turns: n === 0 ? [turn(0, ended.slice(9, 11)), turn(1, [item])] : [turn(n, [item])],
  }))
  return genai.talks
}

const listed = ({ turns, ...talk }) => ({ ...talk, excerpt: turns[0].asked })

async function answerTalks({ req, at, path, url, state, json, problem, empty, bodyOf, page }) {
  const genai = genaiOf(state)
  const talks = talksOf(state)
  const put = (talk, { run_id, turn, place }) => {
    const run = genai.items.find(({ id }) => id === run_id)
    const answer = { ...run, place, text: run.text_excerpt }
    const known = talk.turns.find(({ id }) => id === turn)
    if (known) known.answers.push(answer)
    else talk.turns.push({ id: turn, asked: run.prompt_excerpt, answers: [answer] })
    return listed(talk)
  }
  if (at === 'GET /genai/talks') return json(page(talks.map(listed), url))
  if (at === 'POST /genai/talks') {
    const run = await bodyOf()
    const now = new Date().toISOString()
    const { model } = genai.items.find(({ id }) => id === run.run_id)
    const talk = { id: `talk_${Date.now()}`, title: null, model, created_at: now, updated_at: now, turns: [] }
    talks.unshift(talk)
    return json(put(talk, run), 201)
  }
  const talk = talks.find(({ id }) => path.startsWith(`/genai/talks/${id}`))
  if (!talk) return problem(404, 'talk_not_found')
  if (path.endsWith('/runs')) return json(put(talk, await bodyOf()))
  if (req.method === 'PATCH') return json(listed(Object.assign(talk, await bodyOf())))
  if (req.method === 'DELETE') {
    talks.splice(talks.indexOf(talk), 1)
    return empty()
  }
  return json({ ...listed(talk), turns: talk.turns })
}

// False when the path is none of these.
export async function answerGenai({ req, res, at, path, url, state, json, problem, empty, bodyOf, page }) {
  if (path === '/genai/models') return json({ items: models })
  if (path === '/status' && req.headers.accept?.includes('text/html') !== true)
    return json({
      items: models
        .filter(({ kind }) => kind === 'chat')
        .map(({ name, health }) => ({
          model: name,
          health,
          success_rate_1h: { up: 0.9994, slow: 0.98, down: 0.12, unknown: null }[health],
          p50_ms: { up: 740, slow: 9200, down: 1200, unknown: null }[health],
        })),
      providers: [
        { provider: 'anthropic', health: 'up', success_rate_1h: 0.9991, first_word_p50_ms: 500 },
        { provider: 'openai', health: 'slow', success_rate_1h: 0.87, first_word_p50_ms: 1500 },
        { provider: 'runpod', health: 'down', success_rate_1h: 0.12, first_word_p50_ms: null },
      ],
    })
  if (at === 'GET /rate-limit' && url.searchParams.get('storefront') === 'genai')
    return json({
      storefront: 'genai',
      policies: [
        { name: 'permin', quota: 20, window_secs: 60, remaining: 14, reset_secs: 18, unit: null },
        { name: 'concurrent', quota: 2, window_secs: null, remaining: 1, reset_secs: null, unit: null },
        {
          name: 'genai.chat',
          quota: 100,
          window_secs: 86_400,
          remaining: 58,
          reset_secs: 30_000,
          unit: 'genai.chat',
        },
      ],
    })
  if (!/^\/(history|statistics|genai\/talks)/.test(path)) return false
  if (!state) return problem(401, 'unauthenticated')
  if (path.startsWith('/genai/talks'))
    return answerTalks({ req, at, path, url, state, json, problem, empty, bodyOf, page })
  const genai = genaiOf(state)
  const { searchParams } = url
  if (path === '/history/events') {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    res.write(': ping\n\n')
    genai.watchers.add(res)
    return res.on('close', () => genai.watchers.delete(res))
  }
  if (path === '/statistics') {
    const from = searchParams.get('from') ?? ''
    const items = genai.items.filter(({ created_at }) => created_at >= from)
    const sums = statistics(items, searchParams.get('by'))
    if (req.headers.accept !== 'text/csv') return json(sums)
    res.writeHead(200, { 'content-type': 'text/csv' })
    return res.end('name,requests\r\n')
  }
  if (path === '/history') {
    const has = (name, of) => (item) => !searchParams.has(name) || of(item) === searchParams.get(name)
    const found = genai.items
      .filter(has('model', (item) => item.model))
      .filter(has('status', (item) => item.status))
      .filter(has('key', (item) => item.key?.id))
      .filter((item) => item.prompt_excerpt?.includes(searchParams.get('q') ?? '') ?? !searchParams.has('q'))
    return json(page(found, url))
  }
  const forget = (item) => Object.assign(item, { is_stored: false, prompt_excerpt: null, text_excerpt: null })
  if (at === 'POST /history/delete') {
    const { ids } = await bodyOf()
    const gone = genai.items.filter((item) => ids.includes(item.id) && item.is_stored)
    gone.forEach(forget)
    return json({ deleted: gone.length })
  }
  const item = genai.items.find(({ id }) => path === `/history/${id}`)
  if (!item) return problem(404, 'run_not_found')
  if (req.method === 'DELETE') {
    forget(item)
    return empty()
  }
  const said = (role, text) => ({ role, text, images: 0, documents: 0, tool_calls: [] })
  return json({
    ...item,
    messages:
      item.is_stored && !item.is_closed ? [said('system', '簡潔に。'), said('user', item.prompt_excerpt)] : null,
    parameters: item.is_stored && !item.is_closed ? { max_tokens: 512, temperature: 0.2 } : null,
    text: item.text_excerpt,
    tool_calls: null,
    finish_reason: item.status === 'completed' ? 'stop' : null,
    timeline: timeline(item),
    webhook:
      item.status === 'completed'
        ? {
            url: 'https://hooks.example-company.co.jp/in/a/rather/long/path/noren?run=1',
            events: [],
            deliveries: [
              {
                id: 'dlv_1',
                event: 'evt_1',
                event_type: 'run.completed',
                url: 'https://hooks.example-company.co.jp/in/a/rather/long/path/noren?run=1',
                state: 'delivered',
                created_at: item.created_at,
                attempts: [
                  {
                    number: 1,
                    at: item.created_at,
                    milliseconds: 15_000,
                    status: null,
                    error: 'no answer within 15 s',
                    answer: null,
                  },
                  { number: 2, at: item.created_at, milliseconds: 84, status: 200, error: null, answer: 'ok' },
                ],
              },
            ],
          }
        : null,
  })
}

// The listener that runs are asked of. False when the path is none of these.
export async function answerInference({ req, path, state, json, problem, bodyOf, runs, push }) {
  if (req.method !== 'POST') return false
  if (path === '/inference/quote') {
    const { model: name, messages, max_tokens = 512 } = await bodyOf()
    const found = models.find((one) => one.name === name) ?? models[0]
    if (!found.in_plan) return problem(402, 'model_not_in_plan')
    const input_tokens = messages.reduce((all, { content }) => all + Math.ceil(content.length / 2) + 4, 0)
    return json({
      model: name,
      input_tokens,
      max_output_tokens: max_tokens,
      cost_upper_bound_nano_usd: Math.round(
        (input_tokens * found.price.input_nano_usd + max_tokens * found.price.output_nano_usd) / 1000,
      ),
      units: { unit: 'genai.chat', amount: 1 },
    })
  }
  const genai = genaiOf(state)
  const cancelled = /^\/inference\/([^/]+)\/cancel$/.exec(path)?.[1]
  const change = (item, part) => {
    Object.assign(item, part)
    tell(genai, item)
  }
  if (cancelled) {
    const item = genai.items.find(({ id }) => id === cancelled)
    if (!item) return false
    change(item, { status: 'cancelled', completed_at: new Date().toISOString(), processing_time_ms: 900 })
    const run = runs.get(item.id)
    if (run && !run.ended) {
      run.ended = true
      push(run, 'ended', { state: 'cancelled', reason: 'stopped', tokens_in: 20, tokens_out: 8, cost_nano_usd: 900 })
    }
    return json(item)
  }
  if (path !== '/inference') return false
  const body = await bodyOf()
  const prompt = body.prompt ?? body.messages.at(-1).content
  const item = { ...itemOf(state, Date.now(), { status: 'queued', prompt }), model: body.model, key: null }
  genai.items.unshift(item)
  tell(genai, item)
  const run = { id: item.id, events: [], readers: new Set(), ended: false }
  runs.set(item.id, run)
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const generate = async () => {
    await pause(250)
    change(item, { status: 'processing', queue_position: null, started_at: new Date().toISOString() })
    push(run, 'started', { run_id: item.id, model: body.model })
    if (prompt.includes('[fail]')) {
      run.ended = true
      change(item, { status: 'failed', completed_at: new Date().toISOString(), processing_time_ms: 300 })
      return push(run, 'ended', {
        state: 'failed',
        reason: 'upstream_failed',
        tokens_in: 9,
        tokens_out: 0,
        cost_nano_usd: 0,
      })
    }
    for (const piece of answer.match(/[\s\S]{1,6}/g) ?? []) {
      if (run.ended) return
      push(run, 'delta', { text: piece })
      await pause(prompt.includes('[slow]') ? 400 : 30)
    }
    if (run.ended) return
    run.ended = true
    const cost_nano_usd = 81_400
    change(item, {
      status: 'completed',
      completed_at: new Date().toISOString(),
      processing_time_ms: 1240,
      tokens: { input: 62, output: 96, cached: 0 },
      cost_nano_usd,
      text_excerpt: answer,
    })
    push(run, 'ended', { state: 'completed', reason: null, tokens_in: 62, tokens_out: 96, cost_nano_usd })
  }
  if (req.headers.prefer?.startsWith('wait=')) {
    await generate()
    return json({ ...item, text: answer })
  }
  void generate()
  return json(item, 202)
}

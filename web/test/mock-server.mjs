// A stand-in for the house, for looking at the pages only: it follows the HTTP contract, keeps everything in memory and
// is not shipped. `node test/mock-server.mjs` serves dist/ on 8080 and inference on 8081.
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answerAdmin } from './mock-admin.mjs'
import { answerBilling, planPart } from './mock-billing.mjs'
import { house, plans, sample, texts, types } from './mock-data.mjs'
import { answerGenai, answerInference } from './mock-genai.mjs'
import { answerIdentity, identityOf, meOf, post } from './mock-identity.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const phrasesFile = join(here, '../../crates/misaki/phrases/default.json')
const phrases = existsSync(phrasesFile) ? JSON.parse(readFileSync(phrasesFile, 'utf8')) : { version: 1, phrases: [] }

let counter = 0
function id(prefix) {
  counter += 1
  return `${prefix}_${counter.toString(16).padStart(32, '0')}`
}
const ago = (days, hours = 0) => new Date(Date.now() - days * 86_400_000 - hours * 3_600_000).toISOString()

export function start({ account = 8080, inference = 8081, dist = join(here, '../dist'), fault = {} } = {}) {
  const sessions = new Map()
  const users = new Map()
  const runs = new Map()
  const keys = new Map()
  const readers = new Set()
  let accountUrl = ''
  let inferenceUrl = ''

  function person(as, user) {
    const plan = plans[as] ?? plans.free
    const rich = as !== 'guest'
    const state = {
      as,
      user,
      tenant: id('tnt'),
      chats: new Map(),
      available: plan.granted,
      held: 0,
      used: 0,
      usage: [],
      ledger: [],
    }
    state.identity = identityOf(state, id)
    const grant = id('xfer')
    state.ledger.push(
      {
        transfer_id: grant,
        at: ago(30),
        kind: 'grant',
        account: 'available',
        unit: 'misaki.chat',
        amount: plan.granted,
        lot_id: id('lot'),
        ref: 'plan',
      },
      {
        transfer_id: grant,
        at: ago(30),
        kind: 'grant',
        account: 'issued',
        unit: 'misaki.chat',
        amount: -plan.granted,
        lot_id: id('lot'),
        ref: 'plan',
      },
    )
    if (rich) {
      const titles = [
        ['仕事の愚痴と、おでんの話', 0],
        ['引っ越しの相談', 1],
        ['終電を逃した夜のことと、それから朝ごはんをどうしたかという長い話', 4],
        ['母の日に贈るもの', 20],
        ['はじめまして', 45],
      ]
      for (const [title, days] of titles) {
        const chat = { id: id('chat'), title, created_at: ago(days), updated_at: ago(days), messages: [] }
        chat.messages.push(
          {
            id: id('msg'),
            role: 'user',
            text: '今日は仕事で**大失敗**してしまって、ちょっと飲みたい気分です。',
            at: ago(days),
            canned: null,
            run: null,
          },
          {
            id: id('msg'),
            role: 'assistant',
            text: sample,
            at: ago(days),
            canned: null,
            run: { id: id('run'), state: 'completed', reason: null, model: 'sandbox-mama' },
          },
        )
        state.chats.set(chat.id, chat)
      }
      for (let n = 0; n < 26; n += 1) {
        spend(state, {
          at: ago(n / 5, n),
          outcome: n === 3 ? 'failed' : n === 7 ? 'cancelled' : 'completed',
          model: 'sandbox-mama',
          run_id: id('run'),
        })
      }
    }
    return state
  }

  function spend(state, { at, outcome, model, run_id }) {
    const done = outcome === 'completed'
    state.usage.push({
      run_id,
      at,
      model,
      tokens_in: 212,
      tokens_out: done ? 96 : 12,
      cost_nano_usd: done ? 41_300 : 0,
      unit: 'misaki.chat',
      amount: done ? 1 : 0,
      outcome,
    })
    for (const [kind, from, to] of [
      ['hold', 'available', 'held'],
      done ? ['settle', 'held', 'spent'] : ['release', 'held', 'available'],
    ]) {
      const transfer_id = id('xfer')
      const row = { transfer_id, at, kind, unit: 'misaki.chat', lot_id: id('lot'), ref: run_id }
      state.ledger.unshift({ ...row, account: from, amount: -1 }, { ...row, account: to, amount: 1 })
    }
    if (done) {
      state.available -= 1
      state.used += 1
    }
  }

  function problem(res, status, code, extra = {}) {
    const [ja, en] = texts[code] ?? [code, code]
    const request_id = id('req')
    const headers = { 'content-type': 'application/problem+json', 'x-request-id': request_id }
    if (extra.retry_after) headers['retry-after'] = String(extra.retry_after)
    res.writeHead(status, headers)
    res.end(
      JSON.stringify({
        type: `urn:noren:problem:${code}`,
        code,
        status,
        title: code,
        detail: ja,
        text: { ja, en },
        request_id,
        ...extra,
      }),
    )
  }
  const json = (res, body, status = 200, headers = {}) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers })
    res.end(JSON.stringify(body))
  }
  const cookieOf = (req) => /(?:^|; )noren=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
  function demo(as) {
    const name = {
      free: '無料のお客さま',
      paid: '常連さん',
      leaving: '常連さん',
      operator: '番頭さん',
      child: 'はなちゃん',
      vip: 'とても長い呼び名のVIPのお客さまです',
    }[as]
    const user = { id: id('usr'), email: `${as}@demo.noren.example`, display_name: name, locale: 'ja' }
    return person(as, as === 'guest' ? null : user)
  }
  function signIn(res, state, status = 200, more = {}) {
    const session = id('ses')
    sessions.set(session, state)
    json(res, { ...meOf(state), ...more }, status, { 'set-cookie': `noren=${session}; HttpOnly; Path=/; SameSite=Lax` })
  }
  async function bodyOf(req) {
    let text = ''
    for await (const part of req) text += part
    return text === '' ? {} : JSON.parse(text)
  }
  function page(items, url) {
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const limit = Number(url.searchParams.get('limit') ?? 20)
    const next = from + limit
    return { items: items.slice(from, next), next_cursor: next < items.length ? String(next) : null }
  }
  function planOf(state) {
    const plan = plans[state.as] ?? plans.free
    const resets = new Date()
    resets.setHours(24, 0, 0, 0)
    return {
      storefront: 'misaki',
      ...planPart(state),
      quotas: [
        {
          unit: 'misaki.chat',
          granted: plan.granted,
          available: state.available - state.held,
          held: state.held,
          used: state.used,
          resets_at: resets.toISOString(),
          every: plan.every,
        },
      ],
      features: {},
      inference: {
        url: inferenceUrl,
        token: `t-${state.tenant}`,
        expires_at: new Date(Date.now() + 300_000).toISOString(),
      },
    }
  }

  async function onAccount(req, res) {
    const url = new URL(req.url, accountUrl)
    const path = url.pathname
    const state = sessions.get(cookieOf(req))
    const at = `${req.method} ${path}`
    if (fault.account?.(at)) return problem(res, 503, 'database_unavailable')
    if (at === 'GET /house') return json(res, house)
    if (at === 'GET /auth/me') return state ? json(res, meOf(state)) : problem(res, 401, 'unauthenticated')
    if (at === 'POST /auth/guest') return state ? json(res, meOf(state)) : signIn(res, person('guest', null), 201)
    if (at === 'POST /auth/logout') {
      sessions.delete(cookieOf(req))
      res.writeHead(204, { 'set-cookie': 'noren=; Max-Age=0; Path=/' })
      return res.end()
    }
    if (at === 'POST /demo/sign-in') {
      const { as } = await bodyOf(req)
      return signIn(res, demo(as))
    }
    const said = {
      at,
      path,
      url,
      state,
      id,
      json: (body, status) => json(res, body, status),
      problem: (status, code, extra) => problem(res, status, code, extra),
      empty: () => {
        res.writeHead(204)
        res.end()
      },
      bodyOf: () => bodyOf(req),
      signIn: (other) => signIn(res, other),
      person: demo,
      page,
    }
    if ((await answerGenai({ ...said, req, res })) !== false) return
    if ((await answerAdmin(said)) !== false || (await answerIdentity(said)) !== false) return
    const billed = await answerBilling({
      at,
      path,
      url,
      state,
      id,
      json: (body, status) => json(res, body, status),
      problem: (status, code) => problem(res, status, code),
      html: (text) => {
        res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        res.end(text)
      },
      move: (location) => {
        res.writeHead(303, { location })
        res.end()
      },
      bodyOf: () => bodyOf(req),
    })
    if (billed !== false) return
    if (at === 'POST /auth/login') {
      const { email, password } = await bodyOf(req)
      if (email === 'second@example.jp')
        return json(res, { ticket: 't', methods: ['totp', 'recovery', 'passkey'] }, 202)
      const found = users.get(email)
      return found && found.password === password ? signIn(res, found.state) : problem(res, 401, 'wrong_credentials')
    }
    if (at === 'POST /auth/register') {
      const { email, password, display_name = null, locale = 'ja' } = await bodyOf(req)
      if (users.has(email)) {
        return problem(res, 409, 'email_taken', {
          errors: [
            {
              pointer: '/email',
              code: 'email_taken',
              text: {
                ja: '別のメールアドレスにするか、サインインしてください。',
                en: 'Use another address, or sign in.',
              },
            },
          ],
        })
      }
      if (password === 'password') {
        const text = { ja: 'よく使われるパスワードです。', en: 'This is a common password.' }
        return problem(res, 422, 'invalid_input', {
          errors: [{ pointer: '/password', code: 'weak_password', text }],
        })
      }
      const kept = state ?? person('free', null)
      Object.assign(kept, { as: 'new', user: { id: id('usr'), email, display_name: display_name ?? '', locale } })
      kept.identity = identityOf(kept, id)
      users.set(email, { password, state: kept })
      post(id, email, 'メールアドレスの確認', '/link/verify#tok')
      return signIn(res, kept, 201, {
        api_key: { id: id('key'), name: 'first', secret: `nrn_${'a1B2c3D4'.repeat(5)}` },
      })
    }
    if (path === '/api/misaki/phrases') return json(res, phrases)
    if (/^\/(billing\/(?!confirm|result)|api\/)/.test(path) && !state) return problem(res, 401, 'unauthenticated')
    if (path === '/billing/plan')
      return json(res, { ...planOf(state), storefront: url.searchParams.get('storefront') ?? 'misaki' })
    if (path === '/billing/usage') return json(res, page(state.usage, url))
    if (path === '/billing/ledger') {
      const balances = ['available', 'held', 'spent', 'expired', 'issued'].map((name) => ({
        account: name,
        unit: 'misaki.chat',
        balance: state.ledger.filter((entry) => entry.account === name).reduce((sum, entry) => sum + entry.amount, 0),
      }))
      return json(res, {
        balances,
        ...page(
          state.ledger.toSorted((a, b) => b.at.localeCompare(a.at)),
          url,
        ),
      })
    }
    if (at === 'GET /api/misaki/chats') {
      const chats = [...state.chats.values()].toSorted((a, b) => b.updated_at.localeCompare(a.updated_at))
      return json(
        res,
        page(
          chats.map(({ messages: _, ...chat }) => chat),
          url,
        ),
      )
    }
    const chat = /^\/api\/misaki\/chats\/([^/]+)$/.exec(path)?.[1]
    if (chat) {
      const found = state.chats.get(chat)
      if (!found) return problem(res, 404, 'chat_not_found')
      if (req.method === 'DELETE') {
        state.chats.delete(chat)
        res.writeHead(204)
        return res.end()
      }
      return json(res, found)
    }
    if (/^\/(auth\/(?!callback$)|billing\/(?!confirm|result)|api\/|demo\/)/.test(path))
      return problem(res, 404, 'not_found')
    const file = join(dist, normalize(path))
    const found = extname(path) !== '' && existsSync(file) ? file : join(dist, 'index.html')
    res.writeHead(200, {
      'content-type': types[extname(found)] ?? 'application/octet-stream',
      'content-security-policy': `default-src 'self'; connect-src 'self' ${inferenceUrl}; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'`,
    })
    createReadStream(found).pipe(res)
  }

  function runView(run) {
    return {
      id: run.id,
      state: run.state,
      reason: run.reason,
      model: run.model,
      route: 'misaki.chat',
      tokens_in: 10,
      tokens_out: run.events.length,
      cost_nano_usd: 0,
      output: run.message.text,
      created_at: run.at,
      started_at: run.at,
      ended_at: null,
      last_event_id: run.events.length,
    }
  }
  function push(run, event, data) {
    run.events.push({ id: run.events.length + 1, event, data })
    for (const wake of run.readers) wake()
  }
  function end(run, state, reason) {
    if (run.ended) return
    run.ended = true
    run.state = state
    run.reason = reason
    Object.assign(run.message.run, { state, reason, model: run.model })
    run.owner.held -= 1
    spend(run.owner, { at: new Date().toISOString(), outcome: state, model: run.model, run_id: run.id })
    push(run, 'ended', { state, reason, tokens_in: 10, tokens_out: run.events.length, cost_nano_usd: 0 })
  }
  async function generate(run, asked) {
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
    await pause(350)
    run.state = 'running'
    run.message.run.state = 'running'
    push(run, 'started', { run_id: run.id, model: run.model })
    if (asked.includes('[fail]')) return end(run, 'failed', 'upstream_failed')
    const long = Number(/\[long (\d+)\]/.exec(asked)?.[1] ?? 0)
    const answer =
      long > 0
        ? Array.from({ length: long }, (_, at) => `${at + 1}行目のおはなしです。ゆっくり読んでね。\n\n`).join('')
        : sample
    const pieces = answer.match(/[\s\S]{1,6}/g) ?? []
    const broken = Number(/\[fail after (\d+)\]/.exec(asked)?.[1] ?? Number.POSITIVE_INFINITY)
    for (const [at, piece] of pieces.entries()) {
      if (run.ended) return
      if (at >= broken) return end(run, 'failed', 'upstream_failed')
      run.message.text += piece
      push(run, 'delta', { text: piece })
      await pause(asked.includes('[slow]') ? 400 : 25)
    }
    end(run, 'completed', null)
  }

  async function onInference(req, res) {
    const url = new URL(req.url, inferenceUrl)
    res.setHeader('access-control-allow-origin', accountUrl)
    res.setHeader('access-control-expose-headers', 'retry-after, x-request-id')
    if (req.method === 'OPTIONS') {
      res.writeHead(204, {
        'access-control-allow-headers':
          'authorization, content-type, idempotency-key, last-event-id, accept-language, cache-control',
        'access-control-allow-methods': 'GET, POST',
        'access-control-max-age': '600',
      })
      return res.end()
    }
    const [, token, secret] = /^Bearer (?:t-(.+)|(nrn_.+))$/.exec(req.headers.authorization ?? '') ?? []
    const state = secret
      ? [...sessions.values()].findLast(({ user }) => user)
      : [...sessions.values()].find((other) => other.tenant === token)
    if (!state) return problem(res, 401, 'unauthenticated')
    const told = await answerInference({
      req,
      path: url.pathname,
      state,
      json: (body, status) => json(res, body, status),
      problem: (status, code) => problem(res, status, code),
      bodyOf: () => bodyOf(req),
      runs,
      push,
    })
    if (told !== false) return
    if (req.method === 'POST' && url.pathname === '/misaki/messages') {
      const key = req.headers['idempotency-key']
      if (keys.has(key)) return json(res, keys.get(key), 202)
      const { chat_id, text } = await bodyOf(req)
      if (text.includes('[429]')) return problem(res, 429, 'rate_exceeded', { retry_after: 12 })
      const now = new Date().toISOString()
      const known = phrases.phrases.find((phrase) => phrase.match?.includes(text.trim()))
      if (!known && state.available - state.held <= 0) {
        return problem(res, 402, 'quota_exhausted', {
          suggestion: {
            plan: 'free',
            title: { ja: '無料会員', en: 'Member' },
            url: '/sign-up',
          },
        })
      }
      const chat = state.chats.get(chat_id) ?? {
        id: id('chat'),
        title: [...text].slice(0, 24).join(''),
        created_at: now,
        updated_at: now,
        messages: [],
      }
      state.chats.set(chat.id, chat)
      chat.updated_at = now
      const user = { id: id('msg'), role: 'user', text, at: now, canned: null, run: null }
      const assistant = { id: id('msg'), role: 'assistant', text: '', at: now, canned: null, run: null }
      chat.messages.push(user, assistant)
      let reply
      if (known) {
        Object.assign(assistant, { text: known.replies[0].text, canned: { id: known.id, rule: 'exact' } })
        reply = { kind: 'canned', chat_id: chat.id, user, assistant }
      } else {
        const run = {
          id: id('run'),
          owner: state,
          state: 'queued',
          reason: null,
          model: 'sandbox-mama',
          events: [],
          readers: new Set(),
          message: assistant,
          at: now,
        }
        assistant.run = { id: run.id, state: 'queued', reason: null, model: null }
        runs.set(run.id, run)
        state.held += 1
        reply = {
          kind: 'run',
          chat_id: chat.id,
          user: { ...user },
          assistant: structuredClone(assistant),
          run_id: run.id,
        }
        void generate(run, text)
      }
      keys.set(key, reply)
      return json(res, reply, known ? 200 : 202)
    }
    const [, name, rest] = /^\/inference\/([^/]+)(\/\w+)?$/.exec(url.pathname) ?? []
    const run = runs.get(name)
    if (!run) return problem(res, 404, 'run_not_found')
    if (rest === '/cancel') {
      end(run, 'cancelled', 'stopped')
      return json(res, runView(run))
    }
    if (rest !== '/events') return json(res, runView(run))
    let sent = Number(req.headers['last-event-id'] ?? url.searchParams.get('starting_after') ?? 0)
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    res.write(': ping\n\n')
    const wake = () => {
      for (const event of run.events.slice(sent)) {
        res.write(`id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`)
        sent = event.id
      }
      if (run.ended) res.end()
    }
    run.readers.add(wake)
    readers.add(res)
    res.on('close', () => {
      run.readers.delete(wake)
      readers.delete(res)
    })
    wake()
  }

  const listen = (handler, port) =>
    new Promise((resolve) => {
      const server = createServer((req, res) => {
        handler(req, res).catch((error) => {
          console.error(error)
          res.destroy()
        })
      })
      server.listen(port, '127.0.0.1', () => resolve(server))
    })
  return Promise.all([listen(onAccount, account), listen(onInference, inference)]).then(([a, b]) => {
    accountUrl = `http://localhost:${a.address().port}`
    inferenceUrl = `http://localhost:${b.address().port}`
    return {
      account: accountUrl,
      inference: inferenceUrl,
      // Cuts every open stream, as a train entering a tunnel does.
      cut: () => {
        for (const reader of readers) reader.destroy()
      },
      close: () => {
        for (const server of [a, b]) {
          server.closeAllConnections()
          server.close()
        }
      },
    }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await start()
  console.log(`account ${mock.account}  inference ${mock.inference}`)
}

// Starts the binary on a data folder of its own and hands out browsers that look like the visitor's.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { chromium } from 'playwright-core'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const binary = process.env.NOREN_BINARY ?? join(root, 'target/debug/noren')
const pictures = join(root, 'target/screenshots')

export const screens = [
  { name: 'desktop', viewport: { width: 1280, height: 800 } },
  { name: 'phone', viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
]
const [desktop, phone] = screens

// For a journey: each screen and each language once.
export const visits = [
  [desktop, 'ja'],
  [phone, 'en'],
]
// For what is looked at: of screen, language and scheme, any two values meet once.
export const looks = [
  [desktop, 'ja', 'dark'],
  [desktop, 'en', 'light'],
  [phone, 'ja', 'light'],
  [phone, 'en', 'dark'],
]

// `settings` are NOREN__… variables of this house.
export async function openHouse(settings = {}) {
  const data = mkdtempSync(join(tmpdir(), 'noren-browser-'))
  chmodSync(data, 0o755) // the database may run as another user
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NOREN__|DATABASE_)/.test(name)))
  Object.assign(env, settings)
  const args = ['run', '--data', data, '--account', '127.0.0.1:0', '--inference', '127.0.0.1:0', '--demo']
  const child = spawn(binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (bytes) => {
    log += bytes
  })
  const ended = new Promise((done) => child.once('exit', done))
  // a house left running would keep the whole run waiting
  const giveUp = (error) => {
    child.kill('SIGTERM')
    throw error
  }
  const ready = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) done(JSON.parse(line))
    })
    ended.then((code) => fail(new Error(`the house ended with ${code}: ${log.slice(-3000)}`)))
    setTimeout(() => fail(new Error(`not ready after 180 s: ${log.slice(-3000)}`)), 180_000).unref()
  }).catch(giveUp)
  // by the name that letters call the house by; browsers make no passkeys for an address of numbers
  const account = ready.account.replace(/\/$/, '').replace('//127.0.0.1:', '//localhost:')
  const browser = await chromium
    .launch({
      executablePath: '/usr/bin/chromium',
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage',
      ],
    })
    .catch(giveUp)
  return {
    account,
    inference: ready.inference.replace(/\/$/, ''),
    // A command beside the running house, on its database; `input` is what it reads.
    command(args, input = '') {
      const done = spawnSync(binary, args, { env: { ...env, DATABASE_URL: ready.database }, input, encoding: 'utf8' })
      if (done.status !== 0) throw new Error(`noren ${args[0]} ended with ${done.status}: ${done.stderr.slice(-2000)}`)
      return done.stdout
    },
    visit: (screen, language, scheme = 'light', who = {}) => visit(browser, account, screen, language, scheme, who),
    async close() {
      await browser.close()
      child.kill('SIGTERM')
      const code = await ended
      if (existsSync(binary)) spawnSync(binary, ['reset', '--data', data])
      rmSync(data, { recursive: true, force: true })
      if (code !== 0) throw new Error(`the house ended with ${code}: ${log.slice(-3000)}`)
      if (log.includes('panicked at')) throw new Error(log.slice(-3000))
    },
  }
}

// A page of its own with empty storage. Everything that a browser complains about is kept in `complaints`.
// Whoever is not `young` has told the bar their age before.
async function visit(browser, account, screen, language, scheme, { young = false }) {
  const { name, ...device } = screen
  const context = await browser.newContext({
    ...device,
    baseURL: account,
    locale: 'ja-JP',
    timezoneId: 'Asia/Tokyo',
    colorScheme: scheme,
    reducedMotion: 'reduce',
  })
  // a letter's own frame has no storage
  await context.addInitScript((chosen) => {
    if (window === window.top) localStorage.setItem('noren.locale', chosen)
  }, language)
  if (!young) {
    await context.route('**/api/misaki/age', (route) => route.fulfill({ json: { confirmed_at: '2026-11-01T00:00:00Z' } }))
  }
  const page = await context.newPage()
  // a patience for machines that do much else; whoever is quicker waits no longer
  page.setDefaultTimeout(60_000)
  const complaints = []
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
  page.on('console', (message) => {
    // a refused request is logged by the browser itself; what matters is whether the app copes
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(`${page.url()}: ${message.text()}`)
    }
  })
  return { page, context, complaints, label: `${name}-${language}-${scheme}` }
}

export async function picture(page, name) {
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: join(pictures, `${name}.png`) })
}

// Serious and critical findings of axe, in the words of a report. Evaluated, not injected: the page allows no foreign script.
export async function findings(page) {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? ''})`).join('; ')}`)
}

export function sideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
}

// What the server has, asked with the page's own cookie.
export function ask(page, path) {
  return page.evaluate(async (path) => (await fetch(path, { headers: { accept: 'application/json' } })).json(), path)
}

// The newest link of this kind that a letter to `to` carries, as soon as it is there.
export async function mailed(page, to, path) {
  for (let tries = 0; tries < 300; tries += 1) {
    const { items } = await ask(page, '/sandbox/letters')
    const links = items.filter((letter) => letter.to === to).flatMap((letter) => letter.links)
    const link = links.find((link) => new URL(link).pathname === path)
    if (link) return link
    await page.waitForTimeout(200)
  }
  throw new Error(`no letter to ${to} with a link to ${path}`)
}

// Opens every page of the built app in Chromium against the stand-in house: pictures at several widths, in both languages
// and schemes, axe on each, and no sideways scroll, script error or refused resource anywhere.
// `npm run build && npm run look [-- part-of-a-name]`; pictures go to a folder in the system's temporary place.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { adminScenes } from './look-admin.mjs'
import { billingScenes } from './look-billing.mjs'
import { genaiScenes } from './look-genai.mjs'
import { identityScenes } from './look-identity.mjs'
import { start } from './mock-server.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const only = process.argv[2]
const out = process.env.LOOK_OUT ?? join(tmpdir(), 'noren-look')
mkdirSync(out, { recursive: true })

const fault = {}
const dist = process.env.LOOK_DIST
const mock = await start({ account: 0, inference: 0, fault, ...(dist ? { dist } : {}) })
const profile = mkdtempSync(join(tmpdir(), 'noren-profile-'))
const troubles = []
let pictures = 0

const demo = (as) => async (page) => {
  await page.evaluate(
    (role) =>
      fetch('/demo/sign-in', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ as: role }),
      }),
    as,
  )
}
const say = async (page, text) => {
  await page.getByRole('textbox').fill(text)
  await page.getByRole('textbox').press('Enter')
}
const idle = (page) => page.locator('[data-growing="true"]').waitFor({ state: 'detached' })

const scenes = [
  { name: 'welcome', path: '/' },
  {
    name: 'welcome-away',
    path: '/',
    before: () => {
      fault.account = (at) => at === 'GET /house'
    },
    after: () => {
      delete fault.account
    },
    settle: 4000,
  },
  { name: 'sign-in', path: '/sign-in' },
  {
    name: 'sign-in-wrong',
    path: '/sign-in',
    async act(page) {
      await page.locator('input[name=email]').fill('someone@example.jp')
      await page.locator('input[name=password]').fill('not-the-password')
      await page.locator('form button[type=submit]').click()
      await page.getByRole('alert').waitFor()
      const focused = await page.evaluate(() => document.activeElement?.getAttribute('role'))
      if (focused !== 'alert') throw new Error(`the summary has no focus: ${focused}`)
      if ((await page.locator('input[name=email]').inputValue()) !== 'someone@example.jp')
        throw new Error('the input was not kept')
    },
  },
  {
    name: 'sign-up-empty',
    path: '/sign-up',
    async act(page) {
      await page.locator('form button[type=submit]').click()
      await page.getByRole('alert').waitFor()
    },
  },
  { name: 'webgpt', path: '/webgpt' },
  { name: 'narai', path: '/narai' },
  { name: 'not-found', path: '/no/such/page' },
  { name: 'account-nobody', path: '/account' },
  { name: 'account', path: '/account', session: 'paid', full: true },
  { name: 'account-guest', path: '/account', session: 'guest' },
  { name: 'misaki-entrance', path: '/misaki' },
  {
    name: 'misaki-canned',
    path: '/misaki',
    async act(page) {
      const chip = page.locator('ul[aria-label] button').first()
      await chip.click()
      await page.waitForURL(/misaki\/chat/)
    },
  },
  {
    name: 'misaki-answer',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await say(page, '仕事で失敗してしまいました。どうしたらいいでしょう')
      await page.waitForURL(/misaki\/chat/)
      await idle(page)
    },
  },
  {
    name: 'misaki-streaming',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await say(page, '[slow] ゆっくり話して')
      await page.waitForURL(/misaki\/chat/)
      await page.waitForTimeout(2500)
    },
  },
  {
    name: 'misaki-reload',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await say(page, '[slow] もう一度ゆっくり')
      await page.waitForURL(/misaki\/chat/)
      await page.waitForTimeout(1800)
      await page.reload()
      await page.getByText('しんどい').waitFor()
      await page.waitForTimeout(800)
      mock.cut()
      await page.waitForTimeout(2500)
      const text = await page.locator('[data-growing]').textContent()
      if (text.split('そっか、').length !== 2) throw new Error('the answer was doubled after a reload and a cut')
      await page.getByRole('button', { name: /止める|Stop/ }).click()
      await idle(page)
    },
  },
  {
    name: 'misaki-failed',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await say(page, '[fail after 5] 途中でつまずいて')
      await page.waitForURL(/misaki\/chat/)
      await idle(page)
    },
  },
  {
    name: 'misaki-refused',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await say(page, '[429] はやすぎる')
      await page.getByText(/続けすぎ|too fast/).waitFor()
    },
  },
  {
    name: 'misaki-quota',
    path: '/misaki',
    session: 'guest',
    async act(page) {
      await page.evaluate(async () => {
        const plan = await (await fetch('/billing/plan?storefront=misaki')).json()
        for (let n = 0; n < 10; n += 1) {
          await fetch(`${plan.inference.url}/misaki/messages`, {
            method: 'POST',
            headers: {
              authorization: `Bearer ${plan.inference.token}`,
              'content-type': 'application/json',
              'idempotency-key': `k${n}${Math.random()}`,
            },
            body: JSON.stringify({ chat_id: null, text: `ひとりごと ${n} [fail after 400]` }),
          })
        }
      })
      await say(page, 'もう少しだけ話したいのだけれど')
      await page.getByText(/ここまでに|Let us leave it/).waitFor()
    },
  },
  {
    name: 'misaki-reading',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await say(page, '[long 300] 長い話をして')
      await page.waitForURL(/misaki\/chat/)
      await page.waitForFunction(() => {
        const box = document.querySelector('section[tabindex="0"]')
        return box && box.scrollHeight > box.clientHeight + 500
      })
      const box = page.locator('section[tabindex="0"]')
      await box.hover()
      await page.mouse.wheel(0, -300)
      await page.waitForTimeout(300)
      const top = await box.evaluate((node) => node.scrollTop)
      await page.waitForTimeout(700)
      const later = await box.evaluate((node) => node.scrollTop)
      if (top !== later) throw new Error(`the page moved while reading: ${top} -> ${later}`)
      await page.getByRole('button', { name: /最新へ|Latest/ }).waitFor()
    },
  },
  {
    name: 'misaki-drawer',
    path: '/misaki',
    session: 'vip',
    narrow: true,
    async act(page) {
      await page.getByRole('button', { name: /一覧をひらく|Open the list/ }).click()
      await page.waitForTimeout(400)
    },
  },
  {
    name: 'misaki-undo',
    path: '/misaki',
    session: 'vip',
    wide: true,
    async act(page) {
      await page
        .getByRole('button', { name: /消す|Delete/ })
        .first()
        .click()
      await page
        .getByRole('button', { name: /元に戻す|Undo/ })
        .first()
        .waitFor()
      await page.waitForTimeout(300)
    },
  },
  { name: 'misaki-missing', path: '/misaki/chat/chat_00000000000000000000000000000000', session: 'free' },
  {
    name: 'misaki-long-input',
    path: '/misaki',
    session: 'free',
    async act(page) {
      await page.getByRole('textbox').fill('あ'.repeat(4012))
    },
  },
  ...identityScenes,
  ...adminScenes,
  ...billingScenes,
  ...genaiScenes,
]

const views = [
  { size: [360, 740], locale: 'ja', scheme: 'light' },
  { size: [360, 740], locale: 'en', scheme: 'dark' },
  { size: [1280, 800], locale: 'ja', scheme: 'dark' },
  { size: [1280, 800], locale: 'en', scheme: 'light' },
  { size: [768, 1024], locale: 'ja', scheme: 'light' },
]

const browser = await chromium.launchPersistentContext(profile, {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
  locale: 'ja-JP',
  timezoneId: 'Asia/Tokyo',
})
for (const view of views) {
  const [width, height] = view.size
  for (const scene of scenes) {
    if (only && !scene.name.includes(only)) continue
    if ((scene.narrow && width > 800) || (scene.wide && width < 800)) continue
    const label = `${scene.name}-${width}-${view.locale}-${view.scheme}`
    await browser.clearCookies()
    const page = await browser.newPage()
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme: view.scheme, reducedMotion: 'no-preference' })
    page.on('pageerror', (error) => troubles.push(`${label}: ${error.message}`))
    page.on('console', (message) => {
      const text = message.text()
      // The browser reports every 4xx and cut stream by itself; those are part of the scenes.
      if (message.type() === 'error' && !/Failed to load resource|ERR_/.test(text)) troubles.push(`${label}: ${text}`)
    })
    try {
      // A letter's own frame has no storage.
      await page.addInitScript((locale) => {
        if (window === window.top) localStorage.setItem('noren.locale', locale)
      }, view.locale)
      scene.before?.(fault)
      if (scene.session) {
        await page.goto(`${mock.account}/`)
        await demo(scene.session)(page)
      }
      await page.goto(mock.account + scene.path)
      // A page that listens to the house is never idle.
      await page.waitForLoadState(scene.live ? 'load' : 'networkidle')
      await page.getByRole('heading', { level: 1 }).waitFor()
      if (scene.act) await scene.act(page)
      await page.waitForTimeout(scene.settle ?? 450)
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      )
      if (wide > 0) troubles.push(`${label}: ${wide} px too wide`)
      const marks = await page.evaluate(() => ({
        lang: document.documentElement.lang,
        h1: document.querySelectorAll('h1').length,
        title: document.title,
      }))
      if (marks.lang !== view.locale) troubles.push(`${label}: lang is ${marks.lang}`)
      if (marks.h1 !== 1) troubles.push(`${label}: ${marks.h1} h1`)
      await page.screenshot({ path: join(out, `${label}.png`), fullPage: !scene.path.startsWith('/misaki') })
      pictures += 1
      await page.evaluate(axe)
      const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
      for (const violation of found.violations) {
        const targets = violation.nodes
          .slice(0, 3)
          .map((node) => `${node.target.join(' ')} ${node.failureSummary?.split('\n')[1] ?? ''}`)
        if (['serious', 'critical'].includes(violation.impact))
          troubles.push(`${label}: axe ${violation.impact} ${violation.id}: ${targets.join(' | ')}`)
        else console.log(`${label}: axe ${violation.impact} ${violation.id}: ${targets.join(' | ')}`)
      }
    } catch (error) {
      troubles.push(`${label}: ${error.message.split('\n').slice(0, 3).join(' ')}`)
      await page.screenshot({ path: join(out, `${label}.png`) }).catch(() => undefined)
    } finally {
      scene.after?.(fault)
      await page.close()
    }
  }
}
await browser.close()
mock.close()
rmSync(profile, { recursive: true, force: true })
console.log(`${pictures} pictures in ${out}`)
for (const trouble of troubles) console.error(trouble)
console.log(troubles.length === 0 ? 'no troubles' : `${troubles.length} troubles`)
process.exitCode = troubles.length === 0 ? 0 : 1

// Every page, on both screens, in both languages, by day and by night (any two of them together): readable, operable, nothing hanging over the edge.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { findings, looks, openHouse, picture, sideways } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const pages = [
  { name: 'welcome', path: '/' },
  { name: 'sign-in', path: '/sign-in' },
  { name: 'sign-up', path: '/sign-up' },
  { name: 'misaki', path: '/misaki' },
  { name: 'account', path: '/account' },
  { name: 'webgpt', path: '/webgpt' },
  { name: 'genai', path: '/genai' },
  { name: 'genai-stranger', path: '/genai/requests' },
  { name: 'genai-docs', path: '/genai/docs' },
  { name: 'terms', path: '/legal/terms' },
  { name: 'privacy', path: '/legal/privacy' },
  { name: 'narai', path: '/narai' },
  { name: 'nowhere', path: '/nowhere' },
  { name: 'sign-in-child', path: '/sign-in/child' },
  { name: 'forgot', path: '/forgot' },
  { name: 'callback', path: '/auth/callback?error=access_denied' },
  { name: 'link-verify', path: '/link/verify#nothing' },
  { name: 'link-reset', path: '/link/reset#nothing' },
  { name: 'link-email', path: '/link/email#nothing' },
  { name: 'link-invite', path: '/link/invite#nothing' },
  { name: 'unsubscribe', path: '/unsubscribe#nothing' },
  { name: 'mailbox', path: '/sandbox/mailbox' },
  { name: 'plans', path: '/plans/misaki' },
  { name: 'plans-webgpt', path: '/plans/webgpt' },
  { name: 'result', path: '/billing/result?outcome=cancel&storefront=misaki&plan=vip' },
]

// For whoever has an account; a member of the demo is signed in first.
const accountPages = [
  'plan',
  'receipts',
  'ledger',
  'rewards',
  'profile',
  'security',
  'devices',
  'keys',
  'hooks',
  'audit',
  'data',
  'new',
]
const familyPages = ['family']
const teamPages = ['members']

// Calls the house with the page's own cookie, as the page would.
async function post(page, path, body) {
  const [status, answer] = await page.evaluate(
    async ([path, body]) => {
      const response = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return [response.status, await response.json()]
    },
    [path, body],
  )
  assert.ok(status < 300, `${path}: ${status} ${JSON.stringify(answer)}`)
  return answer
}

async function settled(page) {
  await page.waitForLoadState('networkidle')
  await page.evaluate(() => document.fonts.ready)
}

async function check(page, name) {
  assert.ok((await sideways(page)) <= 0, `${name}: no sideways scroll`)
  assert.deepEqual(await findings(page), [], name)
}

for (const [screen, language, scheme] of looks) {
  test(`axe finds nothing serious: ${screen.name}, ${language}, ${scheme}`, async (context) => {
    const visit = await house.visit(screen, language, scheme)
    const { page } = visit
    for (const { name, path } of pages) {
      await context.test(name, async () => {
        const answer = await page.goto(path)
        assert.equal(answer.status(), name === 'nowhere' ? 404 : 200)
        await page.getByRole('heading', { level: 1 }).first().waitFor()
        await settled(page)
        assert.equal(await page.getAttribute('html', 'lang'), language)
        assert.ok((await page.title()).length > 0)
        await picture(page, `page-${name}-${visit.label}`)
        await check(page, name)
      })
    }
    await context.test('a conversation', async () => {
      const t = words[language]
      await page.goto('/misaki')
      for (const text of [t.greeting, `[long 40] ${t.question}`]) {
        await page.getByLabel(t.composer).fill(text)
        await page.getByRole('button', { name: t.send, exact: true }).click()
        await page.waitForFunction(
          (name) => {
            const all = [...document.querySelectorAll(`article[aria-label="${name}"]`)]
            return all.length > 0 && all.every((one) => one.dataset.growing !== 'true' && one.querySelector('time'))
          },
          t.misaki,
        )
      }
      await picture(page, `page-conversation-${visit.label}`)
      await check(page, 'a conversation')
    })
    await context.test('an account with a past', async () => {
      await page.goto('/account')
      await page.getByText(words[language].balanced).waitFor()
      await settled(page)
      await picture(page, `page-account-used-${visit.label}`)
      await check(page, 'an account with a past')
    })
    const inside = async (name) => {
      await page.goto(`/account/${name}`)
      await page.getByRole('heading', { level: 1 }).first().waitFor()
      await settled(page)
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
      await picture(page, `page-account-${name}-${visit.label}`)
      await check(page, name)
    }
    await context.test('the account area of a member', async (area) => {
      await post(page, '/demo/sign-in', { as: 'paid' })
      for (const name of accountPages) await area.test(name, () => inside(name))
    })
    for (const [kind, names] of [
      ['family', familyPages],
      ['team', teamPages],
    ]) {
      await context.test(`the account area of a ${kind}`, async (area) => {
        const { id } = await post(page, '/tenants', { kind, name: 'とても長い名前のついた高橋家とその親類一同' })
        await post(page, '/auth/tenant', { tenant: id })
        for (const name of names) await area.test(name, () => inside(name))
      })
    }
    assert.deepEqual(visit.complaints, [])
    await visit.context.close()
  })
}

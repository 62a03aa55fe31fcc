// One evening at Snack Misaki, as a visitor spends it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ask, openHouse, picture, screens, sideways, visits } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const answers = (page, t) => page.getByRole('article', { name: t.misaki, exact: true })

async function say(page, t, text) {
  await page.getByLabel(t.composer).fill(text)
  await page.getByRole('button', { name: t.send, exact: true }).click()
}

// Waits until the last answer has ended and returns it.
async function ended(page, t) {
  const last = answers(page, t).last()
  await page.waitForFunction(
    (name) => {
      const all = [...document.querySelectorAll(`article[aria-label="${name}"]`)]
      // the time stands under an answer once it is whole and on record
      return all.at(-1)?.querySelector('time') && all.every((one) => one.dataset.growing !== 'true')
    },
    t.misaki,
  )
  return last
}

async function begins(page, t) {
  await page.waitForFunction(
    (name) => {
      const last = [...document.querySelectorAll(`article[aria-label="${name}"]`)].at(-1)
      const words = last?.querySelector('[class*=prose]')?.textContent ?? ''
      return last?.dataset.growing === 'true' && words.trim().length > 3
    },
    t.misaki,
  )
}

// Letters only: Markdown draws its marks instead of showing them.
const letters = (text) => text.replace(/[\s*_`\-•.\d]+/g, '')

async function lastOnRecord(page) {
  const { items } = await ask(page, '/api/misaki/chats?limit=1')
  const chat = await ask(page, `/api/misaki/chats/${items[0].id}`)
  return chat.messages.at(-1)
}

async function showsExactly(page, t, article) {
  const message = await lastOnRecord(page)
  const shown = letters(await article.locator('[class*=prose]').first().innerText())
  assert.equal(shown, letters(message.text), 'the screen shows what is on record, once')
  return message
}

for (const [screen, language] of visits) {
  const t = words[language]
  describe(`${screen.name}, ${language}`, () => {
    test('from the welcome page to a counted answer', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await page.goto('/')
      const curtains = page.getByRole('navigation', { name: t.shops }).getByRole('listitem')
      await curtains.first().waitFor()
      assert.equal(await curtains.count(), 4)
      assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
      await picture(page, `welcome-${label}`)
      await curtains.first().getByRole('link').click()
      await page.getByLabel(t.composer).waitFor()
      await picture(page, `misaki-door-${label}`)

      // a canned phrase: at once, free
      await say(page, t, t.greeting)
      await answers(page, t).first().getByText(t.canned, { exact: true }).waitFor()
      await page.waitForURL(/\/misaki\/chat\/chat_[0-9a-f]{32}$/)
      assert.deepEqual((await ask(page, '/billing/usage?storefront=misaki')).items, [], 'free')

      // a free question: streams, is shown as made by the stand-in, and is counted
      await say(page, t, t.question)
      await begins(page, t)
      const answer = await ended(page, t)
      const message = await showsExactly(page, t, answer)
      assert.equal(message.run.state, 'completed')
      await page.getByText(t.sandbox, { exact: true }).first().waitFor()
      assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
      await picture(page, `misaki-chat-${label}`)

      const usage = await ask(page, '/billing/usage?storefront=misaki')
      assert.equal(usage.items.length, 1)
      assert.equal(usage.items[0].run_id, message.run.id)
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a reload in the middle of an answer goes on and ends with the whole text once', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await page.goto('/misaki')
      await say(page, t, `[slow] [long 16] ${t.question}`)
      await begins(page, t)
      await page.waitForURL(/\/misaki\/chat\//)
      await page.reload()
      await begins(page, t)
      await picture(page, `misaki-resumed-${label}`)
      const answer = await ended(page, t)
      const message = await showsExactly(page, t, answer)
      assert.equal(message.run.state, 'completed')
      assert.equal(await answers(page, t).count(), 1)
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a second tab shows the same answer while it grows', async () => {
      const { page, context } = await house.visit(screen, language)
      await page.goto('/misaki')
      await say(page, t, `[slow] [long 12] ${t.question}`)
      await begins(page, t)
      await page.waitForURL(/\/misaki\/chat\//)
      const other = await context.newPage()
      await other.goto(page.url())
      await begins(other, t)
      const texts = []
      for (const tab of [page, other]) texts.push(letters(await (await ended(tab, t)).locator('[class*=prose]').first().innerText()))
      assert.equal(texts[0], texts[1])
      await context.close()
    })

    test('an answer can be stopped and keeps its words', async () => {
      const { page, context, label } = await house.visit(screen, language)
      await page.goto('/misaki')
      await say(page, t, `[slow] ${t.question}`)
      await begins(page, t)
      await page.getByRole('button', { name: t.stop, exact: true }).click()
      await page.getByText(t.stopped).waitFor()
      const message = await showsExactly(page, t, await ended(page, t))
      assert.equal(message.run.state, 'cancelled')
      assert.ok(message.text.length > 0)
      await picture(page, `misaki-stopped-${label}`)
      await context.close()
    })

    test('signing up keeps the conversation, and the account page shows books that agree', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await page.goto('/misaki')
      await say(page, t, t.question)
      await ended(page, t)
      await page.waitForURL(/\/misaki\/chat\//)
      const chat = page.url()
      const said = (await lastOnRecord(page)).text

      await page.goto('/sign-up?next=%2Faccount')
      await page.getByLabel(t.email).fill(`${screen.name}-${language}@example.test`)
      await page.getByLabel(t.password, { exact: true }).fill('correct horse battery')
      await picture(page, `sign-up-${label}`)
      await page.locator('form').getByRole('button', { name: t.signUp, exact: true }).click()
      await page.waitForURL(/\/account$/)

      // the ledger says that it sums to zero, and the meter, the plan and the usage say the same number
      await page.getByText(t.balanced).waitFor()
      const plan = await ask(page, '/billing/plan?storefront=misaki')
      const [quota] = plan.quotas
      assert.equal(plan.plan.id, 'free')
      assert.equal(await page.getByRole('meter').first().getAttribute('aria-valuenow'), String(quota.available))
      assert.equal(quota.used, 1)
      const { balances } = await ask(page, '/billing/ledger?unit=misaki.chat')
      assert.equal(balances.find(({ account }) => account === 'available').balance, quota.available)
      assert.equal(balances.reduce((sum, { balance }) => sum + balance, 0), 0)
      const rows = page.locator('section', { has: page.getByRole('heading', { name: t.usage, exact: true }) }).locator('tbody tr')
      await rows.first().waitFor()
      assert.equal(await rows.count(), 1)
      assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
      await picture(page, `account-${label}`)

      await page.goto(chat)
      await answers(page, t).first().waitFor()
      assert.equal((await lastOnRecord(page)).text, said)
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('nothing that lets one in lies where a script could read it', async () => {
      const { page, context } = await house.visit(screen, language)
      await page.goto('/misaki')
      await say(page, t, t.greeting)
      await answers(page, t).first().waitFor()
      const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))
      const session = (await context.cookies()).find(({ name }) => name.includes('noren_session'))
      assert.ok(session?.httpOnly)
      assert.ok(!kept.includes(session.value))
      assert.doesNotMatch(kept, /eyJ[\w-]+\.[\w-]+\./, 'no token in web storage')
      await context.close()
    })
  })
}

test('Enter that ends a composition in Japanese input sends nothing; the next one does', async () => {
  const t = words.ja
  const { page, context } = await house.visit(screens[0], 'ja')
  const sent = []
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/misaki/messages')) sent.push(request.url())
  })
  await page.goto('/misaki')
  const composer = page.getByLabel(t.composer)
  await composer.fill('こんばんは')
  for (const init of [
    { key: 'Enter', isComposing: true, keyCode: 229 },
    { key: 'Process', isComposing: true, keyCode: 229 },
    { key: 'Enter', isComposing: false, keyCode: 229 }, // how Safari ends a composition
  ]) {
    await composer.evaluate((box, init) => box.dispatchEvent(new KeyboardEvent('keydown', { ...init, bubbles: true, cancelable: true })), init)
  }
  assert.equal(await composer.inputValue(), 'こんばんは')
  await composer.press('Shift+Enter')
  assert.equal(await composer.inputValue(), 'こんばんは\n')
  assert.deepEqual(sent, [])
  await Promise.all([page.waitForURL(/\/misaki\/chat\//), composer.press('Enter')])
  assert.equal(sent.length, 1)
  assert.equal((await lastOnRecord(page)).role, 'assistant')
  await context.close()
})

test('what is typed while the first message is on its way stays in the box', async () => {
  const t = words.ja
  const { page, context } = await house.visit(screens[0], 'ja')
  let release
  const held = new Promise((done) => {
    release = done
  })
  await page.route('**/misaki/messages', async (route) => {
    await held
    await route.continue()
  })
  await page.goto('/misaki')
  await say(page, t, t.greeting)
  await answers(page, t).first().waitFor()
  await page.getByLabel(t.composer).fill('それからね')
  release()
  await page.waitForURL(/\/misaki\/chat\//)
  await ended(page, t)
  assert.equal(await page.getByLabel(t.composer).inputValue(), 'それからね')
  await context.close()
})

test('with the keyboard alone one comes from the door to an answer', async () => {
  const t = words.ja
  const { page, context } = await house.visit(screens[0], 'ja')
  await page.goto('/')
  await page.getByRole('navigation', { name: t.shops }).waitFor()
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement?.getAttribute('href') === '/misaki')) break
  }
  await page.keyboard.press('Enter')
  await page.getByLabel(t.composer).waitFor()
  await page.waitForFunction(() => document.activeElement?.tagName === 'TEXTAREA')
  await page.keyboard.type('こんばんは')
  await page.keyboard.press('Enter')
  await answers(page, t).first().getByText(t.canned, { exact: true }).waitFor()
  await context.close()
})

test('an answer that fails says why and can be asked again', async () => {
  const t = words.ja
  const { page, context } = await house.visit(screens[0], 'ja')
  await page.goto('/misaki')
  await say(page, t, `[fail after 5] ${t.question}`)
  await page.getByText('お返事の途中でつまずきました。').waitFor()
  await page.getByRole('button', { name: 'もう一度たのむ' }).waitFor()
  await picture(page, 'misaki-failed-desktop-ja')
  const { quotas } = await ask(page, '/billing/plan?storefront=misaki')
  assert.deepEqual([quotas[0].used, quotas[0].held], [0, 0])
  await context.close()
})

test('what a model writes is never run', async () => {
  const t = words.ja
  const { page, context, complaints } = await house.visit(screens[0], 'ja')
  await page.goto('/misaki')
  await say(page, t, '<img src=x onerror="document.title=1"> <script>document.title=2</script> [x](javascript:alert(1)) と言ったら？')
  await ended(page, t)
  assert.doesNotMatch(await page.title(), /^[12]$/)
  assert.equal(await page.locator('article img, article script, article a[href^=javascript]').count(), 0)
  assert.deepEqual(complaints, [])
  await context.close()
})

// Who runs the house, and who wires programs to it: the console, webhooks, and the limits of a key.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ask, findings, openHouse, picture, sideways, visits } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const PASSWORD = 'correct horse battery'

const said = {
  ja: {
    notForYou: 'このページは開けません',
    ready: 'ご用を受けられます',
    menu: '運営の一覧をひらく',
    navigation: '運営の中',
    desks: {
      plans: 'プラン',
      tenants: 'お客さま',
      subscriptions: '契約',
      events: 'Stripeの出来事',
      jobs: '仕事',
      usage: '使われた量',
      models: 'モデル',
      providers: 'プロバイダの鍵',
    },
    add: '鍵を加える',
    provider: 'プロバイダ',
    providerSecret: '鍵',
    ending: 'openai …x7Kq',
    openFile: '設定を開く',
    modelsText: '設定（TOML）',
    compare: '確かめて違いを見る',
    putInForce: 'この設定を使う',
    inForce: /^第\d+版を使いはじめました。$/,
    takeBack: 'barのカナリアを0 %に戻す',
    takeBackDo: '0 %に戻す',
    rollBackOf: /^第0版に戻す$/,
    rollBackDo: '戻す',
    switchOff: /を止める$/,
    off: '止めています',
    weight: '割合',
    weightOf: /の割合を変える$/,
    remove: /を消す$/,
    delete: '消す',
    noKeys: '登録した鍵はありません',
    query: '番号・名前・アドレス',
    search: '探す',
    ledger: '帳簿',
    csv: 'CSVで受け取る',
    hookAdd: '送り先を加える',
    hookUrl: '送り先のURL',
    hookNone: 'まだ送り先はありません',
    hookRemove: '消す',
    secret: '署名の鍵は、いま一度だけ見えます',
    kept: '控えました',
    edit: '変える',
    cap: '1日の上限（回）',
    save: '保存する',
  },
  en: {
    notForYou: 'This page is not open to you',
    ready: 'Ready to serve',
    menu: 'Open the list of operations pages',
    navigation: 'Operations pages',
    desks: {
      plans: 'Plans',
      tenants: 'Tenants',
      subscriptions: 'Subscriptions',
      events: 'Stripe events',
      jobs: 'Jobs',
      usage: 'Usage',
      models: 'Models',
      providers: 'Provider keys',
    },
    openFile: 'Open the file',
    modelsText: 'File (TOML)',
    compare: 'Check and compare',
    putInForce: 'Put in force',
    inForce: /^Version \d+ is in force\.$/,
    takeBack: 'Take back the canary of bar',
    takeBackDo: 'Take back',
    rollBackOf: /^Go back to version 0$/,
    rollBackDo: 'Go back',
    add: 'Add a key',
    provider: 'Provider',
    providerSecret: 'Secret',
    ending: 'openai …x7Kq',
    switchOff: /^Switch off/,
    off: 'off',
    weight: 'Weight',
    weightOf: /^Change the weight of/,
    remove: /^Delete openai/,
    delete: 'Delete',
    noKeys: 'No key is registered',
    query: 'Id, name or address',
    search: 'Search',
    ledger: 'Ledger',
    csv: 'Download CSV',
    hookAdd: 'Add a webhook',
    hookUrl: 'URL',
    hookNone: 'No webhooks yet',
    hookRemove: 'Delete',
    secret: 'The signing secret is shown this once',
    kept: 'I have kept it',
    edit: 'Edit',
    cap: 'Daily cap (requests)',
    save: 'Save',
  },
}

const button = (page, name) => page.getByRole('button', { name, exact: true })
const title = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })

async function signUp(page, t, email, next) {
  await page.goto(`/sign-up?next=${encodeURIComponent(next)}`)
  await page.getByLabel(t.email).fill(email)
  await page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
  await button(page, t.signUp).click()
  await page.waitForURL(`**${next}`)
}

async function signIn(page, t, email, next) {
  await page.goto(`/sign-in?next=${encodeURIComponent(next)}`)
  await page.getByLabel(t.email).fill(email)
  await page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
  await button(page, t.signIn).click()
  await page.waitForURL(`**${next}`)
}

// Answers the dialog when the house wants a fresh proof; a sign-in of the last minutes may still count as one.
async function prove(page, t, arrived) {
  const dialog = page.getByRole('dialog', { name: t.confirmYou })
  await dialog.or(arrived).first().waitFor()
  if (!(await dialog.isVisible())) return
  await dialog.getByLabel(t.password, { exact: true }).fill(PASSWORD)
  await dialog.getByRole('button', { name: t.confirm, exact: true }).click()
  await arrived.first().waitFor()
}

async function looksRight(page, complaints, name) {
  assert.ok((await sideways(page)) <= 0, `${name}: no sideways scroll`)
  assert.deepEqual(await findings(page), [], name)
  assert.deepEqual(complaints, [])
  await picture(page, name)
}

for (const [screen, language] of visits) {
  const t = words[language]
  const s = said[language]
  const phone = screen.name === 'phone'
  const address = (name) => `${name}-${screen.name}-${language}@example.test`

  // The way to a page of the console: beside it on a desk, behind a button on a phone.
  const goTo = async (page, desk) => {
    if (phone) await button(page, s.menu).click()
    const list = page.getByRole('navigation', { name: s.navigation })
    await list.getByRole('link', { name: s.desks[desk], exact: true }).click()
    await title(page, s.desks[desk]).waitFor()
  }

  describe(`${screen.name}, ${language}`, () => {
    test('a customer finds no console, and the house answers them nothing', async () => {
      const { page, context, complaints } = await house.visit(screen, language)
      await signUp(page, t, address('customer'), '/account')
      await page.goto('/admin')
      await title(page, s.notForYou).waitFor()
      for (const path of ['/admin/jobs', '/admin/tenants', '/admin/billing/events']) {
        const status = await page.evaluate(async (path) => (await fetch(path)).status, path)
        assert.ok(status === 403 || status === 404, `${path}: ${status}`)
      }
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('an operator sees how the house is, and every page of the console', async () => {
      const email = address('operator')
      house.command(['users', 'create', '--email', email, '--operator'], `${PASSWORD}\n`)
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signIn(page, t, email, '/admin')
      await page.getByText(s.ready, { exact: true }).waitFor()
      await page.waitForLoadState('networkidle')
      await looksRight(page, complaints, `admin-overview-${label}`)
      for (const desk of Object.keys(s.desks)) {
        await goTo(page, desk)
        await page.waitForLoadState('networkidle')
        await looksRight(page, complaints, `admin-${desk}-${label}`)
        assert.equal(await page.getByRole('alert').count(), 0, `${desk}: no alarm`)
        // its own address brings it back
        await page.reload()
        await title(page, s.desks[desk]).waitFor()
      }
      await context.close()
    })

    test('an operator compares plans, finds a tenant and reads its books, and takes the usage along', async () => {
      const email = address('keeper')
      house.command(['users', 'create', '--email', email, '--operator'], `${PASSWORD}\n`)
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signIn(page, t, email, '/admin')

      await goTo(page, 'plans')
      await page.getByRole('link', { name: /misaki\/paid/ }).click()
      await page.getByRole('region', { name: /misaki\/paid/ }).waitFor()

      const { tenant } = await ask(page, '/auth/me')
      await goTo(page, 'tenants')
      await page.getByLabel(s.query).fill(tenant.id)
      await button(page, s.search).click()
      await page.waitForURL((url) => url.searchParams.get('q') === tenant.id)
      const row = page.getByRole('row').filter({ hasText: tenant.id })
      await row.getByRole('link').click()
      await page.waitForURL(`**/admin/desk/tenants/${tenant.id}`)
      await page.getByRole('heading', { level: 2, name: s.ledger, exact: true }).waitFor()
      await looksRight(page, complaints, `admin-ledger-${label}`)
      await page.goBack()
      await row.waitFor()
      assert.equal(await page.getByLabel(s.query).inputValue(), tenant.id, 'back brings the search along')

      await goTo(page, 'usage')
      const [download] = await Promise.all([page.waitForEvent('download'), button(page, s.csv).click()])
      assert.match(download.suggestedFilename(), /^noren-usage-\d{4}-\d{2}\.csv$/)
      const bytes = await Promise.all((await (await download.createReadStream()).toArray()).map((part) => Buffer.from(part)))
      assert.deepEqual([...Buffer.concat(bytes).subarray(0, 3)], [0xef, 0xbb, 0xbf], 'Excel reads it as UTF-8')
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a key of a provider is registered, shared out, switched off and deleted, and its secret is never seen', async () => {
      const email = address('provider')
      house.command(['users', 'create', '--email', email, '--operator'], `${PASSWORD}\n`)
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signIn(page, t, email, '/admin/desk/providers')
      const none = page.getByRole('heading', { name: s.noKeys, exact: true })
      await none.waitFor()
      await button(page, s.add).click()
      await page.getByLabel(s.provider, { exact: true }).fill('openai')
      await page.getByLabel(s.providerSecret, { exact: true }).fill('sk-never-to-be-seen-x7Kq')
      await looksRight(page, complaints, `admin-provider-new-${label}`)
      await button(page, s.add).click()
      await prove(page, t, page.getByText('…x7Kq', { exact: true }))
      await looksRight(page, complaints, `admin-provider-${label}`)
      const [held] = (await ask(page, '/admin/providers')).items
      assert.deepEqual([held.suffix, held.weight, held.enabled], ['x7Kq', 1, true])

      await page.getByRole('button', { name: s.weightOf }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel(s.weight, { exact: true }).fill('7')
      await dialog.getByRole('button', { name: s.save, exact: true }).click()
      await dialog.waitFor({ state: 'detached' })
      await page.getByRole('button', { name: s.switchOff }).click()
      await page.getByText(s.off, { exact: true }).waitFor()
      const [changed] = (await ask(page, '/admin/providers')).items
      assert.deepEqual([changed.weight, changed.enabled], [7, false])
      await page.reload()
      await page.getByText(s.off, { exact: true }).waitFor()
      assert.ok(!(await page.content()).includes('never-to-be-seen'))

      await page.getByRole('button', { name: s.remove }).click()
      await dialog.getByRole('button', { name: s.delete, exact: true }).click()
      await none.waitFor()
      assert.deepEqual((await ask(page, '/admin/providers')).items, [])
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('models are put in force as a file, a canary is taken back by one press, and the file of the settings returns', async () => {
      const email = address('models')
      house.command(['users', 'create', '--email', email, '--operator'], `${PASSWORD}\n`)
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signIn(page, t, email, '/admin/desk/models')
      await button(page, s.openFile).click()
      const text = page.getByLabel(s.modelsText, { exact: true })
      await text.fill('[[model]]\nname = "bar"')
      await button(page, s.compare).click()
      await page.getByText(/bar.*(targets|alias_of)/).first().waitFor()
      const target = (name, model) => `[[model]]\nname = "${name}"\ntargets = [{ provider = "sandbox", model = "${model}" }]\n`
      const canary = '[[model]]\nname = "bar"\nalias_of = "old"\ncanary = { model = "new", percent = 20 }\n'
      const models = target('old', 'sandbox-small') + target('new', 'sandbox-large')
      await text.fill(models + canary.replace(' }', ', gate = "misaki.persona" }'))
      await button(page, s.compare).click()
      await page.getByText(/new.*misaki\.persona/).first().waitFor()
      await button(page, s.putInForce).waitFor({ state: 'detached' })
      await text.fill(models + canary)
      await button(page, s.compare).click()
      await button(page, s.putInForce).waitFor()
      await looksRight(page, complaints, `admin-models-file-${label}`)
      await button(page, s.putInForce).click()
      await page.getByText(s.inForce).waitFor()
      await button(page, s.takeBack).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('button', { name: s.takeBackDo, exact: true }).click()
      await dialog.waitFor({ state: 'detached' })
      await button(page, s.takeBack).waitFor({ state: 'detached' })
      const desk = await ask(page, '/admin/models')
      assert.deepEqual(desk.models.find(({ name }) => name === 'bar').canary, { model: 'new', percent: 0, gate: null })
      await looksRight(page, complaints, `admin-models-${label}`)
      await page.getByRole('button', { name: s.rollBackOf }).click()
      await dialog.getByRole('button', { name: s.rollBackDo, exact: true }).click()
      await dialog.waitFor({ state: 'detached' })
      await page.getByText('gpt-4o-mini', { exact: true }).first().waitFor()
      const [newest, before] = (await ask(page, '/admin/models/versions')).items
      assert.deepEqual([newest.note, newest.models > before.models], ['← 0', true])
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a webhook is added, its secret is shown once, and it is deleted', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signUp(page, t, address('hooks'), '/account/hooks')
      await page.getByRole('heading', { name: s.hookNone, exact: true }).waitFor()
      await button(page, s.hookAdd).click()
      await page.getByLabel(s.hookUrl, { exact: true }).fill('https://hooks.example.com/in')
      await button(page, s.hookAdd).click()
      const shown = page.getByRole('region', { name: s.secret })
      await prove(page, t, shown)
      assert.match(await shown.locator('code').innerText(), /^whsec_\S{20,}$/)
      await looksRight(page, complaints, `hooks-secret-${label}`)
      await button(page, s.kept).click()
      const { items } = await ask(page, '/hooks')
      assert.equal(items.length, 1)
      assert.equal(items[0].url, 'https://hooks.example.com/in')
      assert.ok(!JSON.stringify(items).includes('whsec_'), 'the list has no secret')
      await page.reload()
      await looksRight(page, complaints, `hooks-${label}`)
      await button(page, s.hookRemove).click()
      await page.getByRole('dialog').getByRole('button', { name: s.hookRemove, exact: true }).click()
      const none = page.getByRole('heading', { name: s.hookNone, exact: true })
      await prove(page, t, none)
      assert.deepEqual((await ask(page, '/hooks')).items, [])
      await context.close()
    })

    test('a key gets a name and a cap of its own, and loses the cap again', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signUp(page, t, address('keys'), '/account/keys')
      const change = page.getByRole('button', { name: s.edit }).first()
      await change.click()
      let dialog = page.getByRole('dialog')
      await dialog.getByLabel(t.keyName).fill('nightly')
      await dialog.getByLabel(s.cap).fill('500')
      await picture(page, `keys-edit-${label}`)
      await dialog.getByRole('button', { name: s.save, exact: true }).click()
      await prove(page, t, page.getByText('nightly', { exact: true }))
      await dialog.waitFor({ state: 'detached' })
      let [key] = (await ask(page, '/keys')).items
      assert.equal(key.name, 'nightly')
      assert.equal(key.daily_cap, 500)
      const { scopes } = key

      await change.click()
      dialog = page.getByRole('dialog')
      assert.equal(await dialog.getByLabel(s.cap).inputValue(), '500')
      await dialog.getByLabel(s.cap).fill('')
      await dialog.getByRole('button', { name: s.save, exact: true }).click()
      await dialog.waitFor({ state: 'detached' })
      ;[key] = (await ask(page, '/keys')).items
      assert.equal(key.daily_cap, null)
      assert.equal(key.name, 'nightly')
      assert.deepEqual(key.scopes, scopes)
      assert.deepEqual(complaints, [])
      await context.close()
    })
  })
}

// A developer's first ten minutes: an account, a key, a pasted command that works, and every figure of it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { ask, findings, openHouse, picture, screens, sideways } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const t = words.ja
const [desktop, phone] = screens
const button = (page, name) => page.getByRole('button', { name, exact: true })
const title = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })

// A page that listens to the house is never idle, so what is waited for is what it shows.
async function good(page, name) {
  await page.locator('[class*=skeleton]').first().waitFor({ state: 'detached' })
  assert.ok((await sideways(page)) <= 0, `${name}: no sideways scroll`)
  assert.deepEqual(await findings(page), [], name)
  await picture(page, `genai-${name}`)
}

// Runs it as somebody would who has pasted it into a terminal.
function pasted(program, args) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let bad = ''
    child.stdout.on('data', (bytes) => {
      out += bytes
    })
    child.stderr.on('data', (bytes) => {
      bad += bytes
    })
    child.on('error', fail)
    child.on('close', (code) => (code === 0 ? done(out) : fail(new Error(`${program} ended with ${code}: ${bad}`))))
  })
}

const code = (page, language) => page.getByRole('region', { name: `${language}のコード` }).innerText()

test('from an account to a first request, and everything that is known of it', async (context) => {
  const { page, context: browser, complaints } = await house.visit(desktop, 'ja')

  await context.test('the landing page leads to an account, and from there to the quickstart', async () => {
    await page.goto('/genai')
    await title(page, 'ひとつの鍵で、あらゆるモデルを。').waitFor()
    await page.getByRole('link', { name: '「プロ」を選ぶ' }).waitFor()
    await good(page, 'landing')
    await page.getByRole('link', { name: '無料ではじめる' }).first().click()
    await page.getByLabel(t.email).fill('developer@example.test')
    await page.getByLabel(t.password, { exact: true }).fill('correct horse battery')
    await button(page, t.signUp).click()
    await page.waitForURL('**/genai/quickstart')
    await title(page, 'はじめる').waitFor()
  })

  await context.test('a key is made in place, and the command works as it was pasted', async () => {
    await page.getByText('リクエストを待っています').waitFor()
    const before = await code(page, 'curl')
    assert.match(before, /nrn_/, 'the key that came with the account is there at once')
    await button(page, '別の鍵をつくる').click()
    await page.waitForFunction((text) => !document.body.innerText.includes(text), /nrn_\w+/.exec(before)[0])
    const { items } = await ask(page, '/keys')
    assert.ok(items.some(({ name }) => name === 'はじめての鍵'))
    const command = await code(page, 'curl')
    assert.match(command, /nrn_/)
    const { inference } = await ask(page, '/billing/plan?storefront=genai')
    assert.ok(command.includes(inference.url), 'the address of this very house')
    const answer = JSON.parse(await pasted('bash', ['-c', `set -e; ${command.replace('curl ', 'curl -sS ')}`]))
    assert.equal(answer.status, 'completed')
    assert.ok(answer.text.length > 0)
  })

  await context.test('the page turns green by itself', async () => {
    await page.locator('[data-arrived="true"]').waitFor()
    await page.getByText('届きました', { exact: true }).waitFor()
    await good(page, 'arrived')
  })

  await context.test('Python and TypeScript work as they were pasted, too', async () => {
    await page.getByText('Python', { exact: true }).click()
    assert.ok((await pasted('python3', ['-c', await code(page, 'Python')])).trim().length > 0)
    await page.getByText('TypeScript', { exact: true }).click()
    const said = await pasted('node', ['--input-type=module', '-e', await code(page, 'TypeScript')])
    assert.ok(said.trim().length > 0)
  })

  await context.test('the playground says what it may cost, streams, and says what it did cost', async () => {
    await page.goto('/genai/playground')
    await page.getByLabel('メッセージ').fill('暖簾とは何ですか')
    await page.getByText(/費用は最大/).waitFor()
    await page.getByLabel('メッセージ').press('Control+Enter')
    const answer = page.locator('[data-state="completed"]')
    await answer.first().waitFor()
    assert.match(await answer.first().innerText(), /tokens/)
    await good(page, 'playground')
  })

  await context.test('all of them are on record, with a timeline', async () => {
    await page.goto('/genai/requests')
    await page.locator('tbody tr[data-status="completed"]').nth(3).waitFor()
    await good(page, 'requests')
    await page.locator('tbody tr a').first().click()
    await page.locator('[data-what="completed"]').waitFor()
    await page.getByText('暖簾とは何ですか', { exact: true }).waitFor()
    await good(page, 'request')
  })

  await context.test('a new one shows by itself, and its text is deleted for good', async () => {
    await page.goto('/genai/requests')
    const rows = page.locator('tbody tr')
    await rows.nth(3).waitFor()
    await page.getByText('ライブ').waitFor()
    const second = await browser.newPage()
    await second.goto('/genai/playground')
    await second.getByLabel('メッセージ').fill('もうひとつ')
    await second.getByRole('button', { name: '送信' }).click()
    await rows.nth(4).waitFor()
    await page.locator('tbody tr:first-child[data-status="completed"]').waitFor()
    await second.close()
    await rows.first().getByRole('checkbox').check()
    await button(page, '1件の本文を消す').click()
    await page.getByRole('dialog').getByRole('button', { name: '消す', exact: true }).click()
    await page.getByText('1件の本文を消しました。').waitFor()
    await rows.first().getByText('本文は消えています').waitFor()
  })

  await context.test('a conversation is kept, opened again and gone on with, named and deleted, by keyboard', async () => {
    const earlier = page.getByRole('navigation', { name: 'これまでの会話' })
    await page.goto('/genai/playground')
    await earlier.getByRole('link', { name: /（本文は残っていません）/ }).waitFor()
    await earlier.getByRole('link', { name: /暖簾とは何ですか/ }).press('Enter')
    await page.waitForURL(/talk=talk_/)
    await page.locator('[data-state="completed"]').first().waitFor()
    await page.getByLabel('メッセージ').fill('では、のれん分けとは')
    await page.getByLabel('メッセージ').press('Control+Enter')
    await page.locator('[data-state="completed"]').nth(1).waitFor()
    await page.reload()
    await page.locator('[data-state="completed"]').nth(1).waitFor()
    const { items } = await ask(page, '/genai/talks')
    assert.deepEqual(items.map(({ excerpt }) => excerpt), ['暖簾とは何ですか', null], 'the last used is the first')
    const { turns } = await ask(page, `/genai/talks/${items[0].id}`)
    assert.deepEqual(turns.map(({ asked }) => asked), ['暖簾とは何ですか', 'では、のれん分けとは'])
    const { messages } = await ask(page, `/history/${turns[1].answers[0].id}`)
    assert.deepEqual(messages.map(({ role }) => role), ['user', 'assistant', 'user'])
    await button(page, '「暖簾とは何ですか」に名前を付ける').press('Enter')
    await page.getByLabel('名前', { exact: true }).fill('暖簾の話')
    await page.getByLabel('名前', { exact: true }).press('Enter')
    await earlier.getByRole('link', { name: /暖簾の話/ }).waitFor()
    await good(page, 'playground-history')
    await page.setViewportSize(phone.viewport)
    await page.reload()
    await page.locator('summary', { hasText: '履歴' }).press('Enter')
    await earlier.getByRole('link', { name: /暖簾の話/ }).waitFor()
    await good(page, 'playground-history-phone')
    await button(page, '新しい会話').press('Enter')
    await page.getByLabel('メッセージ').fill('消す話')
    await page.getByLabel('メッセージ').press('Control+Enter')
    await page.locator('[data-state="completed"]').first().waitFor()
    await button(page, '「消す話」を消す').press('Enter')
    await good(page, 'playground-delete-phone')
    await page.getByRole('dialog').getByRole('button', { name: '消す', exact: true }).press('Enter')
    await earlier.getByRole('link', { name: /消す話/ }).waitFor({ state: 'detached' })
    await page.getByText('モデルにひと言、送ってみてください。').waitFor()
    const { items: gone } = await ask(page, '/history?q=消す話')
    assert.deepEqual(gone, [])
    await page.setViewportSize(desktop.viewport)
  })

  await context.test('how long texts are kept is chosen, and one key keeps none', async () => {
    await page.goto('/genai/settings/retention')
    await page.getByRole('radio', { name: /日数を決める/ }).check()
    await page.getByLabel('日数', { exact: true }).fill('90')
    await button(page, '保存する').click()
    await page.getByText('保存しました。').waitFor()
    await page.getByRole('button', { name: '「はじめての鍵」の残す長さを変える' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('radio', { name: /残さない/ }).check()
    await good(page, 'retention-key')
    await dialog.getByRole('button', { name: '保存する', exact: true }).click()
    await button(page, '「はじめての鍵」を全体に合わせる').waitFor()
    await good(page, 'retention')
    const { tenant, keys } = await ask(page, '/genai/retention')
    assert.deepEqual(tenant, { keep: 'days', days: 90 })
    assert.deepEqual(keys.map(({ keep }) => keep), ['none'])
    await button(page, '「はじめての鍵」を全体に合わせる').click()
    await button(page, '「はじめての鍵」を全体に合わせる').waitFor({ state: 'detached' })
  })

  await context.test('the statistics say the same as the list', async () => {
    const { items } = await ask(page, '/history?limit=100')
    const { totals } = await ask(page, '/statistics')
    assert.equal(totals.requests, items.length)
    await page.goto('/genai/statistics')
    await page.locator('[data-metric="requests"] dd').first().waitFor()
    assert.equal(await page.locator('[data-metric="requests"] dd').first().innerText(), String(items.length))
    await good(page, 'statistics')
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'CSVで保存').click()])
    assert.match(download.suggestedFilename(), /^noren-genai-.*\.csv$/)
    const [table] = await Promise.all([page.waitForEvent('download'), button(page, 'Parquetで保存').click()])
    assert.match(table.suggestedFilename(), /^noren-genai-.*\.parquet$/)
    assert.equal((await readFile(await table.path())).subarray(0, 4).toString(), 'PAR1')
  })

  await context.test('a file of requests is answered, and the answers are fetched', async () => {
    const { items: models } = await ask(page, '/genai/models')
    const model = models.find(({ kind, in_plan }) => kind === 'chat' && in_plan)
    const request = { model: model.name, messages: [{ role: 'user', content: 'こんばんは' }], max_tokens: 16 }
    const line = (name) => JSON.stringify({ custom_id: name, method: 'POST', url: '/v1/chat/completions', body: request })
    await page.goto('/genai/batches')
    // By keyboard alone, on the narrowest of phones.
    await page.setViewportSize(phone.viewport)
    const begin = async (name, text) => {
      const [chooser] = await Promise.all([
        page.waitForEvent('filechooser'),
        page.getByLabel('JSONLファイル').press('Enter'),
      ])
      await chooser.setFiles({ name, mimeType: 'application/jsonl', buffer: Buffer.from(text) })
      await button(page, '実行する').press('Enter')
    }
    const saved = async (name) => {
      const [download] = await Promise.all([page.waitForEvent('download'), button(page, name).press('Enter')])
      return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')]
    }
    await begin('夜.jsonl', `${line('a')}\n{oops\n`)
    await page.getByText('2行のうち2行が終了、エラー1').waitFor({ timeout: 60_000 })
    const bar = page.getByRole('progressbar', { name: '進み具合' })
    assert.ok((await bar.boundingBox()).width > 200, 'the bar is seen')
    assert.deepEqual(
      [await bar.getAttribute('aria-valuenow'), await bar.getAttribute('aria-valuemax')],
      ['2', '2'],
    )
    const [answers, answered] = await saved('「夜.jsonl」の結果を保存')
    assert.match(answers, /^batch_[0-9a-f]{32}_output\.jsonl$/)
    assert.equal(JSON.parse(answered).custom_id, 'a')
    const [errors, wrong] = await saved('「夜.jsonl」のエラーを保存')
    assert.match(errors, /^batch_[0-9a-f]{32}_error\.jsonl$/)
    assert.equal(wrong.trim().split('\n').length, 1)

    // Far more than can be answered before it is called off; what has begun ends within a second or two.
    const slow = (name) => line(name).replace('こんばんは', '[slow] 長い話').replace('"max_tokens":16', '"max_tokens":4')
    const many = Array.from({ length: 60 }, (_, n) => slow(`line ${n}`))
    await begin('長い.jsonl', many.join('\n'))
    await button(page, '「長い.jsonl」を中止').press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: '中止', exact: true }).press('Enter')
    await page.locator('[data-state=cancelled]').getByText('中止', { exact: true }).waitFor({ timeout: 60_000 })
    await good(page, 'batches-phone')
    await page.setViewportSize(desktop.viewport)
    await good(page, 'batches')
  })

  assert.deepEqual(complaints, [])
  await browser.close()
})

test('on a phone the pages lie behind one button, by day and by night', async () => {
  const { page, context: browser, complaints } = await house.visit(phone, 'en', 'dark')
  await page.goto('/genai/status')
  await page.getByRole('button', { name: 'Open the menu' }).click()
  await page.getByRole('dialog').getByRole('link', { name: 'Models and prices' }).click()
  await title(page, 'Sign in to use this').waitFor()
  await good(page, 'catalog-phone')
  await page.goto('/legal/privacy')
  await title(page, 'Privacy policy').waitFor()
  await good(page, 'privacy-phone')
  assert.deepEqual(complaints, [])
  await browser.close()
})

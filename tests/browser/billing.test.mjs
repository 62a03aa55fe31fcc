// Money, as somebody with a phone meets it: from a plan on a page to a cancellation, and every figure explained.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { ask, findings, mailed, openHouse, picture, screens, sideways } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const PASSWORD = 'correct horse battery'
const t = words.ja
const [, phone] = screens

const button = (page, name) => page.getByRole('button', { name, exact: true })
const link = (page, name) => page.getByRole('link', { name, exact: true })
const title = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })
const said = (page, text) => page.getByText(text).first().waitFor()
const plan = (page) => ask(page, '/billing/plan?storefront=misaki')

// Readable, operable, nothing over the edge; and a picture to look at.
async function good(page, name) {
  await page.waitForLoadState('networkidle')
  assert.ok((await sideways(page)) <= 0, `${name}: no sideways scroll`)
  assert.deepEqual(await findings(page), [], name)
  await picture(page, `billing-${name}`)
}

// Goes to it by the keyboard alone and presses it.
async function pressByKeyboard(page, target) {
  await target.waitFor()
  for (let presses = 0; presses < 60; presses += 1) {
    if (await target.evaluate((node) => node === document.activeElement)) {
      await page.keyboard.press('Enter')
      return
    }
    await page.keyboard.press('Tab')
  }
  throw new Error('the keyboard does not get there')
}

// Somebody without an account chooses a plan, makes an account on the way, and is back where they were.
async function orderAs(page, email) {
  await page.goto('/plans/misaki')
  await title(page, 'スナック みさきのプラン').waitFor()
  await link(page, '「なじみ」に申し込む').click()
  await page.getByLabel(t.email).fill(email)
  await page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
  await button(page, t.signUp).click()
  await page.waitForURL('**/billing/confirm/misaki/paid')
  await title(page, 'お申し込み内容の確認').waitFor()
}

test('on a phone: subscribe, be declined, recover, upgrade, cancel, and see why every number is what it is', async (context) => {
  const { page, context: browser, complaints } = await house.visit(phone, 'ja')

  await context.test('plans are compared without an account', async () => {
    await page.goto('/plans/misaki?plan=vip')
    await said(page, 'お選びのプラン')
    const comparison = page.getByRole('region', { name: 'プランの比較表' })
    await comparison.getByRole('rowheader', { name: '会話' }).waitFor()
    await good(page, 'plans')
  })

  await context.test('the confirmation says all that it must before its button', async () => {
    await orderAs(page, 'payer@example.test')
    const submit = button(page, 'この内容で申し込む')
    await submit.waitFor()
    const terms = page.getByRole('heading', { name: 'ご契約の条件' }).locator('..')
    assert.equal(await terms.locator('dt').count(), 6, 'the six statutory items')
    const text = await page.locator('main').innerText()
    assert.ok(text.indexOf('解約のしかた') < text.lastIndexOf('この内容で申し込む'), 'how to cancel stands before the button')
    assert.match(text, /今回のお支払い\s*￥980/)
    assert.equal((await plan(page)).plan.price_yen, 0, 'looking is not ordering')
    await good(page, 'confirm')
    await pressByKeyboard(page, submit)
  })

  await context.test('a card that is declined changes nothing, another one brings the plan', async () => {
    await page.getByText('SANDBOX').waitFor()
    await page.getByRole('button', { name: /断られる/ }).click()
    await page.getByRole('alert').waitFor()
    await page.getByRole('button', { name: /別のカードで支払う/ }).click()
    await title(page, '「なじみ」になりました').waitFor()
    const now = await plan(page)
    assert.deepEqual([now.plan.id, now.status], ['paid', 'active'])
    await good(page, 'result')
  })

  await context.test('the address of the result proves nothing', async () => {
    await page.goto('/billing/result?outcome=success&storefront=misaki&plan=vip')
    await title(page, 'お支払いの知らせを待っています').waitFor()
    await page.waitForTimeout(3000)
    assert.equal(await page.getByText('になりました').count(), 0)
    await page.goto('/billing/result?outcome=cancel&storefront=misaki&plan=vip')
    await title(page, 'お申し込みは終わっていません').waitFor()
    await said(page, 'いまは「なじみ」のままです')
  })

  await context.test('an upgrade shows what the rest of the month costs, and holds at once', async () => {
    await page.goto('/plans/misaki')
    await said(page, 'いまのプラン')
    await link(page, '「VIP」に上げる').click()
    await said(page, '「なじみ」から「VIP」へ')
    await said(page, '日割りにした金額です')
    await good(page, 'upgrade')
    await button(page, 'この内容で申し込む').click()
    await title(page, '「VIP」になりました').waitFor()
    assert.equal((await plan(page)).plan.id, 'vip')
  })

  await context.test('what is used is counted by day, and can be taken along', async () => {
    await page.goto('/misaki')
    await page.getByLabel(t.composer).fill(t.question)
    await page.getByRole('button', { name: t.send, exact: true }).click()
    await page.waitForFunction(
      (name) => {
        const last = [...document.querySelectorAll(`article[aria-label="${name}"]`)].at(-1)
        return last?.dataset.growing !== 'true' && last?.querySelector('time')
      },
      t.misaki,
    )
    await page.goto('/account/plan')
    await title(page, 'プランと使用量').waitFor()
    await page.getByRole('img', { name: /の回数。合計1、/ }).waitFor()
    await good(page, 'plan')
    await page.getByText('表', { exact: true }).click()
    await page.getByRole('region', { name: '毎日の使用量' }).getByRole('cell', { name: '合計' }).waitFor()
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'CSVで保存').click()])
    const csv = await readFile(await download.path())
    assert.deepEqual([...csv.subarray(0, 3)], [0xef, 0xbb, 0xbf], 'Excel reads it as UTF-8')
    assert.match(csv.toString('utf8'), /^\ufeff日,回数,/)
  })

  await context.test('a balance opens to its lots, their movements and what each was for', async () => {
    await link(page, 'なぜこの残高？').click()
    await title(page, '残高の理由').waitFor()
    await said(page, t.balanced)
    await page.locator('summary').first().waitFor()
    for (let at = 0; at < (await page.locator('summary').count()); at += 1) await page.locator('summary').nth(at).click()
    // several runs may be used up in one movement, that of the block they were admitted from
    const { items } = await ask(page, '/billing/ledger/misaki.chat/movements')
    const settled = items.find(({ used }) => used > 0)
    assert.ok(settled, 'what was used is in the books')
    await page.locator('tr').filter({ hasText: settled.reference }).filter({ hasText: '使用済み +1' }).first().waitFor()
    await good(page, 'ledger')
  })

  await context.test('more is bought once, after all that the law wants to be read', async () => {
    const left = async () => (await plan(page)).quotas[0].available
    const before = await left()
    await page.goto('/account/plan')
    await link(page, '買い足す').click()
    await title(page, 'スナック みさきの買い足し').waitFor()
    await good(page, 'topups')
    await button(page, '「会話100回」を選ぶ').click()
    const terms = page.getByRole('heading', { name: 'ご購入の条件' }).locator('..')
    await terms.waitFor()
    assert.equal(await terms.locator('dt').count(), 6, 'the six statutory items')
    assert.match(await page.locator('main').innerText(), /自動更新はありません/)
    await good(page, 'topup-confirm')
    await pressByKeyboard(page, button(page, 'この内容で買い足す'))
    await page.getByText('SANDBOX').waitFor()
    await page.getByRole('button', { name: /支払う \/ Pay/ }).click()
    await title(page, '買い足しました').waitFor()
    assert.equal(await left(), before + 100)
    await good(page, 'topup-done')
    await link(page, '残高と入出の記録').click()
    await page.getByText('会話100回').first().waitFor()
  })

  await context.test('what was paid earns points, and a link invites a friend', async () => {
    // an event of Stripe's brings them a moment later
    for (let looks = 0; looks < 100 && (await ask(page, '/me/points')).balance === 0; looks += 1) await page.waitForTimeout(500)
    await page.goto('/account/rewards')
    await title(page, 'ポイントとご紹介').waitFor()
    const points = page.getByRole('heading', { name: 'いまのポイント' }).locator('..')
    await points.getByText(/^[1-9]\d*ポイント$/).waitFor()
    await page.getByText(/^あと\d+ポイント$/).first().waitFor()
    await button(page, '招待コードをつくる').click()
    const link = await page.getByText(/\/account\/rewards\?code=/).innerText()
    await good(page, 'rewards')

    const friend = await house.visit(phone, 'ja')
    const { pathname, search } = new URL(link)
    await friend.page.goto(`/sign-up?next=${encodeURIComponent(pathname + search)}`)
    await friend.page.getByLabel(t.email).fill('friend@example.test')
    await friend.page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
    await button(friend.page, t.signUp).click()
    await friend.page.waitForURL((url) => url.pathname === pathname)
    await friend.page.goto(await mailed(friend.page, 'friend@example.test', '/link/verify'))
    await title(friend.page, t.verified).waitFor()
    await friend.page.goto(pathname + search)
    assert.equal(await friend.page.getByLabel('招待コード（8文字）').inputValue(), new URLSearchParams(search).get('code'))
    await button(friend.page, '招待を受ける').click()
    await said(friend.page, '招待をお受けしました')
    assert.deepEqual(friend.complaints, [])
    await friend.context.close()
  })

  await context.test('receipts are listed, shown and printed without the page around them', async () => {
    await page.goto('/account/receipts')
    const { items } = await ask(page, '/billing/receipts')
    assert.ok(items.length >= 2, 'one for the first month, one for the upgrade')
    await good(page, 'receipts')
    await page.getByRole('link', { name: new RegExp(items[0].number) }).click()
    const sheet = page.getByRole('article')
    await sheet.getByRole('heading', { level: 1, name: '領収書' }).waitFor()
    assert.ok((await sheet.innerText()).includes(items[0].number))
    await good(page, 'receipt')
    await page.emulateMedia({ media: 'print' })
    assert.equal(await page.getByRole('banner').isVisible(), false)
    assert.equal(await sheet.isVisible(), true)
    await page.emulateMedia({ media: 'screen' })
  })

  await context.test('it is canceled where one was told, works to the end of the month, and can be taken back', async () => {
    await page.goto('/account/plan')
    await button(page, '解約する').click()
    const dialog = page.getByRole('dialog', { name: '「VIP」を解約しますか' })
    await dialog.waitFor()
    await good(page, 'cancel')
    await dialog.getByRole('button', { name: '解約する', exact: true }).click()
    await said(page, '解約の予約を受けています')
    const [ending] = (await ask(page, '/billing/subscriptions')).items
    assert.ok(ending.cancel_at)
    assert.equal((await plan(page)).plan.id, 'vip', 'what is paid for goes on')
    await button(page, '解約をとりやめる').click()
    await button(page, '解約する').waitFor()
    assert.equal((await ask(page, '/billing/subscriptions')).items[0].cancel_at, null)
    await button(page, '解約する').click()
    await dialog.getByRole('button', { name: '解約する', exact: true }).click()
    await said(page, '解約の予約を受けています')
    await good(page, 'canceled')
  })

  assert.deepEqual(complaints, [])
  await browser.close()
})

// Last, because it moves the clock of the stand-in for Stripe.
test('a month later the card fails: a banner says until when, and a new card ends it', async () => {
  const { page, context: browser, complaints } = await house.visit(phone, 'ja', 'dark')
  const beside = await browser.newPage()
  await beside.goto('/')
  await orderAs(page, 'late@example.test')
  await button(page, 'この内容で申し込む').click()
  await page.getByRole('button', { name: /^支払う/ }).click()
  await title(page, '「なじみ」になりました').waitFor()

  await page.goto('/account/plan')
  await button(page, 'お支払い方法').click()
  await page.getByRole('button', { name: /カードを使えなくする/ }).click()
  await page.getByText('SANDBOX').waitFor()
  const standIn = new URL(page.url()).origin
  const moved = await page.request.post(`${standIn}/sandbox/clock`, { form: { seconds: String(32 * 86_400) } })
  assert.ok(moved.ok(), await moved.text())

  // the event is worked on a moment later; whoever looks again sees it
  await page.goto('/account/plan')
  const banner = page.getByText('お支払いができませんでした').first()
  for (let looks = 0; looks < 100 && !(await banner.isVisible()); looks += 1) {
    await page.waitForTimeout(500)
    await page.reload()
    await said(page, 'いまのプラン')
    await page.waitForLoadState('networkidle')
  }
  await banner.waitFor()
  await said(page, 'までは、いまのまま使えます')
  assert.deepEqual([(await plan(page)).plan.id, (await plan(page)).status], ['paid', 'grace'])
  await good(page, 'grace')
  await page.goto('/misaki')
  await said(page, 'お支払いができませんでした')
  await good(page, 'grace-bar')
  await link(page, 'カードを更新する').click()

  await button(page, 'カードを更新する').click()
  await page.getByRole('button', { name: /カードを更新する/ }).click()
  await page.getByText('SANDBOX').waitFor()
  for (let looks = 0; looks < 100 && (await plan(beside)).status !== 'active'; looks += 1) await page.waitForTimeout(500)
  await page.goto('/account/plan')
  await said(page, '次のお支払いは')
  assert.equal(await page.getByText('お支払いができませんでした').count(), 0)
  assert.deepEqual(complaints, [])
  await browser.close()
})

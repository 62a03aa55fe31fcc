// Snack Misaki, whole: from a guest's first word over every plan to its models, and what stands around a talk.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openDoubles } from './doubles.mjs'
import { ask, findings, openHouse, picture, screens, sideways } from './house.mjs'
import { pretend } from './pretend.mjs'
import { words } from './words.mjs'

let doubles
let house
before(async () => {
  doubles = await openDoubles()
  house = await openHouse(doubles.settings)
})
after(async () => {
  await house?.close()
  doubles?.close()
})

const t = words.ja
const [desktop, phone] = screens
const button = (page, name) => page.getByRole('button', { name, exact: true })
const link = (page, name) => page.getByRole('link', { name, exact: true })
const answers = (page) => page.getByRole('article', { name: t.misaki, exact: true })

async function good(page, name) {
  await page.waitForLoadState('networkidle')
  assert.ok((await sideways(page)) <= 0, `${name}: no sideways scroll`)
  assert.deepEqual(await findings(page), [], name)
  await picture(page, `bar-${name}`)
}

async function say(page, text) {
  const before = await answers(page).locator('time').count()
  await page.getByLabel(t.composer).fill(text)
  await button(page, t.send).click()
  await page.waitForFunction(
    ([name, n]) => document.querySelectorAll(`article[aria-label="${name}"] time`).length > n,
    [t.misaki, before],
  )
}

// The answer of a model stands on the page, in her words.
const heard = (page, model) => answers(page).locator('[class*=prose]').getByText(doubles.answerOf(model)).waitFor()

// The last answer on record, and the bill for it.
async function record(page) {
  const { items } = await ask(page, '/api/misaki/chats?limit=1')
  const { messages } = await ask(page, `/api/misaki/chats/${items[0].id}`)
  const usage = (await ask(page, '/billing/usage?storefront=misaki')).items
  return { message: messages.at(-1), messages, usage }
}

// Milliseconds from the key that sends to the prepared answer on the page; the server is not waited for.
function timeOfPrepared(page, text) {
  return page.evaluate(
    ([text, name]) =>
      new Promise((done) => {
        const box = document.querySelector('textarea')
        const count = () => document.querySelectorAll(`article[aria-label="${name}"]`).length
        const before = count()
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(box, text)
        box.dispatchEvent(new Event('input', { bubbles: true }))
        requestAnimationFrame(() => {
          const began = performance.now()
          new MutationObserver((_, observer) => {
            if (count() === before) return
            observer.disconnect()
            done(performance.now() - began)
          }).observe(document.body, { subtree: true, childList: true })
          box.form.requestSubmit()
        })
      }),
    [text, t.misaki],
  )
}

test('whoever said their age by keyboard can speak at once', async () => {
  const { page, context } = await house.visit(desktop, 'ja', 'light', { young: true })
  await page.goto('/misaki')
  // the question has the cursor; then the message field has it, and a screen reader is not left at the top of the page
  await page.waitForFunction((yes) => document.activeElement?.textContent === yes, '20歳以上です。入る')
  await page.keyboard.press('Enter')
  await page.waitForFunction((label) => document.activeElement?.getAttribute('aria-label') === label, t.composer)
  await context.close()
})

test('a guest, a member, a regular, a VIP: one talk, and each plan its own model', async (context) => {
  const { page, context: browser, complaints } = await house.visit(phone, 'ja', 'dark', { young: true })

  await context.test('asked for their age once, a guest comes in with one tap, and 定型文 answers at once, for nothing', async () => {
    await page.goto('/misaki')
    await button(page, '20歳以上です。入る').waitFor()
    await good(page, 'gate')
    assert.equal(await page.getByLabel(t.composer).isVisible(), false, 'nobody speaks before they have answered')
    await button(page, 'いいえ').click()
    await link(page, 'ほかのお店を見る').waitFor()
    await good(page, 'gate-no')
    assert.equal((await ask(page, '/api/misaki/age')).confirmed_at, null)
    await button(page, 'やっぱり20歳以上です').click()
    await button(page, '20歳以上です。入る').click()
    await page.getByLabel(t.composer).waitFor()
    assert.ok((await ask(page, '/api/misaki/age')).confirmed_at, 'the house remembers')
    // asked once
    await page.reload()
    await page.getByLabel(t.composer).waitFor()
    await good(page, 'door')
    // the first answer is there while the server has not even been asked: the phrases live in the page
    let release
    const shown = new Promise((done) => {
      release = done
    })
    await page.route('**/misaki/messages', async (route) => {
      await shown
      await route.continue()
    })
    const times = []
    for (const text of ['こんばんは', '疲れた', 'ありがとう']) {
      times.push(await timeOfPrepared(page, text))
      release()
      await answers(page).nth(times.length - 1).locator('time').waitFor()
    }
    context.diagnostic(`定型文 in ${times.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    await page.waitForURL(/chat_/)
    assert.deepEqual(doubles.asked, [], 'no model was asked')
    assert.deepEqual((await record(page)).usage, [], 'nothing is on the bill')
    await answers(page).last().getByText(t.canned, { exact: true }).click()
    await page.getByText('回数は減りません').last().waitFor()
    await good(page, 'canned')
  })

  await context.test(
    'what no phrase knows goes to Phi-3 Mini, and the next one is priced before it is sent',
    async () => {
      await page.getByLabel(t.composer).fill('こんばんは')
      await page.getByText('定型なので0回分').waitFor()
      await page.getByLabel(t.composer).fill(t.question)
      await page.getByText('送ると1回分').waitFor()
      await say(page, t.question)
      await heard(page, 'phi-3-mini')
      const { message, usage } = await record(page)
      assert.deepEqual([message.run.model, message.run.state], ['phi-3-mini', 'completed'])
      assert.deepEqual([usage.length, usage[0].run_id, usage[0].model], [1, message.run.id, usage[0].model])
      assert.deepEqual(
        doubles.asked.map(({ model }) => model),
        ['phi-3-mini'],
      )
      await good(page, 'phi')
    },
  )

  await context.test('an account keeps the talk', async () => {
    const here = new URL(page.url()).pathname
    const before = (await record(page)).messages.map(({ id }) => id)
    await page.goto(`/sign-up?next=${encodeURIComponent(here)}`)
    await page.getByLabel(t.email).fill('regular@example.test')
    await page.getByLabel(t.password, { exact: true }).fill('correct horse battery')
    await button(page, t.signUp).click()
    await page.waitForURL(`**${here}`)
    await heard(page, 'phi-3-mini')
    assert.deepEqual(
      (await record(page)).messages.map(({ id }) => id),
      before,
    )
    assert.equal((await ask(page, '/billing/plan?storefront=misaki')).plan.id, 'free')
    await good(page, 'member')
  })

  await context.test('paid for, the next message goes to Mistral', async () => {
    const here = new URL(page.url()).pathname
    await page.goto(`/plans/misaki?next=${encodeURIComponent(here)}`)
    await link(page, '「なじみ」に申し込む').click()
    await button(page, 'この内容で申し込む').waitFor()
    await link(page, '特定商取引法に基づく表記').first().waitFor()
    await good(page, 'order')
    await button(page, 'この内容で申し込む').click()
    await page.getByRole('button', { name: /^支払う/ }).click()
    await page.getByRole('heading', { level: 1, name: '「なじみ」になりました' }).waitFor()
    await picture(page, 'bar-paid')
    await page.goto(here)
    await page.getByText('なじみ').first().waitFor({ state: 'attached' })
    await say(page, 'お店をはじめようか、まだ迷っています')
    await heard(page, 'mistral-7b')
    const { message, usage } = await record(page)
    assert.equal(message.run.model, 'mistral-7b')
    assert.equal(usage[0].run_id, message.run.id)
    assert.deepEqual(
      doubles.asked.map(({ model }) => model),
      ['phi-3-mini', 'mistral-7b'],
    )
    await good(page, 'mistral')
  })

  await context.test(
    'raised to VIP elsewhere, the open page’s next message goes to Claude, with the whole talk',
    async () => {
      const other = await browser.newPage()
      await other.goto('/plans/misaki')
      await link(other, '「VIP」に上げる').click()
      await button(other, 'この内容で申し込む').click()
      await other.getByRole('heading', { level: 1, name: '「VIP」になりました' }).waitFor()
      await picture(other, 'bar-vip')
      await other.close()
      await say(page, '昨日の話の続きを聞いてください')
      await heard(page, 'claude-3-haiku-20240307')
      const { message, usage } = await record(page)
      assert.equal(message.run.model, 'claude-3-haiku-20240307')
      assert.equal(usage[0].run_id, message.run.id)
      assert.ok(usage[0].cost_nano_usd > 0)
      const [phi, mistral, claude] = doubles.asked
      assert.equal(doubles.asked.length, 3, 'each asked once')
      // the same Misaki speaks, whoever lends the voice
      assert.ok(JSON.stringify(claude).includes('みさき') && JSON.stringify(phi.messages[0]).includes('みさき'))
      assert.ok(JSON.stringify(mistral.messages).includes(t.question), 'what was said as a guest is known')
      await answers(page).last().getByRole('button', { name: 'だれが答えたか' }).click()
      await page.getByText('claude-3-haiku-20240307 が答えました。').waitFor()
      await good(page, 'claude')
    },
  )

  assert.deepEqual(complaints, [])
  await browser.close()
})

test('the keyboard does what it says, a draft stays, and an answer elsewhere is marked', async () => {
  const { page, context: browser, complaints } = await house.visit(desktop, 'ja')
  await browser.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.goto('/misaki')
  await page.getByLabel(t.composer).waitFor()
  await page.keyboard.press('Control+/')
  await page.getByRole('dialog', { name: 'キーボードで' }).waitFor()
  await good(page, 'shortcuts')
  await page.keyboard.press('Escape')
  await say(page, 'こんばんは')
  await page.waitForURL(/chat_/)
  const first = page.url()
  const said = await answers(page).last().locator('[class*=prose]').innerText()
  await page.getByLabel(t.composer).blur()
  await page.keyboard.press('Control+Shift+c')
  await page.getByText('最後のお返事をコピーしました').waitFor()
  assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trim(), said.trim())
  await page.keyboard.press('Control+i')
  await page.keyboard.type('書きかけの言葉')
  await page.keyboard.press('Control+k')
  await page.waitForFunction(() => document.activeElement?.hasAttribute('data-search'))
  await page.keyboard.press('Control+Shift+o')
  await page.waitForURL(/\/misaki$/)
  await page.waitForFunction(() => document.querySelector('textarea')?.value === '')
  await page.goto(first)
  // also after a reload, once the page knows whose it is
  await page.waitForFunction(() => document.querySelector('textarea')?.value === '書きかけの言葉')
  // asked here, gone on elsewhere: the list says when the answer is there
  let release
  const held = new Promise((done) => {
    release = done
  })
  await page.route('**/inference/*/events*', async (route) => {
    await held
    await route.continue()
  })
  await page.getByLabel(t.composer).fill(t.question)
  await page.getByLabel(t.composer).press('Enter')
  const list = page.getByRole('navigation', { name: 'これまでの会話' }).locator('visible=true')
  await list.getByRole('link', { name: /お返事の途中/ }).waitFor()
  await page.keyboard.press('Control+Shift+o')
  release()
  await list.getByRole('link', { name: /新しいお返事/ }).waitFor()
  await good(page, 'marked')
  await list.getByRole('link', { name: /新しいお返事/ }).click()
  await heard(page, 'phi-3-mini')
  await list.getByRole('link', { name: /新しいお返事/ }).waitFor({ state: 'detached' })
  assert.deepEqual(complaints, [])
  await browser.close()
})

const own = {
  ja: {
    share: '会話を見せる',
    makeLink: 'リンクをつくる',
    takeBack: '取り消す',
    bad: 'いまひとつ',
    whyBad: 'どこが、いまひとつでしたか',
    cold: '冷たい',
    tell: '伝える',
    forget: '「猫のタマと暮らしている」を忘れる',
    edit: '「猫のタマと暮らしている」を直す',
    pick: 'ファイルを選ぶ',
    brought: '2件の会話、8件の言葉を持ち込みました',
    phrases: '定型文',
    phraseEdit: 'hello を直す',
    trialText: 'お客さまの言葉',
    trial: '試してみる',
    hit: 'hello に当たりました（ぴったり）',
    gone: 'このリンクは、もう使えません',
  },
  en: {
    share: 'Share this conversation',
    makeLink: 'Make a link',
    takeBack: 'Take back',
    bad: 'Not a good answer',
    whyBad: 'What was wrong with it?',
    cold: 'It is cold',
    tell: 'Tell them',
    forget: 'Forget “猫のタマと暮らしている”',
    edit: 'Edit “猫のタマと暮らしている”',
    pick: 'Choose a file',
    brought: 'Brought 2 conversations with 8 messages',
    phrases: 'Phrases',
    phraseEdit: 'Edit hello',
    trialText: 'What a guest says',
    trial: 'Try',
    hit: 'Hit hello (exact)',
    gone: 'This link no longer works',
  },
}

for (const [screen, language, scheme] of [
  [phone, 'ja', 'dark'],
  [desktop, 'en', 'light'],
]) {
  const o = own[language]
  const w = words[language]
  const name = (what) => `${what}-${screen.name}-${language}`

  test(`sharing, judging, remembering and moving, on a ${screen.name}, in ${language}`, async () => {
    const { page, context: browser, complaints } = await house.visit(screen, language, scheme)
    const sent = await pretend(browser)
    await page.goto('/misaki')
    await page.getByLabel(w.composer).fill(w.greeting)
    await button(page, w.send).click()
    await page.waitForURL(/chat_/)
    await page.getByRole('article', { name: w.misaki, exact: true }).locator('time').waitFor()

    await button(page, o.share).click()
    const dialog = page.getByRole('dialog', { name: o.share })
    await dialog.getByRole('button', { name: o.makeLink }).click()
    const address = await dialog.getByText(/\/misaki\/s\//).innerText()
    await good(page, name('share'))
    await dialog
      .getByRole('button', { name: o.takeBack })
      .or(dialog.getByText(o.takeBack, { exact: true }))
      .first()
      .click()
    await dialog.getByText(/\/misaki\/s\//).waitFor({ state: 'detached' })
    await page.keyboard.press('Escape')

    await button(page, o.bad).click()
    const why = page.getByRole('dialog', { name: o.whyBad })
    await why.getByText(o.cold).click()
    await good(page, name('feedback'))
    await why.getByRole('button', { name: o.tell }).click()
    await why.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: o.bad, exact: true, pressed: true }).waitFor()
    assert.deepEqual(sent.feedback.at(-1), { liked: false, reason: 'cold', with_talk: false })

    await page.goto(new URL(address).pathname.replace(/[^/]+$/, 'tok_open'))
    await page.getByRole('article', { name: w.misaki, exact: true }).waitFor()
    await good(page, name('shared'))
    await page.goto('/misaki/s/tok_gone')
    await page.getByRole('heading', { name: o.gone }).waitFor()
    await good(page, name('shared-gone'))

    await page.goto('/misaki/memory')
    await page.getByText('猫のタマと暮らしている').waitFor()
    await button(page, o.edit).click()
    await good(page, name('memory'))
    await page.keyboard.press('Escape')
    await button(page, o.forget).click()
    await page.getByText('猫のタマと暮らしている').waitFor({ state: 'detached' })

    await page.goto('/misaki/moving')
    await page.getByLabel(o.pick).setInputFiles({
      name: 'conversations.json',
      mimeType: 'application/json',
      buffer: Buffer.from('[]'),
    })
    await page.getByText(o.brought).waitFor()
    await good(page, name('moving'))

    await page.goto('/legal/tokushoho')
    await good(page, name('tokushoho'))
    assert.deepEqual(complaints, [])
    await browser.close()
  })

  test(`the operator's desks of the bar, on a ${screen.name}, in ${language}`, async () => {
    const { page, context: browser, complaints } = await house.visit(screen, language, scheme)
    await pretend(browser)
    await page.goto('/')
    await page.evaluate(() =>
      fetch('/demo/sign-in', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ as: 'operator' }),
      }),
    )
    await page.goto('/admin/desk/phrases')
    await page.getByRole('heading', { level: 1, name: o.phrases }).waitFor()
    await page.getByLabel(o.trialText).fill(w.greeting)
    await button(page, o.trial).click()
    await page.getByText(o.hit).waitFor()
    await good(page, name('phrases'))
    await button(page, o.phraseEdit).click()
    await page.getByRole('dialog').waitFor()
    await good(page, name('phrase'))
    await page.keyboard.press('Escape')
    for (const desk of ['persona', 'feedback', 'routing']) {
      await page.goto(`/admin/desk/${desk}`)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await good(page, name(desk))
    }
    assert.deepEqual(complaints, [])
    await browser.close()
  })
}

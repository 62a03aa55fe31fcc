// What a guest does with a talk afterwards: versions, names, search, and a talk off the record.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ask, findings, openHouse, picture, sideways, visits } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const own = {
  ja: {
    you: 'あなた',
    anew: 'もう一度聞く',
    older: '前の版',
    edit: '書き直す',
    sendAnew: '送り直す',
    remove: 'メッセージを消す',
    delete: '消す',
    openList: '会話の一覧をひらく',
    conversations: 'これまでの会話',
    settings: /の設定$/,
    dialog: '会話の設定',
    name: '名前',
    folder: 'フォルダー',
    save: '保存する',
  },
  en: {
    you: 'You',
    anew: 'Answer anew',
    older: 'Earlier version',
    edit: 'Edit',
    sendAnew: 'Send anew',
    remove: 'Delete message',
    delete: 'Delete',
    openList: 'Open the list of conversations',
    conversations: 'Conversations',
    settings: /^Settings of/,
    dialog: 'This conversation',
    name: 'Name',
    folder: 'Folder',
    save: 'Save',
  },
}

async function say(page, t, text) {
  const answered = await page.locator('article[data-growing] time').count()
  await page.getByLabel(t.composer).fill(text)
  await page.getByRole('button', { name: t.send, exact: true }).click()
  await page.waitForFunction((n) => document.querySelectorAll('article[data-growing] time').length > n, answered)
}

async function looksRight(page, name) {
  assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
  assert.deepEqual(await findings(page), [])
  await picture(page, name)
}

for (const [screen, language] of visits) {
  const t = words[language]
  const o = own[language]
  describe(`${screen.name}, ${language}`, () => {
  test('a talk is turned over, named, and found again', async () => {
    const { page, context, complaints, label } = await house.visit(screen, language)
    await page.goto('/misaki')
    await say(page, t, t.greeting)
    await page.waitForURL(/chat_/)
    await say(page, t, '飼い猫のタマがビールをこぼした話を聞いて')

    // another version of the answer, and back to the first
    await page.getByRole('button', { name: o.anew }).last().click()
    await page.getByText('2/2').waitFor()
    await looksRight(page, `talks-versions-${label}`)
    await page.getByRole('button', { name: o.older }).click()
    await page.getByText('1/2').waitFor()

    // a question put differently
    const mine = page.getByRole('article', { name: o.you, exact: true }).last()
    if (screen.name === 'desktop') await mine.hover()
    await mine.getByRole('button', { name: o.edit, exact: true }).click()
    await page.getByRole('textbox', { name: o.edit, exact: true }).fill('やっぱり犬のポチの話を聞いて')
    await looksRight(page, `talks-editing-${label}`)
    await page.getByRole('button', { name: o.sendAnew }).click()
    await page.getByRole('article', { name: o.you, exact: true }).last().getByText('2/2').waitFor()

    // an answer taken back, after a question whether that is meant
    await page.getByRole('button', { name: o.remove }).last().click()
    const sure = page.getByRole('dialog', { name: o.remove })
    await looksRight(page, `talks-delete-${label}`)
    await sure.getByRole('button', { name: o.delete, exact: true }).click()
    await sure.waitFor({ state: 'detached' })

    // named, pinned, put into a folder
    if (screen.name === 'phone') await page.getByRole('button', { name: o.openList }).click()
    const list = page.getByRole('navigation', { name: o.conversations }).locator('visible=true')
    if (screen.name === 'desktop') await list.getByRole('listitem').first().hover()
    await list.getByRole('button', { name: o.settings }).first().click()
    const dialog = page.getByRole('dialog', { name: o.dialog })
    await dialog.getByLabel(o.name).fill('雨の夜の話')
    await dialog.getByLabel(o.folder).fill('思い出')
    await dialog.getByRole('checkbox').check()
    await looksRight(page, `talks-settings-${label}`)
    await dialog.getByRole('button', { name: o.save }).click()
    await list.getByText('雨の夜の話').waitFor()
    const { items } = await ask(page, '/api/misaki/chats?pinned=true')
    assert.deepEqual([items[0].title, items[0].folder], ['雨の夜の話', '思い出'])

    // found by two letters in another writing, on the branch that is not shown
    await list.getByRole('searchbox').fill('たま')
    await list.locator('mark').first().waitFor()
    await looksRight(page, `talks-search-${label}`)
    await list.locator('button:has(mark)', { hasText: '飼い猫' }).last().click()
    await page.waitForURL(/#msg_/)
    await page.getByRole('article', { name: o.you, exact: true }).getByText('飼い猫のタマがビールをこぼした話を聞いて').waitFor()
    assert.deepEqual(complaints, [])
    await context.close()
  })

  test('off the record leaves nothing', async () => {
    const { page, context, complaints, label } = await house.visit(screen, language)
    await page.goto('/misaki/passing')
    await say(page, t, t.question)
    await looksRight(page, `talks-passing-${label}`)
    assert.deepEqual((await ask(page, '/api/misaki/chats')).items, [])
    await page.reload()
    await page.getByLabel(t.composer).waitFor()
    assert.equal(await page.getByRole('article').count(), 0)
    assert.deepEqual(complaints, [])
    await context.close()
  })
  })
}

// Scenes of the inference API's console and of the legal pages.
const button = (page, name) => page.getByRole('button', { name })
const session = 'paid'
// On a phone the panels beside the conversation are closed.
const openPanels = (page) =>
  page.locator('details').evaluateAll((panels) => {
    for (const panel of panels) panel.open = true
  })

export const genaiScenes = [
  { name: 'genai-landing', path: '/genai' },
  { name: 'genai-nobody', path: '/genai/requests' },
  { name: 'genai-quickstart', path: '/genai/quickstart', session: 'free', live: true },
  {
    name: 'genai-quickstart-green',
    path: '/genai/quickstart',
    session: 'free',
    live: true,
    async act(page) {
      await button(page, /この場で鍵をつくる|Make a key here/).click()
      // The stand-in wants a fresh proof first.
      await page.locator('dialog input[name=password]').fill('noren-demo-free')
      await page.locator('dialog form button[type=submit]').click()
      await page.getByText(/^nrn_/).first().waitFor()
      await page.evaluate(async () => {
        const plan = await (await fetch('/billing/plan?storefront=genai')).json()
        await fetch(`${plan.inference.url}/inference`, {
          method: 'POST',
          headers: { authorization: `Bearer ${plan.inference.token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'gpt-4o-mini', prompt: 'のれんとは' }),
        })
      })
      await page.locator('[data-arrived="true"]').waitFor()
    },
  },
  { name: 'genai-playground', path: '/genai/playground', session: 'free' },
  {
    name: 'genai-playground-compare',
    path: '/genai/playground',
    session: 'free',
    async act(page) {
      await page.locator('details').first().waitFor()
      await openPanels(page)
      await page.getByLabel(/2つのモデルをくらべる|Compare two models/).check()
      await page.getByLabel(/^(メッセージ|Message)$/).fill('暖簾とは何ですか')
      await page.getByText(/費用は最大|at most/).waitFor()
      await page.getByLabel(/^(メッセージ|Message)$/).press('Control+Enter')
      await page.locator('[data-state="completed"]').nth(1).waitFor()
      await page.getByLabel(/^(メッセージ|Message)$/).fill('では、のれん分けとは')
      await page.getByText(/費用は最大|at most/).waitFor()
    },
  },
  {
    name: 'genai-playground-locked',
    path: '/genai/playground?model=gpt-4o',
    session: 'free',
    async act(page) {
      await page.locator('details').first().waitFor()
      await openPanels(page)
      await page.getByText(/プランから使えます|comes with the/).waitFor()
    },
  },
  {
    name: 'genai-playground-code',
    path: '/genai/playground',
    session: 'free',
    async act(page) {
      await page.getByLabel(/^(メッセージ|Message)$/).fill('暖簾とは何ですか')
      await button(page, /コードを取得|Get the code/).click()
      await page.getByRole('dialog').getByText('curl').first().waitFor()
    },
  },
  {
    name: 'genai-playground-history',
    path: '/genai/playground?talk=talk_0',
    session,
    async act(page) {
      await page.locator('[data-state="completed"]').first().waitFor()
      await openPanels(page)
      await page.locator('details nav a[aria-current="page"]').waitFor()
    },
  },
  {
    name: 'genai-playground-forgotten',
    path: '/genai/playground?talk=talk_4',
    session,
    async act(page) {
      await page.getByText(/答えは残っていません|answer is not kept/).waitFor()
    },
  },
  {
    name: 'genai-playground-rename',
    path: '/genai/playground?talk=talk_2',
    session,
    async act(page) {
      await page
        .locator('details')
        .first()
        .evaluate((box) => {
          box.open = true
        })
      await button(page, /に名前を付ける|^Name “/)
        .nth(2)
        .click()
      await page.getByRole('dialog').waitFor()
    },
  },
  { name: 'genai-requests', path: '/genai/requests', session, live: true },
  {
    name: 'genai-request-closed',
    path: '/genai/requests',
    session,
    live: true,
    async act(page) {
      await page.getByRole('link', { name: /本文を開けません|can’t be opened/ }).click()
      await page.locator('dl').first().waitFor()
    },
  },
  { name: 'genai-requests-empty', path: '/genai/requests', session: 'free', live: true },
  { name: 'genai-requests-none', path: '/genai/requests?q=zzz', session, live: true },
  {
    name: 'genai-requests-marked',
    path: '/genai/requests',
    session,
    live: true,
    async act(page) {
      await page.locator('tbody input[type=checkbox]:enabled').first().check()
      await button(page, /1件の本文を消す|Delete the text of 1/).click()
      await page.getByRole('dialog').waitFor()
    },
  },
  {
    name: 'genai-request',
    path: '/genai/requests',
    session,
    live: true,
    async act(page) {
      await page.locator('tr[data-status="completed"] a').first().click()
      await page.locator('[data-what="completed"]').waitFor()
    },
  },
  {
    name: 'genai-request-failed',
    path: '/genai/requests?status=failed',
    session,
    live: true,
    async act(page) {
      await page.locator('tr[data-status="failed"] a').first().click()
      await page.locator('[data-what="failed"]').waitFor()
    },
  },
  { name: 'genai-statistics', path: '/genai/statistics?span=30d', session },
  { name: 'genai-statistics-model', path: '/genai/statistics?by=model', session },
  {
    name: 'genai-statistics-table',
    path: '/genai/statistics?by=model',
    session,
    async act(page) {
      await page.getByText(/^(表|Table)$/).click()
    },
  },
  { name: 'genai-statistics-empty', path: '/genai/statistics', session: 'free' },
  { name: 'genai-catalog', path: '/genai/catalog', session },
  { name: 'genai-status', path: '/genai/status' },
  { name: 'genai-docs', path: '/genai/docs', session },
  {
    name: 'genai-away',
    path: '/genai/requests',
    session,
    live: true,
    before: (fault) => {
      fault.account = (at) => at.startsWith('GET /history')
    },
    after: (fault) => {
      delete fault.account
    },
    settle: 5000,
  },
  {
    name: 'genai-menu',
    path: '/genai/status',
    session,
    narrow: true,
    async act(page) {
      await button(page, /メニューをひらく|Open the menu/).click()
      await page.waitForTimeout(400)
    },
  },
  { name: 'legal-terms', path: '/legal/terms' },
  { name: 'legal-privacy', path: '/legal/privacy' },
]

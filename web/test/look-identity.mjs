// Scenes of the ways in, the mailed links and the account area.
const button = (page, name) => page.getByRole('button', { name })
const submit = (page) => page.locator('form button[type=submit]').first()

export const identityScenes = [
  {
    name: 'id-sign-in-second',
    path: '/sign-in',
    async act(page) {
      await page.locator('input[name=email]').fill('second@example.jp')
      await page.locator('input[name=password]').fill('correct horse battery')
      await submit(page).click()
      await page.locator('input[name=code]').waitFor()
    },
  },
  {
    name: 'id-sign-in-child',
    path: '/sign-in/child?family=k7q2m9xd',
    async act(page) {
      await submit(page).click()
      await page.getByRole('alert').waitFor()
    },
  },
  {
    name: 'id-sign-up-weak',
    path: '/sign-up',
    async act(page) {
      await page.locator('input[name=email]').fill('someone@example.jp')
      await page.locator('input[name=password]').fill('password')
      await submit(page).click()
      await page.getByRole('alert').waitFor()
    },
  },
  {
    name: 'id-sign-up-done',
    path: '/sign-up?next=%2Faccount',
    async act(page) {
      await page.locator('input[name=email]').fill(`a.rather.long.address.${Math.random()}@example-company.co.jp`)
      await page.locator('input[name=password]').fill('correct horse battery')
      await submit(page).click()
      await page.waitForURL(/\/account$/)
      await page
        .getByText(/お手紙を送りました|We sent a letter/)
        .first()
        .waitFor({ state: 'attached' })
    },
  },
  { name: 'id-forgot', path: '/forgot' },
  {
    name: 'id-forgot-sent',
    path: '/forgot',
    async act(page) {
      await page.locator('input[name=email]').fill('someone@example.jp')
      await submit(page).click()
      await page.getByRole('status').first().waitFor()
    },
  },
  { name: 'id-callback-denied', path: '/auth/callback?error=access_denied' },
  { name: 'id-callback-failed', path: '/auth/callback?code=1&state=2' },
  { name: 'id-verify', path: '/link/verify#tok', session: 'free' },
  { name: 'id-verify-expired', path: '/link/verify#old', session: 'free' },
  { name: 'id-verify-empty', path: '/link/verify' },
  { name: 'id-reset', path: '/link/reset#tok' },
  { name: 'id-email', path: '/link/email#tok', session: 'paid' },
  { name: 'id-invite', path: '/link/invite#tok' },
  { name: 'id-invite-stale', path: '/link/invite#old' },
  {
    name: 'id-invite-other',
    path: '/link/invite#tok',
    session: 'paid',
    async act(page) {
      await button(page, /招待を受ける|Accept/).click()
      await page.getByRole('alert').waitFor()
    },
  },
  { name: 'id-unsubscribe', path: '/unsubscribe#tok' },
  { name: 'id-mailbox', path: '/sandbox/mailbox' },
  { name: 'id-profile', path: '/account/profile', session: 'free' },
  { name: 'id-security', path: '/account/security', session: 'paid' },
  {
    name: 'id-step-up',
    path: '/account/security',
    session: 'paid',
    async act(page) {
      await button(page, /復旧コードをつくり直す|new recovery codes/).click()
      await page.getByRole('dialog').waitFor()
      await page.getByText(/^(認証アプリ|App code)$/).click()
      await page.locator('dialog input[name=code]').fill('000000')
      await page.locator('dialog form button[type=submit]').click()
      await page.getByRole('alert').waitFor()
    },
  },
  {
    name: 'id-totp',
    path: '/account/security',
    session: 'free',
    async act(page) {
      await button(page, /認証アプリを設定|Set up an app/).click()
      await page.locator('dialog input[name=password]').fill('right')
      await page.locator('dialog form button[type=submit]').click()
      await page.getByRole('img', { name: /QR/ }).waitFor()
    },
  },
  {
    name: 'id-recovery',
    path: '/account/security',
    session: 'free',
    async act(page) {
      await button(page, /認証アプリを設定|Set up an app/).click()
      await page.locator('dialog input[name=password]').fill('right')
      await page.locator('dialog form button[type=submit]').click()
      await page.locator('input[name=code]').fill('１２３４５６')
      await submit(page).click()
      await page.getByText('7H2K-9QXD').waitFor()
    },
  },
  { name: 'id-devices', path: '/account/devices', session: 'paid' },
  { name: 'id-keys', path: '/account/keys', session: 'paid' },
  { name: 'id-keys-empty', path: '/account/keys', session: 'free' },
  {
    name: 'id-keys-new',
    path: '/account/keys',
    session: 'paid',
    async act(page) {
      await button(page, /^(鍵をつくる|Create a key)$/).click()
      await page.locator('details summary').first().click()
    },
  },
  {
    name: 'id-keys-secret',
    path: '/account/keys',
    session: 'free',
    async act(page) {
      await button(page, /^(鍵をつくる|Create a key)$/).click()
      await page.locator('input[name=key_name]').fill('夜の集計')
      await submit(page).click()
      await page.locator('dialog input[name=password]').fill('right')
      await page.locator('dialog form button[type=submit]').click()
      await page.getByText(/nrn_a1B2/).waitFor()
    },
  },
  {
    name: 'id-keys-rotate',
    path: '/account/keys',
    session: 'paid',
    async act(page) {
      await button(page, /入れ替える|Rotate/)
        .first()
        .click()
      await page.getByRole('dialog').waitFor()
    },
  },
  { name: 'id-members', path: '/account', session: 'paid', act: actFor(/開発チーム/, '/account/members') },
  { name: 'id-family', path: '/account', session: 'paid', act: actFor(/高橋家/, '/account/family') },
  {
    name: 'id-family-add',
    path: '/account',
    session: 'paid',
    async act(page) {
      await actFor(/高橋家/, '/account/family')(page)
      await button(page, /^(お子さまを加える|Add a child)$/).click()
      await page
        .locator('form', { has: page.locator('input[name=pin]') })
        .locator('button[type=submit]')
        .click()
      await page.getByRole('alert').waitFor()
    },
  },
  {
    name: 'id-menu',
    path: '/account',
    session: 'paid',
    async act(page) {
      await button(page, /立場と帳場|Acting for, and/).click()
    },
  },
  {
    name: 'id-audit',
    path: '/account/audit',
    session: 'paid',
    async act(page) {
      await page.locator('details summary').first().click()
    },
  },
  { name: 'id-data', path: '/account/data', session: 'leaving' },
  { name: 'id-new-tenant', path: '/account/new', session: 'free' },
  { name: 'id-child', path: '/account', session: 'child' },
  { name: 'id-child-shut', path: '/account/keys', session: 'child' },
  { name: 'id-member-shut', path: '/account/family', session: 'free' },
  { name: 'misaki-leaving', path: '/misaki', session: 'leaving' },
]

function actFor(name, path) {
  return async (page) => {
    await button(page, /立場と帳場|Acting for, and/).click()
    await button(page, name).click()
    await button(page, /立場と帳場|Acting for, and/)
      .filter({ hasText: name })
      .waitFor()
    await page.locator(`nav a[href="${path}"]`).click()
    await page.waitForURL(`**${path}`)
    await page.waitForLoadState('networkidle')
  }
}

// Scenes of the operators' console, of webhooks, and of a key that is changed.
const button = (page, name) => page.getByRole('button', { name })
const session = 'operator'

export const adminScenes = [
  { name: 'admin-nobody', path: '/admin' },
  { name: 'admin-customer', path: '/admin/desk/jobs', session: 'paid' },
  { name: 'admin-overview', path: '/admin', session },
  {
    name: 'admin-overview-away',
    path: '/admin',
    session,
    before: (fault) => {
      fault.account = (at) => at === 'GET /ready' || at.startsWith('GET /admin/')
    },
    after: (fault) => {
      delete fault.account
    },
    settle: 5000,
  },
  {
    name: 'admin-drawer',
    path: '/admin',
    session,
    narrow: true,
    async act(page) {
      await button(page, /運営の一覧をひらく|Open the list of operations/).click()
      await page.waitForTimeout(400)
    },
  },
  { name: 'admin-plans', path: '/admin/desk/plans', session },
  { name: 'admin-plans-compare', path: '/admin/desk/plans?plan=misaki%2Fpaid', session },
  { name: 'admin-tenants', path: '/admin/desk/tenants', session },
  { name: 'admin-tenants-none', path: '/admin/desk/tenants?q=zzz', session },
  { name: 'admin-tenant', path: '/admin/desk/tenants/tnt_77b1', session },
  { name: 'admin-subscriptions', path: '/admin/desk/subscriptions', session },
  {
    name: 'admin-events',
    path: '/admin/desk/events',
    session,
    async act(page) {
      await button(page, /Stripeとつき合わせる|Compare with Stripe/).click()
      await page.getByText('evt_1QxYzMissed').waitFor()
    },
  },
  { name: 'admin-jobs', path: '/admin/desk/jobs', session },
  {
    name: 'admin-jobs-delete',
    path: '/admin/desk/jobs?state=dead',
    session,
    async act(page) {
      await button(page, /を消す$|^Delete job/)
        .first()
        .click()
      await page.getByRole('dialog').waitFor()
    },
  },
  { name: 'admin-figures', path: '/admin/desk/figures', session },
  { name: 'admin-models', path: '/admin/desk/models', session },
  {
    name: 'admin-models-file',
    path: '/admin/desk/models',
    session,
    async act(page) {
      await button(page, /^設定を開く$|^Open the file$/).click()
      await page.locator('textarea').waitFor()
      await button(page, /^確かめて違いを見る$|^Check and compare$/).click()
      await button(page, /^この設定を使う$|^Put in force$/).waitFor()
    },
  },
  {
    name: 'admin-models-back',
    path: '/admin/desk/models',
    session,
    async act(page) {
      await button(page, /のカナリアを0 %に戻す$|^Take back the canary/)
        .first()
        .click()
      await page.getByRole('dialog').waitFor()
    },
  },
  { name: 'admin-usage', path: '/admin/desk/usage', session },
  { name: 'admin-usage-none', path: '/admin/desk/usage?month=2025-05', session },
  { name: 'hooks-empty', path: '/account/hooks', session: 'free' },
  {
    name: 'hooks-new',
    path: '/account/hooks',
    session: 'free',
    async act(page) {
      await button(page, /送り先を加える|Add a webhook/).click()
      await page.locator('input[name=which]').nth(1).check()
      await page.locator('input[type=checkbox]').first().waitFor()
    },
  },
  {
    name: 'hooks-secret',
    path: '/account/hooks',
    session: 'free',
    async act(page) {
      await button(page, /送り先を加える|Add a webhook/).click()
      await page.locator('input[name=url]').fill('https://example.jp/hooks')
      await page.locator('form button[type=submit]').click()
      await page.getByText(/^whsec_/).waitFor()
    },
  },
  { name: 'hooks', path: '/account/hooks?hook=hook_1', session },
  {
    name: 'keys-edit',
    path: '/account/keys',
    session: 'paid',
    async act(page) {
      await button(page, /^鍵「.*」を変える$|^Edit the key/)
        .first()
        .click()
      await page.getByRole('dialog').waitFor()
    },
  },
]

// Scenes of plans, orders, the plan's page, receipts and balances; the last one is the whole way through.
import { readFile } from 'node:fs/promises'

const button = (page, name) => page.getByRole('button', { name })
const link = (page, name) => page.getByRole('link', { name })
const said = (page, text) => page.getByText(text).first().waitFor()

export const billingScenes = [
  { name: 'bill-plans-nobody', path: '/plans/misaki?plan=paid' },
  { name: 'bill-plans', path: '/plans/misaki', session: 'paid' },
  { name: 'bill-plans-empty', path: '/plans/webgpt' },
  { name: 'bill-confirm', path: '/billing/confirm/misaki/paid', session: 'free' },
  { name: 'bill-confirm-upgrade', path: '/billing/confirm/misaki/vip', session: 'paid' },
  { name: 'bill-result-cancel', path: '/billing/result?outcome=cancel&storefront=misaki&plan=vip', session: 'free' },
  { name: 'bill-result-waiting', path: '/billing/result?outcome=success&storefront=misaki&plan=vip', session: 'free' },
  { name: 'bill-standing', path: '/account/plan', session: 'paid' },
  {
    name: 'bill-standing-table',
    path: '/account/plan',
    session: 'paid',
    async act(page) {
      await page.getByRole('radio', { name: /表|Table/ }).check({ force: true })
      const [saved] = await Promise.all([page.waitForEvent('download'), button(page, /CSV/).click()])
      if (!/^noren-misaki-\d{4}-\d{2}\.csv$/.test(saved.suggestedFilename())) throw new Error(saved.suggestedFilename())
      const csv = await readFile(await saved.path())
      if (csv[0] !== 0xef) throw new Error('the file does not begin with a byte-order mark')
    },
  },
  {
    name: 'bill-standing-cancel',
    path: '/account/plan',
    session: 'paid',
    async act(page) {
      await button(page, /解約する|Cancel the plan/).click()
      await page.getByRole('dialog').waitFor()
    },
  },
  { name: 'bill-standing-guest', path: '/account/plan', session: 'guest' },
  { name: 'bill-receipts', path: '/account/receipts', session: 'paid' },
  { name: 'bill-receipts-empty', path: '/account/receipts', session: 'free' },
  { name: 'bill-receipt', path: '/account/receipts/rcp_1', session: 'paid' },
  {
    name: 'bill-receipt-print',
    path: '/account/receipts/rcp_1',
    session: 'paid',
    async act(page) {
      await page.emulateMedia({ media: 'print' })
      if (await page.getByRole('navigation').first().isVisible()) throw new Error('the paper shows the way around')
    },
  },
  {
    name: 'bill-ledger',
    path: '/account/ledger',
    session: 'paid',
    async act(page) {
      await page.locator('summary').first().click()
      await said(page, 'run_00000000000000000000000000000007')
    },
  },
  {
    name: 'bill-journey',
    path: '/plans/misaki',
    session: 'free',
    async act(page) {
      await link(page, /「なじみ」に申し込む|Subscribe to Regular/).click()
      await button(page, /この内容で申し込む|Place this order/).click()
      await link(page, 'カードが断られる').click()
      await link(page, '別のカードで支払う').click()
      await said(page, /「なじみ」になりました|You are on Regular now/)
      await link(page, /プランと使用量へ|Plan and usage/).click()
      await button(page, /お支払い方法|Payment method/).click()
      await link(page, 'カードを使えなくする').click()
      await link(page, '戻る').click()
      await said(page, /までは、いまのまま使えます|You keep the plan until/)
      await button(page, /カードを更新する|Update the card/)
        .first()
        .click()
      await link(page, 'カードを更新する').click()
      await link(page, '戻る').click()
      await said(page, /次のお支払いは|The next payment/)
      await link(page, /プランを変える|Change the plan/).click()
      await link(page, /「VIP」に上げる|Upgrade to VIP/).click()
      await said(page, /日割り|by the day/)
      await button(page, /この内容で申し込む|Place this order/).click()
      await said(page, /「VIP」になりました|You are on VIP now/)
      await link(page, /プランと使用量へ|Plan and usage/).click()
      await button(page, /解約する|Cancel the plan/).click()
      await page
        .getByRole('dialog')
        .getByRole('button', { name: /解約する|Cancel the plan/ })
        .click()
      await said(page, /解約の予約を受けています|Your plan is set to end/)
    },
  },
]

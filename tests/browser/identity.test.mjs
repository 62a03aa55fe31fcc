// Who someone is: from a first letter to the last goodbye, as a visitor does it.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { ask, mailed, openHouse, picture, screens, sideways, visits } from './house.mjs'
import { words } from './words.mjs'

let house
before(async () => {
  house = await openHouse()
})
after(() => house?.close())

const PASSWORD = 'correct horse battery'

const button = (page, name) => page.getByRole('button', { name, exact: true })
const title = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })

async function signUp(page, t, email, next = '/account') {
  await page.goto(`/sign-up?next=${encodeURIComponent(next)}`)
  await page.getByLabel(t.email).fill(email)
  await page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
  await button(page, t.signUp).click()
  await page.waitForURL(`**${next}`)
}

async function signIn(page, t, email, password = PASSWORD) {
  await page.goto('/sign-in?next=%2Faccount')
  await page.getByLabel(t.email).fill(email)
  await page.getByLabel(t.password, { exact: true }).fill(password)
  await button(page, t.signIn).click()
}

async function signOut(page, t) {
  await page.goto('/account')
  await button(page, t.signOut).first().click()
  await page.waitForURL((url) => url.pathname === '/')
}

// RFC 6238: what an authenticator app shows, `later` steps of 30 seconds from now.
function totp(secret, later = 0) {
  const bits = [...secret.replace(/[\s=]/g, '')].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
  const key = Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later))
  const hash = createHmac('sha1', key).update(counter).digest()
  const at = hash.at(-1) & 15
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

// Answers the dialog when the house wants a fresh proof; a sign-in of the last minutes may still count as one.
async function prove(page, t, arrived, password = PASSWORD) {
  const dialog = page.getByRole('dialog', { name: t.confirmYou })
  await dialog.or(arrived).first().waitFor()
  if (!(await dialog.isVisible())) return
  const byPassword = dialog.getByRole('radio', { name: t.password, exact: true })
  await dialog.getByRole('button', { name: t.confirm, exact: true }).or(byPassword).first().waitFor()
  if ((await byPassword.count()) > 0) await byPassword.check()
  await dialog.getByLabel(t.password, { exact: true }).fill(password)
  await dialog.getByRole('button', { name: t.confirm, exact: true }).click()
  await arrived.first().waitFor()
}

async function virtualAuthenticator(page) {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return { cdp, authenticatorId }
}

for (const [screen, language] of visits) {
  const t = words[language]
  const address = (name) => `${name}-${screen.name}-${language}@example.test`
  describe(`${screen.name}, ${language}`, () => {
    test('an address is confirmed by the letter that the demo’s mailbox shows', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      const email = address('letter')
      await signUp(page, t, email)
      const sent = page.getByText(t.letterSent).first()
      await sent.waitFor({ state: 'attached' })
      // a phone has one line for it, until it is opened
      if (screen.isMobile) await page.getByText(t.confirmAddress).click()
      await sent.waitFor()
      assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
      await picture(page, `identity-signed-up-${label}`)
      const link = await mailed(page, email, '/link/verify')
      await page.goto('/sandbox/mailbox')
      await title(page, t.mailbox).waitFor()
      const sheet = page.locator('iframe')
      assert.equal(await sheet.getAttribute('sandbox'), '', 'a letter runs nothing')
      await picture(page, `identity-mailbox-${label}`)
      await page.locator(`a[href="${link}"]`).first().click()
      await title(page, t.verified).waitFor()
      assert.equal(new URL(page.url()).hash, '', 'the token has left the address bar')
      assert.equal((await ask(page, '/auth/me')).user.email_verified, true)
      await page.goto('/account')
      assert.equal(await page.getByText(t.letterSent).count(), 0)

      // the same link again: used up, and nobody is alarmed
      await page.goto(link)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await title(page, t.verified).waitFor()
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a second factor stands between the password and the account, and a recovery code replaces it once', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      const email = address('totp')
      await signUp(page, t, email, '/account/security')
      const begin = button(page, t.totpBegin)
      await begin.click()
      const secretBox = page.getByText(t.totpSecret, { exact: true })
      await prove(page, t, secretBox)
      const secret = (await page.locator('code').first().innerText()).replace(/\s/g, '')
      await picture(page, `identity-totp-${label}`)
      await page.getByLabel(t.totpCode).fill(totp(secret))
      await button(page, t.totpFinish).click()
      await button(page, t.kept).waitFor()
      const codes = await page.getByRole('list', { name: t.recovery }).getByRole('listitem').allInnerTexts()
      assert.equal(codes.length, 10)
      await picture(page, `identity-recovery-${label}`)
      await button(page, t.kept).click()
      assert.equal(await page.getByText(codes[0], { exact: true }).count(), 0, 'shown once')

      await signOut(page, t)
      await signIn(page, t, email)
      await title(page, t.second).waitFor()
      assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
      await page.getByLabel(t.code, { exact: true }).fill(totp(secret, 1))
      await button(page, t.confirmAndGo).click()
      await page.waitForURL('**/account')

      for (const worked of [true, false]) {
        await signOut(page, t)
        await signIn(page, t, email)
        await button(page, t.useRecovery).click()
        await page.locator('input[name=code]').fill(codes[0])
        await button(page, t.confirmAndGo).click()
        if (worked) await page.waitForURL('**/account')
        else await page.getByRole('alert').waitFor()
      }
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a passkey is added, lets one in by itself, and replaces the password', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      const { cdp, authenticatorId } = await virtualAuthenticator(page)
      const email = address('passkey')
      await signUp(page, t, email, '/account/security')
      await button(page, t.passkeyAdd).click()
      await page.getByLabel(t.passkeyName).fill('My key')
      await button(page, t.passkeyAdd).click()
      const listed = page.getByText('My key', { exact: true })
      await prove(page, t, listed)
      const held = async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials
      const [made, ...more] = await held()
      assert.ok(made.isResidentCredential)
      assert.deepEqual(more, [])
      await picture(page, `identity-passkey-${label}`)

      // offered among the suggestions: this browser chooses it there by itself
      await signOut(page, t)
      await page.goto('/sign-in?next=%2Faccount%2Fsecurity')
      await page.waitForURL('**/account/security')

      // the password goes, once letters are known to arrive, and leaves a way in
      await page.goto(await mailed(page, email, '/link/verify'))
      await title(page, t.verified).waitFor()
      await page.goto('/account/security')
      await button(page, t.removePassword).click()
      await page.getByRole('dialog', { name: t.removePassword }).getByRole('button', { name: t.removePassword, exact: true }).click()
      const gone = page.getByText(t.passwordGone)
      await prove(page, t, gone)
      assert.equal((await ask(page, '/auth/factors')).password, false)
      await picture(page, `identity-no-password-${label}`)
      const [credential] = await held()
      await context.close()

      // by the button alone, in a browser that knows no suggestions
      const other = await house.visit(screen, language)
      await other.context.addInitScript(() => {
        if (globalThis.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false
      })
      const carried = await virtualAuthenticator(other.page)
      await carried.cdp.send('WebAuthn.addCredential', { authenticatorId: carried.authenticatorId, credential })
      await signIn(other.page, t, email)
      await other.page.getByRole('alert').waitFor()
      await other.page.goto('/sign-in?next=%2Faccount%2Fdevices')
      await button(other.page, t.withPasskey).click()
      await other.page.waitForURL('**/account/devices')
      assert.equal((await ask(other.page, '/auth/me')).user.email, email)
      assert.deepEqual([...complaints, ...other.complaints], [])
      await other.context.close()
    })

    test('a forgotten password is chosen anew, which ends every session', async () => {
      const { page, context } = await house.visit(screen, language)
      const other = await house.visit(screen, language)
      const email = address('forgot')
      await signUp(page, t, email)
      await signOut(page, t)
      await signIn(other.page, t, email)
      await other.page.waitForURL('**/account')

      await page.goto('/sign-in')
      await page.getByRole('link', { name: t.forgot, exact: true }).click()
      // the address changes before the page, whose label the sign-in has too
      await title(page, t.forgotTitle).waitFor()
      await page.getByLabel(t.email).fill(email)
      await button(page, t.sendLink).click()
      await page.getByText(email).waitFor()
      const link = await mailed(page, email, '/link/reset')
      await page.goto(link)
      assert.equal(new URL(page.url()).hash, '')
      await page.getByLabel(t.newPassword, { exact: true }).fill('a quite different phrase')
      await button(page, t.resetDo).click()
      await title(page, t.resetDone).waitFor()

      await other.page.reload()
      await title(other.page, t.nobody).waitFor()
      await signIn(page, t, email)
      await page.getByRole('alert').waitFor()
      await signIn(page, t, email, 'a quite different phrase')
      await page.waitForURL('**/account')

      // the link has done its work
      await page.goto(link)
      await page.getByLabel(t.newPassword, { exact: true }).fill('yet another long phrase')
      await button(page, t.resetDo).click()
      await title(page, t.expired).waitFor()
      await context.close()
      await other.context.close()
    })

    test('another device is signed out from here', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      const other = await house.visit(screen, language)
      const email = address('devices')
      await signUp(page, t, email)
      await signIn(other.page, t, email)
      await other.page.waitForURL('**/account')
      await page.goto('/account/devices')
      const revokeOthers = button(page, t.revokeOthers)
      await revokeOthers.waitFor()
      await picture(page, `identity-devices-${label}`)
      await revokeOthers.click()
      await page.getByText(t.onlyHere).waitFor()
      await other.page.reload()
      await title(other.page, t.nobody).waitFor()
      assert.deepEqual(complaints, [])
      await context.close()
      await other.context.close()
    })

    test('a key is made, rotated and revoked, and its secret is shown once', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signUp(page, t, address('keys'), '/account/keys')
      await button(page, t.keyKept).click() // the key that came with the account
      await button(page, t.keyCreate).first().click()
      await page.getByLabel(t.keyName).fill('nightly')
      await button(page, t.keyCreate).click()
      const kept = button(page, t.keyKept)
      await prove(page, t, kept)
      const secret = await page.locator('code').first().innerText()
      assert.match(secret, /^\S{30,}$/)
      await picture(page, `identity-key-${label}`)
      const inUse = (key) =>
        page.evaluate(async (key) => (await fetch('/billing/usage?storefront=genai', { headers: { 'x-api-key': key }, credentials: 'omit' })).status, key)
      assert.equal(await inUse(secret), 200)
      await kept.click()
      await page.reload()
      await page.getByText('nightly').waitFor()
      assert.ok(!(await page.content()).includes(secret), 'shown once')

      const row = page.getByRole('listitem').filter({ hasText: 'nightly' })
      await row.getByRole('button', { name: t.rotate }).click()
      await page.getByRole('dialog').getByRole('combobox').selectOption('0')
      await page.getByRole('dialog').getByRole('button', { name: t.rotate, exact: true }).click()
      await prove(page, t, kept)
      const fresh = await page.locator('code').first().innerText()
      assert.notEqual(fresh, secret)
      assert.equal(await inUse(fresh), 200)
      assert.equal(await inUse(secret), 401)
      await kept.click()

      await row.getByRole('button', { name: t.revoke }).click()
      await page.getByRole('dialog').getByRole('button', { name: t.revoke, exact: true }).click()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      assert.equal(await inUse(fresh), 401)
      const kept2 = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))
      assert.ok(!kept2.includes(secret) && !kept2.includes(fresh))
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('a family: a child comes in with three things, and a second guardian by invitation', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      const email = address('family')
      await signUp(page, t, email, '/account/new')
      await page.getByLabel(t.name, { exact: true }).fill('高橋家')
      await button(page, t.create).click()
      await page.waitForURL('**/account/family')
      await title(page, t.family).waitFor()
      const code = await page.locator('code').first().innerText()

      await button(page, t.addChild).click()
      await page.getByLabel(t.childName).fill('hana')
      await page.getByLabel(t.childPin).fill('507294')
      await page.getByLabel(t.consent).check()
      await button(page, t.add).click()
      await prove(page, t, page.getByRole('listitem').filter({ hasText: 'hana' }))
      assert.ok((await sideways(page)) <= 0, 'no sideways scroll')
      await picture(page, `identity-family-${label}`)

      const child = await house.visit(screen, language)
      await child.page.goto(`/sign-in/child?family=${code}`)
      await title(child.page, t.childTitle).waitFor()
      await child.page.getByLabel(t.childNameField).fill('hana')
      await child.page.getByLabel(t.childPinField).fill('507294')
      await picture(child.page, `identity-child-door-${label}`)
      await child.page.locator('form button[type=submit]').click()
      await child.page.getByRole('heading', { level: 1, name: t.childHello }).waitFor()
      await picture(child.page, `identity-child-${label}`)
      assert.equal((await ask(child.page, '/auth/me')).tenant.role, 'child')
      assert.doesNotMatch(await child.page.locator('body').innerText(), /[¥￥円]/)
      await child.page.goto('/account/keys')
      await child.page.getByRole('heading', { level: 1, name: t.childHello }).waitFor()
      await button(child.page, t.childLeave).click()
      await child.page.waitForURL((url) => url.pathname === '/')

      const second = address('second')
      await page.getByLabel(t.inviteEmail).fill(second)
      await button(page, t.inviteDo).click()
      await prove(page, t, page.getByRole('listitem').filter({ hasText: second }))
      const guest = await house.visit(screen, language)
      await guest.page.goto(await mailed(page, second, '/link/invite'))
      await title(guest.page, t.inviteTitle).waitFor()
      await picture(guest.page, `identity-invitation-${label}`)
      await guest.page.locator('main').getByRole('link', { name: t.signUp, exact: true }).click()
      await guest.page.getByLabel(t.email).fill(second)
      await guest.page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
      await button(guest.page, t.signUp).click()
      await button(guest.page, t.accept).click()
      await guest.page.waitForURL('**/account/family')
      await guest.page.getByText('高橋家').first().waitFor()
      assert.equal((await ask(guest.page, '/auth/me')).tenant.role, 'guardian')
      const { guardians } = await ask(page, '/family')
      assert.equal(guardians.length, 2)
      for (const visit of [child, guest]) {
        assert.deepEqual(visit.complaints, [])
        await visit.context.close()
      }
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test('an account that is to be deleted says so on every page, and stays with one press', async () => {
      const { page, context, complaints, label } = await house.visit(screen, language)
      await signUp(page, t, address('leaving'), '/account/data')
      await button(page, t.deleteDo).click()
      await page.getByRole('dialog').getByRole('button', { name: t.deleteYes, exact: true }).click()
      const undo = button(page, t.undoDelete)
      await prove(page, t, undo)
      assert.ok((await ask(page, '/auth/me')).deletion_at)
      for (const path of ['/', '/misaki', '/account']) {
        await page.goto(path)
        if (path === '/misaki') await page.getByLabel(t.composer).waitFor()
        await undo.waitFor()
      }
      await picture(page, `identity-leaving-${label}`)
      await undo.click()
      await undo.waitFor({ state: 'detached' })
      assert.equal((await ask(page, '/auth/me')).deletion_at, null)
      assert.deepEqual(complaints, [])
      await context.close()
    })
  })
}

test('a place to go on to after signing in is never outside of the house', async () => {
  const t = words.ja
  const { page, context } = await house.visit(screens[0], 'ja')
  const email = 'next@example.test'
  await signUp(page, t, email)
  for (const next of ['https://elsewhere.example/', '//elsewhere.example', '/\t/elsewhere.example', '/.//elsewhere.example']) {
    await signOut(page, t)
    await page.goto(`/sign-in?next=${encodeURIComponent(next)}`)
    await page.getByLabel(t.email).fill(email)
    await page.getByLabel(t.password, { exact: true }).fill(PASSWORD)
    await button(page, t.signIn).click()
    await page.waitForURL((url) => url.pathname === '/misaki')
    assert.equal(new URL(page.url()).origin, new URL(house.account).origin)
  }
  await context.close()
})

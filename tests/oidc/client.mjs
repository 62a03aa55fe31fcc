// Noren as the issuer, seen by openid-client, which is certified by the OpenID Foundation. Reads one JSON object from standard
// input and prints what each step of the flow gave.
import { text } from 'node:stream/consumers'
import * as openid from 'openid-client'

const { issuer, client, redirect, cookie, scope = 'openid profile email offline_access' } = JSON.parse(await text(process.stdin))
const found = {}

const config = await openid.discovery(new URL(issuer), client, undefined, openid.None(), { execute: [openid.allowInsecureRequests] })
found.metadata = config.serverMetadata()

async function code(more = {}) {
  const verifier = openid.randomPKCECodeVerifier()
  const state = openid.randomState()
  const nonce = openid.randomNonce()
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope,
    state,
    nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  })
  const answer = await fetch(url, { redirect: 'manual', headers: { cookie } })
  return { verifier, state, nonce, status: answer.status, location: answer.headers.get('location'), body: await answer.text() }
}

const grant = (asked, change = {}) =>
  openid.authorizationCodeGrant(config, new URL(asked.location), {
    pkceCodeVerifier: asked.verifier,
    expectedState: asked.state,
    expectedNonce: asked.nonce,
    idTokenExpected: true,
    ...change,
  })

// what is refused, as "status error" or the words of the client
const refusal = async (attempt) => {
  try {
    await attempt()
    return 'accepted'
  } catch (error) {
    return `${error.status ?? ''} ${error.error ?? error.code ?? error.message}`.trim()
  }
}

const first = await code()
found.authorize = { status: first.status, location: first.location }
const tokens = await grant(first)
found.tokens = { ...tokens }
found.claims = tokens.claims()
found.again = await refusal(() => grant(first))
// the other process that reads it may hear of it a moment later, a second at most
for (const begun = Date.now(); Date.now() - begun < 1000; ) {
  found.after_reuse = await refusal(() => openid.fetchUserInfo(config, tokens.access_token, found.claims.sub))
  if (found.after_reuse !== 'accepted') break
}

const second = await code()
const good = await grant(second)
found.userinfo = await openid.fetchUserInfo(config, good.access_token, good.claims().sub)
const refreshed = await openid.refreshTokenGrant(config, good.refresh_token)
found.refreshed = { ...refreshed, rotated: refreshed.refresh_token !== good.refresh_token }
const newest = await openid.refreshTokenGrant(config, refreshed.refresh_token)
found.reuse = await refusal(() => openid.refreshTokenGrant(config, good.refresh_token))
found.family = await refusal(() => openid.refreshTokenGrant(config, newest.refresh_token))

const third = await code()
const last = await grant(third)
await openid.tokenRevocation(config, last.refresh_token)
found.revoked = await refusal(() => openid.refreshTokenGrant(config, last.refresh_token))
await openid.tokenRevocation(config, last.refresh_token) // RFC 7009 §2.2: an unknown token is fine
found.no_verifier = await refusal(async () => {
  const asked = await code()
  await openid.authorizationCodeGrant(config, new URL(asked.location), { expectedState: asked.state, expectedNonce: asked.nonce })
})
found.wrong_verifier = await refusal(async () => grant(await code(), { pkceCodeVerifier: openid.randomPKCECodeVerifier() }))

process.stdout.write(JSON.stringify(found))

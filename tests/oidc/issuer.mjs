// An issuer to sign in at: oauth2-mock-server with a way to say who signs in, what is wrong with the next tokens, and what was asked.
// Prints {"issuer": URL} when it is there. Ends when standard input ends.
import { createServer } from 'node:http'
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server'

let url
let kid = 0
let service
let who = {}
let wrong = {}
let asked = []

async function freshKeys(alg = 'RS256') {
  const issuer = new OAuth2Issuer()
  issuer.url = url
  await issuer.keys.generate(alg, { kid: `key-${++kid}` })
  service = new OAuth2Service(issuer)
  service.on('beforeTokenSigning', (token) => {
    if (!token.payload.aud) return // an access token
    Object.assign(token.payload, who, wrong.claims)
    Object.assign(token.header, wrong.header)
    for (const name of wrong.without ?? []) delete token.payload[name]
  })
  service.on('beforeResponse', (answer, request) => {
    asked.push({ path: '/token', body: { ...request.body }, authorization: request.headers.authorization ?? null })
    if (wrong.status) answer.statusCode = wrong.status
    if (wrong.body) answer.body = { ...answer.body, ...wrong.body }
  })
  service.on('beforeAuthorizeRedirect', (redirect) => {
    for (const [name, value] of Object.entries(wrong.redirect ?? {})) redirect.url.searchParams.set(name, value)
  })
}

const commands = {
  // whoever signs in next, and what is wrong with the tokens
  async say(body) {
    who = body.who ?? {}
    wrong = body.wrong ?? {}
    return {}
  },
  // a token that this issuer signs with its own key
  async sign({ claims, header, without, ttl }) {
    const token = await service.issuer.buildToken({
      expiresIn: ttl ?? 300,
      scopesOrTransform: (head, payload) => {
        Object.assign(payload, claims)
        Object.assign(head, header)
        for (const name of without ?? []) delete payload[name]
      },
    })
    return { token }
  },
  // new keys; the old ones are published no more
  async rotate({ alg }) {
    await freshKeys(alg)
    return { keys: service.issuer.keys.toJSON() }
  },
  async asked() {
    return { asked }
  },
  async forget() {
    asked = []
    return {}
  },
}

const server = createServer((request, response) => {
  const path = new URL(request.url, url).pathname
  const command = commands[path.replace('/control/', '')]
  if (path.startsWith('/control/') && command) {
    let text = ''
    request.on('data', (piece) => (text += piece))
    request.on('end', async () => {
      try {
        response.setHeader('content-type', 'application/json').end(JSON.stringify(await command(JSON.parse(text || '{}'))))
      } catch (error) {
        response.writeHead(500).end(String(error))
      }
    })
    return
  }
  if (path !== '/token') asked.push({ path, query: Object.fromEntries(new URL(request.url, url).searchParams) })
  service.requestHandler(request, response)
})
server.listen(0, '127.0.0.1', async () => {
  url = `http://localhost:${server.address().port}`
  await freshKeys()
  process.stdout.write(JSON.stringify({ issuer: url }) + '\n')
})
process.stdin.resume().on('end', () => process.exit(0))

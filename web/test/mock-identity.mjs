import { isOperator } from './mock-admin.mjs'

// The identity part of the stand-in house: who someone is, their ways in, keys, people and letters. Nothing is checked
// that a picture does not need; any six digits are a right code.
const permissions = {
  guest: ['inference.use', 'usage.read', 'members.read'],
  owner: [
    'inference.use',
    'usage.read',
    'billing.manage',
    'profile.manage',
    'keys.manage',
    'members.read',
    'members.manage',
    'tenant.manage',
    'audit.read',
  ],
  admin: [
    'inference.use',
    'usage.read',
    'billing.manage',
    'profile.manage',
    'keys.manage',
    'members.read',
    'members.manage',
    'audit.read',
  ],
  member: ['inference.use', 'usage.read', 'profile.manage', 'members.read'],
  guardian: [
    'inference.use',
    'usage.read',
    'billing.manage',
    'profile.manage',
    'keys.manage',
    'members.read',
    'members.manage',
    'children.manage',
    'tenant.manage',
    'audit.read',
  ],
  child: ['members.read'],
}
const day = 86_400_000
const ago = (days) => new Date(Date.now() - days * day).toISOString()
const ahead = (days) => new Date(Date.now() + days * day).toISOString()
const chrome =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36'
const phone =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

// What someone of the demo has: `rich` for the pages that list things.
export function identityOf(state, id) {
  const own = { id: state.tenant, kind: 'person', name: '', role: state.user ? 'owner' : 'guest' }
  const rich = ['paid', 'leaving'].includes(state.as)
  const child = state.as === 'child'
  const family = { id: id('tnt'), kind: 'family', name: '高橋家', role: child ? 'child' : 'guardian' }
  const team = { id: id('tnt'), kind: 'team', name: 'とても長い名前のついた開発チームの東京分室', role: 'admin' }
  const tenants = child ? [family] : rich ? [own, family, team] : [own]
  return {
    tenants,
    acting: tenants[0],
    verified: state.as !== 'free' && state.as !== 'new',
    deletion_at: state.as === 'leaving' ? ahead(29) : null,
    proved: null,
    factors: {
      password: true,
      totp: rich,
      recovery_codes_left: rich ? 8 : 0,
      passkeys: rich
        ? [
            { id: id('psk'), name: '自分のスマートフォン', created_at: ago(40), last_used_at: ago(1) },
            { id: id('psk'), name: 'Chrome on Windows', created_at: ago(3), last_used_at: null },
          ]
        : [],
    },
    sessions: [
      {
        id: id('ses'),
        current: true,
        kind: 'browser',
        user_agent: chrome,
        network: '203.0.113.0/24',
        created_at: ago(2),
        last_seen_at: ago(0),
      },
      ...(rich
        ? [
            {
              id: id('ses'),
              current: false,
              kind: 'browser',
              user_agent: phone,
              network: '2001:db8:12::/48',
              created_at: ago(30),
              last_seen_at: ago(0.2),
            },
            {
              id: id('ses'),
              current: false,
              kind: 'api',
              user_agent: 'nightly-report/2.3',
              network: '198.51.100.0/24',
              created_at: ago(9),
              last_seen_at: ago(0.5),
            },
          ]
        : []),
    ],
    keys: rich
      ? [
          key(id, {
            name: '夜の集計',
            daily_cap: 2000,
            ip_ranges: ['203.0.113.0/24'],
            models: ['sandbox-mama'],
            last_used_at: ago(0.3),
            expires_at: ahead(80),
          }),
          key(id, {
            name: 'とても長い名前の鍵 for the nightly report of the whole department',
            scopes: ['inference.use', 'usage.read', 'audit.read'],
            grace_until: ahead(1),
          }),
          key(id, { name: '古い鍵', status: 'revoked' }),
        ]
      : [],
    members: [
      {
        user: state.user?.id ?? 'usr_0',
        display_name: state.user?.display_name ?? '',
        email: state.user?.email ?? null,
        login_name: null,
        role: 'admin',
        joined_at: ago(60),
      },
      {
        user: id('usr'),
        display_name: '佐藤 健一郎',
        email: 'kenichiro.sato.very.long.address@example-company.co.jp',
        login_name: null,
        role: 'owner',
        joined_at: ago(200),
      },
      {
        user: id('usr'),
        display_name: 'Mika',
        email: 'mika@example.jp',
        login_name: null,
        role: 'member',
        joined_at: ago(5),
      },
    ],
    invitations: rich
      ? [{ id: id('inv'), email: 'hanako@example.jp', role: 'member', created_at: ago(1), expires_at: ahead(6) }]
      : [],
    children: rich
      ? [
          {
            user: id('usr'),
            display_name: 'はなちゃん',
            name: 'はな',
            birth_year: 2018,
            created_at: ago(20),
            consent_at: ago(20),
          },
          {
            user: id('usr'),
            display_name: 'たろう',
            name: 'たろう',
            birth_year: null,
            created_at: ago(3),
            consent_at: ago(3),
          },
        ]
      : [],
    audit: Array.from({ length: rich ? 32 : 3 }, (_, n) => ({
      id: id('aud'),
      seq: 32 - n,
      at: ago(n / 3),
      actor: state.user?.id ?? 'usr_0',
      action: ['key.create', 'member.role', 'session.end', 'user.change'][n % 4],
      target: id('key'),
      before: n % 4 === 1 ? { role: 'member' } : null,
      after:
        n % 4 === 1
          ? { role: 'admin' }
          : n % 4 === 0
            ? { name: '夜の集計', scopes: ['inference.use'], daily_cap: 2000 }
            : null,
      request_id: id('req'),
    })),
  }
}

function key(id, more) {
  return {
    id: id('key'),
    hint: 'nrn_ab12…wxyz',
    storefront: 'genai',
    scopes: ['inference.use'],
    models: null,
    ip_ranges: null,
    daily_cap: null,
    expires_at: null,
    created_at: ago(12),
    last_used_at: null,
    grace_until: null,
    status: 'active',
    ...more,
  }
}

export function meOf(state) {
  const { tenants, acting, verified, deletion_at, proved } = state.identity
  return {
    user: state.user && {
      ...state.user,
      email: state.as === 'child' ? null : state.user.email,
      email_verified: state.as === 'child' || verified,
      operator: false,
      login_name: state.as === 'child' ? 'はな' : null,
    },
    tenant: acting,
    tenants,
    guest: state.user === null,
    permissions: [...permissions[acting.role], ...(isOperator(state) ? ['house.operate'] : [])],
    signed_in_at: state.user ? ago(0) : null,
    stepped_up_until: proved && new Date(proved + 900_000).toISOString(),
    deletion_at,
  }
}

export const letters = []
export function post(id, to, subject, path) {
  const link = path && `http://localhost${path}`
  letters.unshift({
    id: id('ltr'),
    to,
    subject,
    at: ago(0),
    text: `${subject}\n\n${link ?? ''}\n\n暖簾 Noren`,
    html: `<body style="font-family:sans-serif;margin:24px"><h1 style="font-size:20px">${subject}</h1><p>こんにちは。下のボタンを押してください。</p>${link ? `<p><a style="background:#1d3f72;color:#fff;padding:12px 20px;border-radius:8px;text-decoration:none" href="${link}">確認する</a></p>` : ''}<p>暖簾 Noren</p></body>`,
    links: link ? [link] : [],
  })
}

const codes = [
  '7H2K-9QXD',
  'M4PT-8WRC',
  'B6ZN-3VJF',
  'Q9LD-5GHS',
  'X2CK-7TMB',
  'R8WF-4NPJ',
  'D3VH-6KZQ',
  'T5GS-2LXC',
  'J7MB-9RDW',
  'N4QF-8HTK',
]
const needsProof =
  /^(POST \/auth\/(password|email)|POST \/auth\/factors\/(totp|recovery-codes|passkeys\/options)|DELETE \/auth\/factors\/.+|POST \/keys(\/[^/]+\/rotate)?|(POST|PATCH|DELETE) \/family\/children(\/[^/]+)?|POST \/account\/deletion)$/

// Answers what belongs to identity; `false` for everything else.
export async function answerIdentity({ at, path, url, state, json, problem, empty, bodyOf, id, signIn, person }) {
  if (at === 'GET /auth/issuers')
    return json({
      items: [
        { id: 'cognito', name: 'Cognito' },
        { id: 'google', name: 'Google' },
      ],
    })
  if (at === 'GET /sandbox/letters') return json({ items: letters })
  if (at === 'POST /auth/password/forgot') {
    const { email } = await bodyOf()
    post(id, email, 'パスワードを決め直す', '/link/reset#tok')
    return json({}, 202)
  }
  if (at === 'POST /auth/password/reset' || at === 'POST /auth/email/verify') {
    const { token } = await bodyOf()
    if (token === 'old') return problem(410, 'link_expired')
    if (at.endsWith('reset')) return empty()
    if (state) state.identity.verified = true
    return json({ email: state?.user?.email ?? 'someone@example.jp' })
  }
  if (at === 'POST /auth/login/second') {
    const { code } = await bodyOf()
    return /^\d{6}$|-/.test(code) ? signIn(person('paid')) : problem(401, 'wrong_code')
  }
  if (at === 'POST /auth/login/child') {
    const { pin } = await bodyOf()
    return pin === '000000' ? problem(401, 'wrong_credentials') : signIn(person('child'))
  }
  if (at === 'POST /auth/passkey/options')
    return json({ ceremony: 'c', options: { challenge: 'AAAA', rpId: 'localhost' } })
  if (at === 'POST /auth/callback') return problem(401, 'wrong_credentials')
  if (at === 'POST /invitations/view') {
    const { token } = await bodyOf()
    if (token === 'gone') return problem(410, 'link_expired')
    return json({
      tenant: { kind: 'family', name: '高橋家' },
      role: 'guardian',
      email: 'hanako@example.jp',
      stale: token === 'old',
    })
  }
  if (at === 'POST /invitations/refresh' || /^POST \/mail\/unsubscribe\//.test(at)) return json({}, 202)
  if (
    !/^\/(auth\/(me|tenant|step-up|password|email|sessions|factors)|keys|tenants|members|invitations|family|audit|account\/(export|deletion))/.test(
      path,
    )
  )
    return false
  if (!state) return problem(401, 'unauthenticated')
  const own = state.identity
  if (at === 'POST /invitations/accept') return problem(409, 'other_address')
  if (at === 'POST /auth/step-up') {
    const { code } = await bodyOf()
    if (code === '000000') return problem(401, 'wrong_code')
    own.proved = Date.now()
    return json(meOf(state))
  }
  if (needsProof.test(at) && !own.proved) return problem(403, 'step_up_required')
  if (at === 'GET /auth/me') return json(meOf(state))
  if (at === 'PATCH /auth/me') {
    Object.assign(state.user, await bodyOf())
    return json(meOf(state))
  }
  if (at === 'POST /auth/tenant') {
    const { tenant } = await bodyOf()
    own.acting = own.tenants.find((one) => one.id === tenant) ?? own.acting
    return json(meOf(state))
  }
  if (at === 'POST /auth/password') {
    const { password } = await bodyOf()
    const text = { ja: 'よく使われるパスワードです。', en: 'This is a common password.' }
    if (password === 'password')
      return problem(422, 'invalid_input', { errors: [{ pointer: '/password', code: 'weak_password', text }] })
    return json(meOf(state))
  }
  if (at === 'POST /auth/email' || at === 'POST /auth/email/resend') {
    post(id, state.user.email, 'メールアドレスの確認', '/link/verify#tok')
    return json({}, 202)
  }
  if (at === 'GET /auth/sessions') return json({ items: own.sessions })
  if (at === 'POST /auth/sessions/revoke-others') {
    own.sessions = own.sessions.filter((one) => one.current)
    return empty()
  }
  if (at === 'GET /auth/factors') return json(own.factors)
  if (at === 'POST /auth/factors/totp')
    return json({
      secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
      uri: 'otpauth://totp/Noren:free%40demo.noren.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Noren',
    })
  if (at === 'POST /auth/factors/totp/confirm' || at === 'POST /auth/factors/recovery-codes') {
    Object.assign(own.factors, { totp: true, recovery_codes_left: 10 })
    return json({ recovery_codes: codes })
  }
  if (at === 'DELETE /auth/factors/totp') {
    Object.assign(own.factors, { totp: false, recovery_codes_left: 0 })
    return empty()
  }
  if (at === 'GET /keys') return json({ items: own.keys })
  if (at === 'POST /keys') {
    const made = key(id, { ...(await bodyOf()), created_at: ago(0) })
    own.keys.unshift(made)
    return json({ key: made, secret: `nrn_${'a1B2c3D4'.repeat(5)}` }, 201)
  }
  if (/^PATCH \/keys\//.test(at)) {
    const key = own.keys.find(({ id }) => path.endsWith(id))
    return key ? json(Object.assign(key, await bodyOf())) : problem(404, 'not_found')
  }
  if (/^POST \/keys\/.+\/rotate$/.test(at)) return json({ key: own.keys[0], secret: `nrn_${'z9Y8x7W6'.repeat(5)}` })
  if (at === 'POST /tenants') {
    const { kind, name } = await bodyOf()
    const made = { id: id('tnt'), kind, name, role: kind === 'family' ? 'guardian' : 'owner' }
    own.tenants.push(made)
    return json(made, 201)
  }
  if (at === 'GET /members') return json({ items: own.members })
  if (at === 'GET /invitations') return json({ items: own.invitations })
  if (at === 'POST /invitations') {
    const made = { id: id('inv'), ...(await bodyOf()), created_at: ago(0), expires_at: ahead(7) }
    own.invitations.push(made)
    return json(made, 201)
  }
  if (at === 'GET /family')
    return json({ code: 'k7q2m9xd', guardians: [{ ...own.members[0], role: 'guardian' }], children: own.children })
  if (at === 'POST /family/children') {
    const { name, display_name, birth_year = null } = await bodyOf()
    own.children.push({ user: id('usr'), display_name, name, birth_year, created_at: ago(0), consent_at: ago(0) })
    return json(own.children.at(-1), 201)
  }
  if (/\/enter$/.test(path)) return signIn(person('child'))
  if (at === 'GET /audit') {
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const next = from + Number(url.searchParams.get('limit') ?? 25)
    return json({ items: own.audit.slice(from, next), next_cursor: next < own.audit.length ? String(next) : null })
  }
  if (at === 'POST /account/deletion') {
    own.deletion_at = ahead(30)
    return json({ deletion_at: own.deletion_at }, 202)
  }
  if (at === 'DELETE /account/deletion') {
    own.deletion_at = null
    return empty()
  }
  if (/^(DELETE|PATCH) /.test(at)) {
    const name = path.split('/').at(-1)
    for (const list of ['keys', 'members', 'invitations', 'children', 'sessions']) {
      own[list] = own[list].filter((one) => (one.id ?? one.user) !== name)
    }
    own.factors.passkeys = own.factors.passkeys.filter((one) => one.id !== name)
    return empty()
  }
  return problem(404, 'not_found')
}

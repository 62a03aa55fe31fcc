// Answers for the operations of Misaki's room, as its contract writes them, so that pages can be looked at in states that
// take an operator, a clock or ten minutes to come about. What was sent is kept for whoever asks.
const at = '2026-11-20T12:00:00Z'

export async function pretend(context) {
  const sent = { feedback: [] }
  let shares = []
  let memories = [
    {
      id: 'mem_1',
      kind: 'fact',
      text: '猫のタマと暮らしている',
      chat_id: 'chat_1',
      message_id: 'msg_1',
      created_at: at,
      edited: false,
    },
    {
      id: 'mem_2',
      kind: 'mood',
      text: '仕事のあとは少し疲れている',
      chat_id: null,
      message_id: null,
      created_at: at,
      edited: true,
    },
  ]
  const card = {
    spec: 'chara_card_v3',
    spec_version: '3.0',
    data: {
      name: 'みさき',
      description: '小さなスナックのママ。',
      personality: 'あたたかい',
      scenario: '夜のお店',
      system_prompt: '',
      first_mes: 'いらっしゃい。',
      mes_example: '',
    },
  }
  const phrases = {
    version: 3,
    revision: 12,
    changed: true,
    semantic: true,
    phrases: [
      {
        id: 'hello',
        match: ['こんばんは', 'good evening'],
        replies: [
          { when: 'any', text: 'いらっしゃい。' },
          { when: 'night', text: '遅くまでお疲れさま。' },
        ],
        chip: true,
      },
      {
        id: 'help-line',
        match: ['しにたい'],
        replies: [{ when: 'any', text: 'ひとりで抱えないで。' }],
        safety: true,
        unless: ['漫画'],
      },
    ],
  }
  const answers = {
    'GET /api/misaki/age': () => ({ confirmed_at: at }),
    'POST shares': ({ audience }) => {
      const share = { id: `shr_${shares.length}`, audience, created_at: at }
      shares = [share, ...shares]
      return { ...share, token: 'tok_0123456789abcdef' }
    },
    'GET shares': () => ({ items: shares }),
    'DELETE /api/misaki/shares/': (_, path) => {
      shares = shares.filter(({ id }) => !path.endsWith(id))
      return null
    },
    'GET /api/misaki/shared/tok_open': () => ({
      title: 'こんばんは',
      shared_at: at,
      messages: [
        { role: 'user', text: 'こんばんは', at },
        { role: 'assistant', text: 'いらっしゃい、**「待ってた」**よ。\n\n```\nbeer = 1\n```', at },
      ],
    }),
    'PUT feedback': (body) => {
      sent.feedback.push(body)
      return { reason: null, text: null, with_talk: false, ...body, at }
    },
    'GET /api/misaki/consents': () => ({
      available: true,
      memory: { given: true, at },
      training: { given: false, at: null },
    }),
    'GET /api/misaki/memories': () => ({ used: true, items: memories }),
    'DELETE /api/misaki/memories/': (_, path) => {
      memories = memories.filter(({ id }) => !path.endsWith(id))
      return null
    },
    'POST /api/misaki/import': () => ({
      id: 'imp_1',
      state: 'done',
      chats: 2,
      messages: 8,
      left_out: 3,
      errors: [{ place: 4, title: '長い夜の話', code: 'too_long' }],
    }),
    'GET /admin/misaki/phrases/versions': () => ({
      items: [
        { version: 3, note: '冬の挨拶', published_at: at, phrases: 41 },
        { version: 2, note: null, published_at: at, phrases: 40 },
      ],
    }),
    'POST /admin/misaki/phrases/test': () => ({
      hit: { id: 'hello', rule: 'exact', reply: 'いらっしゃい。', entry: 'こんばんは' },
      candidates: [
        { id: 'hello', entry: 'こんばんは', score: 1 },
        { id: 'help-line', entry: 'しにたい', score: 0.12 },
      ],
    }),
    'GET /admin/misaki/phrases': () => phrases,
    'GET /admin/misaki/persona/versions': () => ({
      items: [
        { version: 2, name: 'みさき', published_at: at },
        { version: 1, name: 'みさき', published_at: at },
      ],
    }),
    'GET /admin/misaki/persona': () => ({ version: 2, published_at: at, card }),
    'GET /admin/misaki/feedback': () => ({
      items: [
        {
          message_id: 'msg_1',
          liked: false,
          reason: 'cold',
          text: 'もう少しやさしく',
          at,
          canned_id: null,
          model: 'phi-3-mini',
          question: '今日は疲れた',
          answer: 'そうですか。',
        },
        {
          message_id: 'msg_2',
          liked: true,
          reason: null,
          text: null,
          at,
          canned_id: 'hello',
          model: null,
          question: null,
          answer: null,
        },
      ],
      next_cursor: null,
    }),
  }
  const lost = { type: 'urn:noren:problem:share_not_found', code: 'share_not_found', status: 404, title: 'not found' }
  const keys = Object.keys(answers)
  await context.route(/\/(?:api|admin)\/misaki\//, (route) => {
    const request = route.request()
    const { pathname } = new URL(request.url())
    const asked = `${request.method()} ${pathname}`
    if (pathname === '/api/misaki/shared/tok_gone') return route.fulfill({ status: 404, json: lost })
    const key = keys.find((one) => {
      const [method, path] = one.split(' ')
      return path.startsWith('/') ? asked.startsWith(one) : method === request.method() && pathname.endsWith(`/${path}`)
    })
    if (!key) return route.fallback()
    const body = request.headers()['content-type']?.includes('json') ? request.postDataJSON() : null
    const answer = answers[key](body, pathname)
    return answer === null ? route.fulfill({ status: 204 }) : route.fulfill({ json: answer })
  })
  return sent
}

// What the stand-in house tells: plans, problem texts, and the answer its model gives.

export const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}

export const plans = {
  guest: { title: { ja: 'お試し', en: 'Guest' }, price_yen: 0, granted: 10, every: 'day' },
  free: { title: { ja: '無料', en: 'Free' }, price_yen: 0, granted: 30, every: 'day' },
  paid: { title: { ja: '常連', en: 'Regular' }, price_yen: 980, granted: 1000, every: 'month' },
  vip: { title: { ja: 'VIP', en: 'VIP' }, price_yen: 4980, granted: 10000, every: 'month' },
}

export const texts = {
  wrong_credentials: ['メールアドレスかパスワードが違います。', 'The email or the password is not right.'],
  email_taken: ['このメールアドレスは、すでに使われています。', 'This email address is already in use.'],
  unauthenticated: ['サインインしてください。', 'Please sign in.'],
  chat_not_found: ['この会話は見つかりませんでした。', 'This conversation was not found.'],
  model_not_in_plan: ['このモデルは、いまのプランにありません。', 'Your plan does not have this model.'],
  run_not_found: ['この返事は見つかりませんでした。', 'This run was not found.'],
  not_found: ['見つかりませんでした。', 'Not found.'],
  quota_exhausted: ['今日の分の会話を使い切りました。', 'You have used all of today’s messages.'],
  rate_exceeded: ['少し続けすぎました。', 'That was a little too fast.'],
  concurrency_exceeded: ['前のお返事がまだ終わっていません。', 'The former answer has not ended yet.'],
  wrong_code: ['コードが違います。', 'The code is not right.'],
  link_expired: ['このリンクはもう使えません。', 'This link no longer works.'],
  step_up_required: ['ご本人の確認が必要です。', 'Please confirm that it is you.'],
  other_address: ['この招待は、別のアドレスあてです。', 'This invitation is for another address.'],
  invalid_input: ['入力に直すところがあります。', 'Some of the input needs correcting.'],
  database_unavailable: [
    'ただいま帳簿を開けません。少し待って、もう一度お試しください。',
    'The books cannot be opened right now. Try again in a moment.',
  ],
}

export const house = {
  seller: { name: 'Noren', registration_number: null, address: '' },
  name: 'Noren',
  version: '0.1.0',
  demo: true,
  demo_logins: [
    { as: 'guest', email: null, password: null, title: { ja: 'お試しのお客さま', en: 'A guest' } },
    {
      as: 'free',
      email: 'free@demo.noren.example',
      password: 'noren-demo-free',
      title: { ja: '無料プランの人', en: 'On the free plan' },
    },
    {
      as: 'paid',
      email: 'paid@demo.noren.example',
      password: 'noren-demo-paid',
      title: { ja: '常連プランの人', en: 'A regular' },
    },
    {
      as: 'vip',
      email: 'vip@demo.noren.example',
      password: 'noren-demo-vip',
      title: { ja: 'VIPプランの人', en: 'A VIP' },
    },
  ],
  storefronts: ['misaki', 'webgpt', 'genai', 'narai'].map((name) => ({
    id: name,
    open: name === 'misaki' || name === 'genai',
  })),
  readiness: [
    { id: 'database', ready: true, text: { ja: 'データベース', en: 'Database' } },
    {
      id: 'https',
      ready: false,
      text: { ja: 'HTTPS の公開アドレスを決める', en: 'Choose a public https address' },
    },
    {
      id: 'model',
      ready: false,
      text: {
        ja: '言語モデルをつなぐ（いまは練習用のモデルです）',
        en: 'Connect a language model (a practice one answers now)',
      },
    },
    { id: 'mail', ready: false, text: { ja: 'メールの送信元を決める', en: 'Set up outgoing mail' } },
    { id: 'payment', ready: false, text: { ja: '支払いをつなぐ', en: 'Connect payments' } },
    { id: 'backup', ready: false, text: { ja: 'バックアップの行き先を決める', en: 'Choose where backups go' } },
  ],
}

export const sample = `そっか、それは**「しんどい」**一日だったね。まずは座って、あたたかいものでも飲んで。

大失敗って、あとから思い出すと**ちいさな段差**みたいなものだったりするのよ。今夜できることを三つだけ。

1. 深呼吸を三回。肩を下ろすのを忘れないで
2. 明日の朝いちばんにやることを、ひとつだけ紙に書く
3. あとは全部、ここに置いていく

よかったら、何があったのか聞かせて。順番はばらばらでいいから。`

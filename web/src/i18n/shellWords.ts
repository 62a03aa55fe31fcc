import { define } from './text'

export const shellWords = define({
  house: { ja: '暖簾 Noren', en: 'Noren' },
  skip: { ja: '本文へ', en: 'Skip to content' },
  language: { ja: '言語', en: 'Language' },
  otherLanguage: { ja: 'English', en: '日本語' },
  scheme: { ja: '画面の明るさ', en: 'Colour scheme' },
  schemeSystem: { ja: '端末に合わせる', en: 'System' },
  schemeLight: { ja: '明るい', en: 'Light' },
  schemeDark: { ja: '暗い', en: 'Dark' },
  signIn: { ja: 'サインイン', en: 'Sign in' },
  signUp: { ja: 'アカウントをつくる', en: 'Create an account' },
  account: { ja: '帳場', en: 'Account' },
  navigation: { ja: '案内', en: 'Main' },
  loading: { ja: 'のれんを出しています', en: 'Opening the curtain' },
  retry: { ja: 'もう一度', en: 'Try again' },
  requestId: { ja: 'お問い合わせ番号', en: 'Request id' },
  home: { ja: '入口へ戻る', en: 'Back to the entrance' },
  brokenTitle: { ja: 'この画面を出せませんでした', en: 'This page could not be shown' },
  brokenText: {
    ja: '読み込みの途中でつまずきました。読み込み直すと、たいてい直ります。',
    en: 'Something tripped while loading. Loading the page again usually helps.',
  },
  reload: { ja: '読み込み直す', en: 'Reload' },
  closedTitle: { ja: '本日休業', en: 'Closed today' },
  closedText: {
    ja: 'お探しのページは見つかりませんでした。引っ越したか、まだ開いていないのかもしれません。',
    en: 'We could not find this page. It may have moved, or it has not opened yet.',
  },
})

export const welcomeWords = define({
  title: { ja: 'のれんをくぐれば、すぐに使えます。', en: 'Step through the curtain. It simply works.' },
  lead: {
    ja: '四つのお店が、ひとつの帳場でつながっています。アカウントも、お支払いも、使った分の記録もひとつ。APIキーの登録はいりません。まずは中をご覧ください。',
    en: 'Four shops share one counter: one account, one bill, one record of what you used. No key to set up first. Have a look around.',
  },
  shops: { ja: 'お店', en: 'Shops' },
  open: { ja: '営業中', en: 'Open' },
  coming: { ja: '準備中', en: 'Coming' },
  misaki: { ja: 'スナック みさき', en: 'Snack Misaki' },
  misakiText: {
    ja: 'ママが話し相手。最初のひと言は無料です。',
    en: 'A kind host to talk to. The first words are free.',
  },
  misakiGo: { ja: '話してみる', en: 'Say hello' },
  webgpt: { ja: 'WEBGPT', en: 'WEBGPT' },
  webgptText: { ja: 'サイトのURLだけで、出典つきで答えるボット。', en: 'Give it your site; it answers with sources.' },
  genai: { ja: 'GenAI Platform', en: 'GenAI Platform' },
  genaiText: { ja: 'ひとつの鍵で、あらゆるモデルを。', en: 'One key for every model.' },
  genaiGo: { ja: 'コンソールへ', en: 'Open the console' },
  narai: { ja: '習い事Prime', en: 'Naraigoto Prime' },
  naraiText: { ja: '近くの教室を、チケットで三歩で予約。', en: 'Lessons nearby, booked in three steps.' },
  comingGo: { ja: '予定を見る', en: 'What is planned' },
  readiness: { ja: '本番の準備', en: 'Ready for production' },
  readinessCount: {
    ja: (ready: number, all: number) => (ready === all ? `${all}項目すべて済み` : `${all}項目のうち${ready}つ済み`),
    en: (ready: number, all: number) => (ready === all ? `all ${all} done` : `${ready} of ${all} done`),
  },
  readinessText: {
    ja: '試すだけなら、このままで大丈夫です。公開するときに、残りを埋めてください。',
    en: 'Nothing more is needed to try things out. Complete the rest before you open to the public.',
  },
  done: { ja: '済み', en: 'done' },
  notYet: { ja: 'まだ', en: 'not yet' },
  houseAway: { ja: 'いま、帳場と連絡がとれません', en: 'The counter does not answer right now' },
  demoTitle: { ja: '体験用の入り口', en: 'Demo entrances' },
  demoText: {
    ja: 'ひと押しで、その人として入れます。体験用の環境だけのものです。',
    en: 'One press and you are in as that person. These exist in demo mode only.',
  },
  demoEnter: { ja: '入る', en: 'Enter' },
  demoSignedIn: { ja: (name: string) => `${name}で入りました`, en: (name: string) => `You are in as ${name}` },
  password: { ja: 'パスワード', en: 'password' },
})

export const comingWords = define({
  back: { ja: '入口へ戻る', en: 'Back to the entrance' },
  status: { ja: '準備中', en: 'Coming' },
  honest: {
    ja: 'このお店はまだ開いていません。申し込みも、動くデモも、いまはありません。開いたら、入口ののれんの札が「営業中」に変わります。',
    en: 'This shop is not open yet. There is nothing to sign up for and no demo to run. When it opens, the tag on its curtain will say “Open”.',
  },
  planned: { ja: 'ここでできるようになること', en: 'What you will be able to do here' },
  meanwhile: { ja: 'いま開いているお店へ', en: 'Visit the shop that is open' },
  webgptTitle: { ja: 'WEBGPT', en: 'WEBGPT' },
  webgptLead: {
    ja: '自分のサイトを読ませて、出典つきで答えるボットを置く場所になります。',
    en: 'A place to let a bot read your site and answer visitors with its sources.',
  },
  webgpt1: {
    ja: 'サイトのURLを入れると、ページを読んで学びます',
    en: 'Enter a site address and it reads and learns the pages',
  },
  webgpt2: {
    ja: 'すべての答えに出典を添え、知らないことは知らないと言います',
    en: 'Every answer names its sources, and it says when it does not know',
  },
  webgpt3: { ja: '一行のタグで、自分のサイトに置けます', en: 'One line of markup puts it on your site' },
  naraiTitle: { ja: '習い事Prime', en: 'Naraigoto Prime' },
  naraiLead: {
    ja: 'お子さまの習い事を、近くから探して、チケットで予約できる場所になります。',
    en: 'A place to find lessons near you and book them with tickets.',
  },
  narai1: { ja: '駅や家からの近さ、曜日、年れいで教室をさがせます', en: 'Search by distance, weekday and age' },
  narai2: { ja: 'さがす、えらぶ、予約する。三歩で終わります', en: 'Find, choose, book: three steps and done' },
  narai3: {
    ja: 'チケットは有効期限つきの半券で、残りがすぐわかります',
    en: 'Tickets are stubs with their expiry, so you always see what is left',
  },
})

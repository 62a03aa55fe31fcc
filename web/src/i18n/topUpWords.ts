import { define } from './text'

export const topUpWords = define({
  title: { ja: (shop: string) => `${shop}の買い足し`, en: (shop: string) => `Top-ups at ${shop}` },
  lead: {
    ja: '足りなくなったときに、1回だけ買い足せます。自動では更新されません。',
    en: 'Buy more once, whenever you run short. Nothing is renewed by itself.',
  },
  list: { ja: '買い足せるもの', en: 'Top-ups' },
  good: { ja: (days: string) => `お支払いから${days}日間使えます`, en: (days: string) => `Good for ${days} days` },
  taxed: { ja: '税込み', en: 'tax included' },
  choose: { ja: (name: string) => `「${name}」を選ぶ`, en: (name: string) => `Choose ${name}` },
  closed: { ja: 'いまは買い足せません', en: 'Not on sale right now' },
  signUp: { ja: 'アカウントをつくって買い足す', en: 'Create an account to buy' },
  empty: { ja: 'いまは買い足せるものがありません', en: 'Nothing to buy here yet' },
  notYours: {
    ja: '買い足せるのは、オーナーと管理者、保護者の方です。',
    en: 'Owners, admins and guardians can buy top-ups.',
  },
  confirm: { ja: '買い足す内容の確認', en: 'Check what you buy' },
  confirmLead: {
    ja: 'まだ買い足しは済んでいません。内容を確かめて、いちばん下のボタンを押してください。',
    en: 'Nothing is bought yet. Check it; the button at the bottom takes you to the payment.',
  },
  total: { ja: 'お支払い（1回）', en: 'To pay, once' },
  tax: { ja: (sum: string) => `うち消費税 ${sum}`, en: (sum: string) => `of which consumption tax ${sum}` },
  items: { ja: 'ご購入の条件', en: 'Terms' },
  until: {
    ja: (time: string) => `この内容は${time}まで有効です。`,
    en: (time: string) => `These terms hold until ${time}.`,
  },
  submit: { ja: 'この内容で買い足す', en: 'Buy this' },
  going: { ja: '進めています', en: 'Going on' },
  back: { ja: '選び直す', en: 'Choose again' },
  waiting: { ja: 'お支払いの知らせを待っています', en: 'Waiting to hear about the payment' },
  waitingText: {
    ja: 'たいていは数秒で届きます。このページを閉じても、買い足しはなくなりません。',
    en: 'It usually takes seconds. Closing this page does not lose what you bought.',
  },
  done: { ja: '買い足しました', en: 'Your top-up is in' },
  doneText: {
    ja: '帳場の記録で確かめました。すぐに使えます。',
    en: 'The house’s own records confirm it. It can be used at once.',
  },
  canceled: {
    ja: 'お支払いの前にやめました。何も買い足していません。',
    en: 'You left before paying. Nothing was bought.',
  },
  seeLedger: { ja: '残高と入出の記録', en: 'Balance and record' },
  toShop: { ja: 'お店へ行く', en: 'Go to the shop' },
  topUp: { ja: '買い足す', en: 'Buy more' },
  plans: { ja: 'プランを見る', en: 'See the plans' },
})

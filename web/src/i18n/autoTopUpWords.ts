import { define } from './text'

export const autoTopUpWords = define({
  title: { ja: '自動の買い足し', en: 'Automatic top-up' },
  lead: {
    ja: '残りが少なくなったら、保存されたカードで自動で買い足せます。はじめは使わない設定です。',
    en: 'Buy more by itself with your stored card when few are left. It is off until you agree.',
  },
  topup: { ja: '買い足すもの', en: 'What to buy' },
  threshold: { ja: '残りがこの数を下回ったら', en: 'When fewer than this are left' },
  monthly: { ja: '1か月の支払いの上限（円）', en: 'Most to pay in a month (yen)' },
  number: { ja: '1以上の整数を入れてください', en: 'A whole number from 1, please' },
  look: { ja: '内容を確認する', en: 'Look at the terms' },
  confirm: { ja: '自動の買い足しの確認', en: 'Check the automatic top-up' },
  confirmLead: {
    ja: 'まだ始まっていません。内容を確かめて、いちばん下のボタンを押してください。',
    en: 'Nothing has begun yet. Check it and press the button at the bottom.',
  },
  until: {
    ja: (time: string) => `この内容は${time}まで有効です。`,
    en: (time: string) => `These terms hold until ${time}.`,
  },
  agree: { ja: 'この内容で自動の買い足しを始める', en: 'Agree and turn it on' },
  back: { ja: '戻る', en: 'Back' },
  on: {
    ja: (name: string, left: string) => `残りが${left}を下回ると「${name}」を買い足します`,
    en: (name: string, left: string) => `Buys ${name} when fewer than ${left} are left`,
  },
  spent: {
    ja: (spent: string, most: string) => `今月は${most}のうち${spent}`,
    en: (spent: string, most: string) => `${spent} of ${most} this month`,
  },
  stop: { ja: '自動の買い足しを止める', en: 'Turn it off' },
  payment_failed: {
    ja: 'お支払いができなかったので、自動の買い足しを止めました',
    en: 'A payment failed, so automatic top-ups have stopped',
  },
  not_sold: {
    ja: '販売の内容が変わったので、自動の買い足しを止めました',
    en: 'What was agreed to is not sold any more, so automatic top-ups have stopped',
  },
})

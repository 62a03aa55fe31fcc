import { define } from './text'

export const budgetWords = define({
  title: { ja: '自分で決める上限', en: 'Your own limit' },
  lead: {
    ja: '今月使ってよい数を決めておくと、達したところで新しい利用が止まり、メールでお知らせします。',
    en: 'Decide how much may be used in a month. New use stops there, and you get a letter.',
  },
  monthly: { ja: '1か月の上限', en: 'Limit for a month' },
  alert: { ja: '途中でお知らせする数（なくてもよい）', en: 'Tell me at (may be left empty)' },
  used: {
    ja: (used: string, all: string) => `今月は${all}のうち${used}使いました`,
    en: (used: string, all: string) => `${used} of ${all} used this month`,
  },
  reached: { ja: '上限に達したので、新しい利用を止めています', en: 'The limit is reached, so new use has stopped' },
  houseCap: {
    ja: (used: string, all: string) => `この店の決めた上限は1か月${all}です。今月は${used}使いました。`,
    en: (used: string, all: string) => `This house lets you use ${all} a month; ${used} is used.`,
  },
  until: { ja: (time: string) => `${time}に次の月が始まります`, en: (time: string) => `The next month begins ${time}` },
  raise: { ja: (to: string) => `上限を${to}に上げる`, en: (to: string) => `Raise it to ${to}` },
  save: { ja: '上限を保存する', en: 'Save the limit' },
  remove: { ja: '上限をなくす', en: 'Remove the limit' },
  cost: { ja: 'モデルの費用', en: 'Cost of models' },
  costLead: {
    ja: '今月の費用を米ドルで決めておくと、超えるおそれのある利用が止まり、8割と全部のところでメールでお知らせします。',
    en: 'Decide in US dollars what the models may cost in a month. Use that might pass it stops; you get a letter at 80 % and at the end.',
  },
  costMonthly: { ja: '1か月の費用の上限（米ドル）', en: 'Cost limit for a month (US dollars)' },
  costAlert: { ja: '途中でお知らせする金額（なくてもよい）', en: 'Tell me at, in US dollars (may be left empty)' },
  costReached: {
    ja: '上限を超えるおそれがあったので、利用を止めています',
    en: 'Use has stopped, since it might have passed the limit',
  },
  amount: { ja: '金額を 1.50 のように入れてください', en: 'An amount such as 1.50, please' },
  number: { ja: '0以上の整数を入れてください', en: 'A whole number from 0, please' },
})

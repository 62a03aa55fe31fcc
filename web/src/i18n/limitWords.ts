import { define } from './text'

export const memberBudgetWords = define({
  title: { ja: '今月の利用と上限', en: 'Use this month, and limits' },
  lead: {
    ja: 'その人が画面で使った分と、その人のつくった鍵で使った分です。上限に達すると、その人の新しい利用だけが止まります。',
    en: 'What each person used here and by the keys they made. At the limit only their own new use stops.',
  },
  ownTitle: { ja: 'あなたの今月の利用', en: 'Your use this month' },
  ownLead: {
    ja: '上限は、チームの管理者が決めます。',
    en: 'Your team’s administrators set the limits.',
  },
  none: { ja: '今月はまだ使っていません', en: 'Nothing used this month' },
  cost: { ja: 'モデルの費用', en: 'Cost of models' },
  usedOf: {
    ja: (used: string, all: string) => `${used}（上限${all}）`,
    en: (used: string, all: string) => `${used} of ${all}`,
  },
  until: { ja: (time: string) => `${time}に次の月が始まります`, en: (time: string) => `The next month begins ${time}` },
  set: { ja: '上限を決める', en: 'Set a limit' },
  who: { ja: 'だれの', en: 'Whose' },
  what: { ja: '何の', en: 'Of what' },
  monthly: { ja: '1か月の上限', en: 'Limit for a month' },
  monthlyCost: { ja: '1か月の上限（米ドル）', en: 'Limit for a month (US dollars)' },
  save: { ja: '上限を保存する', en: 'Save the limit' },
  remove: { ja: '上限をなくす', en: 'Remove the limit' },
  removeOf: {
    ja: (name: string, unit: string) => `${name}の${unit}の上限をなくす`,
    en: (name: string, unit: string) => `Remove the limit: ${name}, ${unit}`,
  },
  amount: { ja: '金額を 1.50 のように入れてください', en: 'An amount such as 1.50, please' },
  number: { ja: '0以上の整数を入れてください', en: 'A whole number from 0, please' },
})

export const capWords = define({
  title: { ja: '店が決める上限', en: 'Caps by the house' },
  lead: {
    ja: 'お客様がご自身では上げられない、1か月の上限です。費用は米ドルで決めます。',
    en: 'What this customer may use in a month, and cannot raise. Costs are in US dollars.',
  },
  empty: { ja: '上限はありません。', en: 'There are no caps.' },
  unit: { ja: '単位', en: 'Unit' },
  monthly: { ja: '1か月の上限', en: 'Cap for a month' },
  used: { ja: '今月', en: 'This month' },
  set: { ja: '決めた人', en: 'Set by' },
  save: { ja: '上限を決める', en: 'Set the cap' },
  removeOf: { ja: (unit: string) => `${unit}の上限をなくす`, en: (unit: string) => `Remove the cap of ${unit}` },
  remove: { ja: 'なくす', en: 'Remove' },
})

import { define } from './text'

export const retentionWords = define({
  title: { ja: 'テキストの保存', en: 'Retention' },
  lead: {
    ja: '質問と答えのテキストを、いつまで残すか。モデル名、token 数、費用の記録は、どの設定でも残ります。',
    en: 'How long the texts of requests and answers are kept. Model, tokens and cost stay on record in any case.',
  },
  tenant: { ja: 'すべてのリクエスト', en: 'All requests' },
  keys: { ja: 'APIキーごと', en: 'By API key' },
  keysText: {
    ja: 'キーに決めた長さは、上の設定より優先されます。',
    en: 'What is set for a key goes before the rule above.',
  },
  keep: { ja: '残す長さ', en: 'Keep texts' },
  always: { ja: '消すまで残す', en: 'Until deleted' },
  alwaysText: { ja: '履歴からいつでも消せます。', en: 'You can delete them from the requests at any time.' },
  days: { ja: '日数を決める', en: 'For some days' },
  daysText: { ja: '終わってから、その日数で消えます。', en: 'They go that many days after the end.' },
  metadata: { ja: '答えを10分だけ', en: 'The answer for 10 minutes' },
  metadataText: {
    ja: '質問は残しません。答えは10分のあいだ読めます。',
    en: 'What is asked is not written down; the answer can be fetched for 10 minutes.',
  },
  none: { ja: '残さない', en: 'Not at all' },
  noneText: {
    ja: '質問は残さず、答えも1分で消えます。',
    en: 'What is asked is not written down; the answer goes after a minute.',
  },
  number: { ja: '日数', en: 'Days' },
  numberHint: { ja: '1日から3650日まで', en: '1 to 3650' },
  badDays: { ja: '1〜3650の日数を入れてください。', en: 'Enter 1 to 3650 days.' },
  shorter: {
    ja: '短くすると、いま残っている古いテキストも消えます。元には戻せません。',
    en: 'A shorter time also deletes older texts that are there now. They cannot be brought back.',
  },
  saved: { ja: '保存しました。', en: 'Saved.' },
  change: { ja: '変える', en: 'Change' },
  changeOf: {
    ja: (name: string) => `「${name}」の残す長さを変える`,
    en: (name: string) => `Change retention of ${name}`,
  },
  takeBack: { ja: '全体に合わせる', en: 'Use the rule for all' },
  takeBackOf: {
    ja: (name: string) => `「${name}」を全体に合わせる`,
    en: (name: string) => `Use the rule for all for ${name}`,
  },
  acts: { ja: '操作', en: 'Actions' },
  key: { ja: 'APIキー', en: 'API key' },
  rule: { ja: '残す長さ', en: 'Kept' },
  asTenant: { ja: '全体と同じ', en: 'as for all' },
  forDays: {
    ja: (n: number) => `${n}日`,
    en: (n: number) => (n === 1 ? '1 day' : `${n} days`),
  },
  noKeys: { ja: 'APIキーがまだありません。', en: 'There is no API key yet.' },
  toKeys: { ja: 'APIキーへ', en: 'To the API keys' },
  readOnly: {
    ja: '変えられるのは、管理する人だけです。',
    en: 'Only those who manage this account can change it.',
  },
})

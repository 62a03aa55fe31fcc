import { define } from './text'

// What was asked at the playground, as conversations.
export const talkWords = define({
  anew: { ja: '新しい会話', en: 'New chat' },
  title: { ja: '履歴', en: 'History' },
  list: { ja: 'これまでの会話', en: 'Earlier chats' },
  none: { ja: 'ここで聞いたことが、会話ごとに残ります。', en: 'What you ask here is kept by chat.' },
  more: { ja: 'もっと前の会話', en: 'Older chats' },
  unnamed: { ja: '（本文は残っていません）', en: '(text not kept)' },
  rename: { ja: (name: string) => `「${name}」に名前を付ける`, en: (name: string) => `Name “${name}”` },
  remove: { ja: (name: string) => `「${name}」を消す`, en: (name: string) => `Delete “${name}”` },
  renameTitle: { ja: '会話の名前', en: 'Name of the chat' },
  name: { ja: '名前', en: 'Name' },
  nameHint: { ja: '空にすると、最初の言葉で並びます。', en: 'Leave it empty to go by its first words.' },
  save: { ja: '保存する', en: 'Save' },
  removeTitle: { ja: '会話を消しますか', en: 'Delete this chat?' },
  removeText: {
    ja: 'この会話で聞いたことと答えを、記録からも消します。もとには戻せません。使用量と費用の記録は残ります。',
    en: 'What was asked and answered in it is deleted from the records too, for good. Usage and cost stay on record.',
  },
  removeIt: { ja: '消す', en: 'Delete' },
  cancel: { ja: 'やめる', en: 'Cancel' },
  renamed: { ja: '名前を変えました。', en: 'Renamed.' },
  removed: { ja: '会話を消しました。', en: 'The chat is deleted.' },
  askedGone: { ja: '質問は残っていません。', en: 'The question is not kept.' },
  answerGone: { ja: '答えは残っていません。', en: 'The answer is not kept.' },
  forgotten: {
    ja: '残っていない問答は、続きを聞くときモデルに伝わりません。残す長さは「テキストの保存」で決められます。',
    en: 'What is not kept is not told to the model when you go on. Retention says how long texts are kept.',
  },
  retention: { ja: 'テキストの保存', en: 'Retention' },
  notKept: {
    ja: (why: string) => `この問答は履歴に入りませんでした。記録はリクエストの一覧にあります。${why}`,
    en: (why: string) => `This turn could not be put into the history; its record is among the requests. ${why}`,
  },
})

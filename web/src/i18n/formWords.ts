import { define } from './text'

export const formWords = define({
  checkFields: { ja: '次のところを直してください。', en: 'Please correct the following.' },
  working: { ja: '確かめています', en: 'Checking' },
  retryAfter: {
    ja: (minutes: number) => `約${minutes}分後に、もう一度お試しいただけます。`,
    en: (minutes: number) => `You can try again in about ${minutes} min.`,
  },
  showPassword: { ja: 'パスワードを見せる', en: 'Show password' },
  close: { ja: '閉じる', en: 'Close' },
  cancel: { ja: 'やめる', en: 'Cancel' },
  save: { ja: '保存する', en: 'Save' },
  saved: { ja: '保存しました。', en: 'Saved.' },
  copy: { ja: 'コピー', en: 'Copy' },
  copied: { ja: 'コピーしました', en: 'Copied' },
  back: { ja: '戻る', en: 'Back' },
  never: { ja: 'まだなし', en: 'never' },
  needEmail: { ja: 'メールアドレスを入れてください。', en: 'Enter the email address.' },
  badEmail: { ja: 'name@example.jp のような形で入れてください。', en: 'Enter it in the form name@example.com.' },
  needPassword: { ja: 'パスワードを入れてください。', en: 'Enter the password.' },
  shortPassword: { ja: '8文字以上にしてください。', en: 'Use at least 8 characters.' },
  longPassword: { ja: '128文字までにしてください。', en: 'Use at most 128 characters.' },
  longName: { ja: '50文字までにしてください。', en: 'Use at most 50 characters.' },
  needName: { ja: '名前を入れてください。', en: 'Enter a name.' },
  needCode: { ja: 'コードを入れてください。', en: 'Enter the code.' },
  needPin: { ja: '数字を6つ入れてください。', en: 'Enter six digits.' },
})

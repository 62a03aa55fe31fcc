import { define } from './text'

export const authWords = define({
  signIn: { ja: 'サインイン', en: 'Sign in' },
  signUp: { ja: 'アカウントをつくる', en: 'Create an account' },
  signInLead: { ja: 'おかえりなさい。つづきから始められます。', en: 'Welcome back. Pick up where you left off.' },
  signUpLead: {
    ja: 'いまの会話と残りの回数は、そのままアカウントに引き継がれます。',
    en: 'Your conversations and what is left of your allowance move to the account with you.',
  },
  email: { ja: 'メールアドレス', en: 'Email' },
  password: { ja: 'パスワード', en: 'Password' },
  passwordHint: { ja: '8文字以上。長いほど安全です。', en: 'At least 8 characters. Longer is safer.' },
  showPassword: { ja: 'パスワードを見せる', en: 'Show password' },
  displayName: { ja: '呼び名（なくてもかまいません）', en: 'Name to call you by (optional)' },
  displayNameHint: { ja: '50文字まで。', en: 'Up to 50 characters.' },
  noAccount: { ja: 'はじめての方は', en: 'New here?' },
  haveAccount: { ja: 'アカウントをお持ちの方は', en: 'Already have an account?' },
  working: { ja: '確かめています', en: 'Checking' },
  needEmail: { ja: 'メールアドレスを入れてください。', en: 'Enter your email address.' },
  badEmail: { ja: 'name@example.jp のような形で入れてください。', en: 'Enter it in the form name@example.com.' },
  needPassword: { ja: 'パスワードを入れてください。', en: 'Enter your password.' },
  shortPassword: { ja: '8文字以上にしてください。', en: 'Use at least 8 characters.' },
  longPassword: { ja: '128文字までにしてください。', en: 'Use at most 128 characters.' },
  longName: { ja: '50文字までにしてください。', en: 'Use at most 50 characters.' },
  checkFields: { ja: '次のところを直してください。', en: 'Please correct the following.' },
})

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
  newPassword: { ja: '新しいパスワード', en: 'New password' },
  strength: {
    ja: 'よく使われる言葉や、名前や日付は見破られやすくなります。関係のない言葉を三つか四つつなげると、覚えやすくて強いものになります。',
    en: 'Common words, names and dates are easy to guess. Three or four words that have nothing to do with each other are strong and easy to remember.',
  },
  displayName: { ja: '呼び名（なくてもかまいません）', en: 'Name to call you by (optional)' },
  displayNameHint: { ja: '50文字まで。', en: 'Up to 50 characters.' },
  noAccount: { ja: 'はじめての方は', en: 'New here?' },
  haveAccount: { ja: 'アカウントをお持ちの方は', en: 'Already have an account?' },
  forgot: { ja: 'パスワードを忘れたとき', en: 'Forgot your password?' },
  childSignsIn: { ja: 'お子さまがサインインする', en: 'A child signs in' },
  or: { ja: 'または', en: 'or' },
  withPasskey: { ja: 'パスキーでサインイン', en: 'Sign in with a passkey' },
  withIssuer: { ja: (name: string) => `${name}でサインイン`, en: (name: string) => `Sign in with ${name}` },
  otherWays: { ja: 'ほかの入り方', en: 'Other ways in' },
  secondTitle: { ja: 'もうひとつの確認', en: 'One more check' },
  secondLead: {
    ja: 'パスワードは合っています。認証アプリに出ている6桁のコードを入れてください。',
    en: 'The password is right. Now enter the 6-digit code that your authenticator app shows.',
  },
  secondPasskeyOnly: {
    ja: 'パスワードは合っています。つづけて、パスキーで確認してください。',
    en: 'The password is right. Now confirm with your passkey.',
  },
  recoveryLead: {
    ja: '認証アプリを設定したときに控えた、復旧コードをひとつ入れてください。使ったコードは、もう使えなくなります。',
    en: 'Enter one of the recovery codes that you kept when you set up the app. Each works once.',
  },
  code: { ja: '確認コード', en: 'Code' },
  recoveryCode: { ja: '復旧コード', en: 'Recovery code' },
  useRecovery: { ja: '認証アプリが手元にないとき', en: 'I do not have my authenticator app' },
  useApp: { ja: '認証アプリのコードを使う', en: 'Use the code from the app' },
  usePasskey: { ja: 'パスキーで確認する', en: 'Confirm with a passkey' },
  confirm: { ja: '確かめて入る', en: 'Confirm and go in' },
  startOver: { ja: '最初からやり直す', en: 'Start over' },
  forgotTitle: { ja: 'パスワードを忘れたとき', en: 'Forgot your password' },
  forgotLead: {
    ja: 'アカウントのメールアドレスを入れてください。新しいパスワードを決めるためのリンクを送ります。',
    en: 'Enter the address of your account. We will send a link for choosing a new password.',
  },
  sendLink: { ja: 'リンクを送る', en: 'Send the link' },
  forgotSent: { ja: 'お手紙を確かめてください', en: 'Check your mail' },
  forgotSentText: {
    ja: (email: string) =>
      `${email} のアカウントがあれば、リンクを送りました。リンクは30分間、一度だけ使えます。届かないときは、迷惑メールの箱とつづりを確かめてください。`,
    en: (email: string) =>
      `If there is an account for ${email}, a link is on its way. It works once, within 30 minutes. If nothing arrives, look among the unwanted mail and check the spelling.`,
  },
  otherAddress: { ja: '別のアドレスで試す', en: 'Try another address' },
  backToSignIn: { ja: 'サインインへ', en: 'To sign-in' },
  callbackTitle: { ja: 'サインインしています', en: 'Signing you in' },
  callbackWait: { ja: 'ご本人の確認を受け取っています', en: 'Taking over the confirmation' },
  callbackFailed: { ja: 'サインインできませんでした', en: 'The sign-in did not work' },
  callbackDenied: {
    ja: '外部のサービスで、確認が取りやめになりました。',
    en: 'The other service reports that the confirmation was called off.',
  },
  callbackTrouble: {
    ja: '外部のサービスが、確認を返せませんでした。少し待って、もう一度お試しください。',
    en: 'The other service could not confirm you. Wait a moment and try again.',
  },
  callbackEmpty: {
    ja: 'このページは、外部のサービスから戻るときに通る場所です。サインインからお入りください。',
    en: 'This page is passed on the way back from another service. Please start at sign-in.',
  },
  openMailbox: { ja: 'この体験版のポストを開く', en: 'Open the mailbox of this demo' },
})

// Children read these; the house speaks hiragana first, and reads the few kanji aloud.
export const childWords = define({
  title: { ja: 'はいる', en: 'Come in' },
  lead: {
    ja: 'おうちの ひとに おしえてもらった 3つを いれてね。',
    en: 'Type the three things that your grown-ups told you.',
  },
  family: { ja: 'おうちの コード', en: 'Family code' },
  familyHint: { ja: 'えいごの もじと すうじ 8こ', en: '8 letters and numbers' },
  name: { ja: 'なまえ', en: 'Your name' },
  nameHint: { ja: 'とうろくした なまえ', en: 'The name you sign in with' },
  pin: { ja: 'ひみつの すうじ', en: 'Secret number' },
  pinHint: { ja: 'すうじ 6こ', en: '6 numbers' },
  go: { ja: 'はいる', en: 'Go in' },
  needFamily: { ja: 'おうちの コードを いれてね。', en: 'Type the family code.' },
  needName: { ja: 'なまえを いれてね。', en: 'Type your name.' },
  needPin: { ja: 'すうじを 6こ いれてね。', en: 'Type 6 numbers.' },
  stuck: {
    ja: 'わからないときは、おうちの ひとに きいてね。',
    en: 'If you are stuck, ask your grown-ups.',
  },
  grownUp: { ja: 'おとなの人はこちら', en: 'Grown-ups sign in here' },
  hello: { ja: (name: string) => `${name}さん、こんにちは`, en: (name: string) => `Hello, ${name}` },
  inside: {
    ja: 'はいれたよ。つかいおわったら「おわる」を おしてね。',
    en: 'You are in. When you are done, press “Leave”.',
  },
  leave: { ja: 'おわる', en: 'Leave' },
  notHere: {
    ja: 'ここは おとなの ばしょです。',
    en: 'This place is for grown-ups.',
  },
  back: { ja: 'いりぐちへ もどる', en: 'Back to the entrance' },
})

import { define } from './text'

export const stepUpWords = define({
  title: { ja: 'ご本人の確認', en: 'Confirm that it is you' },
  lead: {
    ja: '大切な変更の前に、もう一度だけ確かめさせてください。確認は15分間続きます。',
    en: 'Before an important change we check once more. It holds for 15 minutes.',
  },
  by: { ja: '確認の方法', en: 'How to confirm' },
  password: { ja: 'パスワード', en: 'Password' },
  code: { ja: '認証アプリ', en: 'App code' },
  codeField: { ja: '確認コード', en: 'Code' },
  codeHint: { ja: '認証アプリの6桁、または復旧コードひとつ。', en: 'Six digits of the app, or one recovery code.' },
  passkey: { ja: 'パスキー', en: 'Passkey' },
  passkeyDo: { ja: 'パスキーで確認する', en: 'Confirm with a passkey' },
  confirm: { ja: '確認する', en: 'Confirm' },
  nothing: {
    ja: 'このアカウントには、ここで使える確認の方法がありません。一度サインインし直すと、15分のあいだ続けられます。',
    en: 'This account has nothing to confirm with here. Sign in again, and you have 15 minutes.',
  },
  again: { ja: 'サインインし直す', en: 'Sign in again' },
})

export const securityWords = define({
  title: { ja: '安全', en: 'Security' },
  lead: {
    ja: '入り方を増やすほど、締め出されにくく、破られにくくなります。',
    en: 'The more ways in you have, the harder it is to be locked out, and to be broken into.',
  },
  password: { ja: 'パスワード', en: 'Password' },
  passwordSet: { ja: '設定してあります。', en: 'It is set.' },
  passwordNone: {
    ja: 'まだありません。外部のサービスかパスキーで入っています。',
    en: 'There is none yet; you come in with another service or a passkey.',
  },
  changePassword: { ja: 'パスワードを変える', en: 'Change the password' },
  setPassword: { ja: 'パスワードを決める', en: 'Set a password' },
  newPassword: { ja: '新しいパスワード', en: 'New password' },
  passwordOthers: {
    ja: '変えると、この端末のほかは、すべてサインアウトされます。',
    en: 'Every device but this one is signed out.',
  },
  passwordDone: {
    ja: 'パスワードを変えました。ほかの端末はサインアウトされています。',
    en: 'The password is changed, and other devices are signed out.',
  },
  removePassword: { ja: 'パスワードをなくす', en: 'Remove the password' },
  removePasswordText: {
    ja: 'パスキーだけで入るようにします。ほかの端末はサインアウトされます。パスワードは、メールのリンクでいつでも決め直せます。',
    en: 'A passkey alone lets you in then, and other devices are signed out. A link by mail can set a password again at any time.',
  },
  passwordGone: {
    ja: 'パスワードをなくしました。これからはパスキーで入ります。',
    en: 'The password is gone. From now on you come in with a passkey.',
  },
  totp: { ja: '二段階の確認（認証アプリ）', en: 'Second step (authenticator app)' },
  totpText: {
    ja: 'パスワードのあとに、スマートフォンのアプリが出す6桁のコードも尋ねるようにします。',
    en: 'After the password, we also ask for a 6-digit code from an app on your phone.',
  },
  on: { ja: '使っています', en: 'on' },
  off: { ja: '使っていません', en: 'off' },
  totpBegin: { ja: '認証アプリを設定する', en: 'Set up an app' },
  totpScan: {
    ja: '認証アプリで、この図を読み取ってください。読み取れないときは、下の文字を手で入れます。',
    en: 'Scan this picture with your authenticator app. If that does not work, type the letters below.',
  },
  qr: { ja: '認証アプリに読み取らせるQRコード', en: 'QR code for the authenticator app' },
  secret: { ja: '手で入れるときの文字', en: 'Letters for typing it in' },
  totpCode: { ja: 'アプリに出ている6桁のコード', en: 'The 6-digit code the app shows' },
  totpConfirm: { ja: '設定を終える', en: 'Finish' },
  totpRemove: { ja: '二段階の確認をやめる', en: 'Turn off the second step' },
  totpRemoveText: {
    ja: 'パスワードだけで入れるようになります。復旧コードも使えなくなります。',
    en: 'The password alone will do then, and the recovery codes stop working.',
  },
  recovery: { ja: '復旧コード', en: 'Recovery codes' },
  recoveryText: {
    ja: 'スマートフォンをなくしたときに、コードの代わりに使えます。ひとつにつき一度だけです。いま控えてください。もう一度見ることはできません。',
    en: 'Use one in place of a code when your phone is gone; each works once. Keep them now: they are not shown again.',
  },
  recoveryLeft: {
    ja: (left: string) => `復旧コードは、あと${left}個です。`,
    en: (left: string) => `${left} recovery codes are left.`,
  },
  recoveryNew: { ja: '復旧コードをつくり直す', en: 'Make new recovery codes' },
  recoveryKept: { ja: '控えました', en: 'I have kept them' },
  download: { ja: 'ファイルに保存', en: 'Save as a file' },
  copyAll: { ja: '全部コピー', en: 'Copy all' },
  passkeys: { ja: 'パスキー', en: 'Passkeys' },
  passkeysText: {
    ja: '指紋や顔、端末の暗証番号で入れます。にせの画面に打ち込んでしまう心配がありません。',
    en: 'Come in with a fingerprint, a face or the device’s own code. There is nothing to type into a false page.',
  },
  passkeysNone: { ja: 'まだパスキーはありません。', en: 'No passkeys yet.' },
  passkeysNotHere: {
    ja: 'このブラウザーはパスキーに対応していません。',
    en: 'This browser does not support passkeys.',
  },
  passkeyAdd: { ja: 'パスキーを加える', en: 'Add a passkey' },
  passkeyName: { ja: 'このパスキーの名前', en: 'Name for this passkey' },
  passkeyNameHint: { ja: '例: 自分のスマートフォン', en: 'For example: my phone' },
  passkeyAdded: { ja: 'パスキーを加えました。', en: 'The passkey is added.' },
  passkeyRemove: { ja: '外す', en: 'Remove' },
  passkeyRemoveOf: {
    ja: (name: string) => `パスキー「${name}」を外す`,
    en: (name: string) => `Remove the passkey “${name}”`,
  },
  passkeyRemoveTitle: { ja: (name: string) => `「${name}」を外しますか`, en: (name: string) => `Remove “${name}”?` },
  passkeyRemoveText: {
    ja: 'このパスキーでは入れなくなります。端末の側にも残っていたら、そちらでも消してください。',
    en: 'It no longer lets anyone in. If your device still lists it, delete it there, too.',
  },
  added: { ja: (date: string) => `${date}に追加`, en: (date: string) => `added ${date}` },
  usedLast: { ja: (date: string) => `最後に使った日: ${date}`, en: (date: string) => `last used ${date}` },
})

export const deviceWords = define({
  title: { ja: '端末', en: 'Devices' },
  lead: {
    ja: 'いまサインインしている端末です。覚えのないものは、ここからサインアウトできます。',
    en: 'Where you are signed in right now. Sign out what you do not know.',
  },
  here: { ja: 'この端末', en: 'this device' },
  app: { ja: 'アプリ', en: 'app' },
  unknown: { ja: '名のらない端末', en: 'A device that gives no name' },
  since: { ja: (date: string) => `${date}から`, en: (date: string) => `since ${date}` },
  seen: { ja: (date: string) => `最後に見えた: ${date}`, en: (date: string) => `last seen ${date}` },
  network: { ja: (network: string) => `ネットワーク ${network}`, en: (network: string) => `network ${network}` },
  revoke: { ja: 'サインアウトさせる', en: 'Sign out' },
  revokeOf: { ja: (name: string) => `${name}をサインアウトさせる`, en: (name: string) => `Sign out ${name}` },
  revokeOthers: { ja: 'ほかのすべてをサインアウトさせる', en: 'Sign out all others' },
  only: { ja: 'ほかに開いている端末はありません。', en: 'No other device is signed in.' },
  revoked: { ja: 'サインアウトさせました。', en: 'Signed out.' },
  browserOn: {
    ja: (browser: string, system: string) => `${system}の${browser}`,
    en: (browser: string, system: string) => `${browser} on ${system}`,
  },
})

export const profileWords = define({
  title: { ja: 'プロフィール', en: 'Profile' },
  lead: { ja: '呼び名と、お手紙の行き先です。', en: 'What we call you, and where letters go.' },
  you: { ja: 'あなた', en: 'You' },
  displayName: { ja: '呼び名', en: 'Name to call you by' },
  language: { ja: 'お手紙と画面の言葉', en: 'Language of letters and pages' },
  email: { ja: 'メールアドレス', en: 'Email' },
  verified: { ja: '確認済み', en: 'confirmed' },
  unverified: { ja: '未確認', en: 'not confirmed' },
  resend: { ja: '確認のお手紙をもう一度送る', en: 'Send the confirmation again' },
  resent: { ja: 'お手紙を送りました。', en: 'The letter is on its way.' },
  change: { ja: 'アドレスを変える', en: 'Change the address' },
  newEmail: { ja: '新しいメールアドレス', en: 'New email' },
  changeHint: {
    ja: '新しいアドレスに確認のお手紙を送ります。リンクを押すまでは、いまのアドレスのままです。',
    en: 'We mail the new address. Until its link is pressed, the present one stays.',
  },
  changeDo: { ja: '確認のお手紙を送る', en: 'Send the letter' },
  changeSent: {
    ja: (email: string) => `${email} に確認のお手紙を送りました。30分以内にリンクを押してください。`,
    en: (email: string) => `A letter is on its way to ${email}. Press its link within 30 minutes.`,
  },
  noEmail: { ja: 'メールアドレスはありません。', en: 'There is no address.' },
})

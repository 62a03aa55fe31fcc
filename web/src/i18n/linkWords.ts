import { define } from './text'

export const linkWords = define({
  verifyTitle: { ja: 'メールアドレスの確認', en: 'Confirming your address' },
  verifyWait: { ja: 'アドレスを確かめています', en: 'Checking your address' },
  verified: { ja: 'アドレスを確認しました', en: 'Your address is confirmed' },
  verifiedText: {
    ja: (email: string) => `${email} にお手紙が届くことを確かめました。`,
    en: (email: string) => `We now know that letters to ${email} reach you.`,
  },
  alreadyVerified: {
    ja: 'このアドレスは、もう確認が済んでいます。',
    en: 'This address has been confirmed already.',
  },
  expiredTitle: { ja: 'このリンクはもう使えません', en: 'This link no longer works' },
  expiredText: {
    ja: 'リンクは30分間、一度だけ使えます。新しいリンクを送ると、前のものは使えなくなります。',
    en: 'A link works once, within 30 minutes. A newer one puts the older out of use.',
  },
  emptyTitle: { ja: 'リンクがそろっていません', en: 'The link is not complete' },
  emptyText: {
    ja: 'お手紙のリンクを、もう一度押してください。コピーしたときは、最後の文字まで入っているか確かめてください。',
    en: 'Please press the link in the letter again. If you copied it, check that it is there to the last letter.',
  },
  sendAgain: { ja: '新しいリンクを送る', en: 'Send a fresh link' },
  sentAgain: {
    ja: '新しいリンクを送りました。お手紙を確かめてください。',
    en: 'A fresh link is on its way. Check your mail.',
  },
  signInToResend: {
    ja: 'サインインすると、新しいリンクを送れます。',
    en: 'Sign in to have a fresh link sent.',
  },
  toAccount: { ja: '帳場へ', en: 'To your account' },
  resetTitle: { ja: '新しいパスワードを決める', en: 'Choose a new password' },
  resetLead: {
    ja: '決めると、いま開いているほかの端末は、すべてサインアウトされます。',
    en: 'Once it is set, every other device is signed out.',
  },
  resetDo: { ja: 'このパスワードにする', en: 'Set this password' },
  resetDone: { ja: 'パスワードを変えました', en: 'The password is changed' },
  resetDoneText: {
    ja: '新しいパスワードで、サインインしてください。',
    en: 'Please sign in with the new password.',
  },
  askAgain: { ja: 'もう一度リンクを送ってもらう', en: 'Ask for another link' },
  changeTitle: { ja: '新しいアドレスの確認', en: 'Confirming the new address' },
  changed: { ja: 'アドレスが変わりました', en: 'Your address is changed' },
  changedText: {
    ja: (email: string) => `これからのお手紙は ${email} に届きます。サインインにも、このアドレスを使ってください。`,
    en: (email: string) => `Letters now go to ${email}. Use it for signing in, too.`,
  },
  changeAgain: { ja: 'プロフィールからやり直す', en: 'Start again from your profile' },
  inviteTitle: { ja: '招待状', en: 'An invitation' },
  inviteTo: {
    ja: (tenant: string, role: string) => `「${tenant}」に、${role}として招かれています。`,
    en: (tenant: string, role: string) => `You are invited to “${tenant}” as ${role}.`,
  },
  inviteFor: {
    ja: (email: string) => `この招待は ${email} あてです。`,
    en: (email: string) => `The invitation is for ${email}.`,
  },
  inviteAs: {
    ja: (email: string) => `いま ${email} としてサインインしています。`,
    en: (email: string) => `You are signed in as ${email}.`,
  },
  accept: { ja: '招待を受ける', en: 'Accept the invitation' },
  accepted: { ja: 'ようこそ', en: 'Welcome' },
  inviteStale: {
    ja: '安全のため、お手紙のリンクは30分で閉じます。招待そのものは生きています。ひと押しで、同じアドレスに新しいリンクを送ります。',
    en: 'For safety, the link in the letter closes after 30 minutes. The invitation itself is alive: one press sends a fresh link to the same address.',
  },
  inviteGone: { ja: 'この招待は終わっています', en: 'This invitation is over' },
  inviteGoneText: {
    ja: 'すでに使われたか、取り下げられたか、7日が過ぎました。招いてくれた方に、もう一度お願いしてください。',
    en: 'It was used, withdrawn, or is older than 7 days. Please ask whoever invited you for another.',
  },
  otherAddressTitle: { ja: 'アドレスが違います', en: 'This is another address' },
  otherAddressText: {
    ja: (email: string) =>
      `招待は ${email} あてです。このアドレスのアカウントでサインインし直すか、このアドレスでアカウントをつくってください。`,
    en: (email: string) =>
      `The invitation is for ${email}. Sign in with the account of that address, or create one with it.`,
  },
  signInFirst: {
    ja: '受けるには、このアドレスのアカウントが必要です。',
    en: 'To accept, you need an account with that address.',
  },
  signInAsOther: { ja: 'そのアカウントでサインイン', en: 'Sign in with that account' },
  unsubscribeTitle: { ja: 'お知らせを止める', en: 'Stop the news' },
  unsubscribeText: {
    ja: 'このアドレスへのお知らせのお手紙を止めます。サインインや安全にかかわるお手紙は、これからも届きます。',
    en: 'This stops news letters to this address. Letters about signing in and safety still arrive.',
  },
  unsubscribe: { ja: '止める', en: 'Stop them' },
  unsubscribed: { ja: 'お知らせを止めました', en: 'The news has stopped' },
  unsubscribedText: {
    ja: 'もうお送りしません。このページは閉じてかまいません。',
    en: 'We will send no more. You may close this page.',
  },
  home: { ja: '入口へ', en: 'To the entrance' },
})

export const mailboxWords = define({
  title: { ja: '体験版のポスト', en: 'Mailbox of this demo' },
  standIn: {
    ja: 'これは代役です。体験版では、お手紙は外へ送られず、ここに届きます。本番では、それぞれの方のメールに届きます。',
    en: 'This is a stand-in. In the demo no letter leaves the house; all of them arrive here. In production each goes to its reader.',
  },
  empty: { ja: 'まだお手紙はありません', en: 'No letters yet' },
  emptyText: {
    ja: 'アカウントをつくると、確認のお手紙が届きます。',
    en: 'Create an account, and a letter for confirming it arrives.',
  },
  letters: { ja: 'お手紙', en: 'Letters' },
  to: { ja: 'あて先', en: 'To' },
  links: { ja: 'お手紙のリンク', en: 'Links in this letter' },
  html: { ja: '見たまま', en: 'As designed' },
  text: { ja: '文字だけ', en: 'Plain text' },
  form: { ja: '見せ方', en: 'Show as' },
  open: { ja: 'ポストを開く', en: 'Open the mailbox' },
  foot: { ja: '体験版です。お手紙は外へ出ません。', en: 'This is a demo; letters stay inside.' },
})

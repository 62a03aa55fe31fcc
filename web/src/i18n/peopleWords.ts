import { define } from './text'

export const roleWords = define({
  guest: { ja: 'お試しのお客さま', en: 'guest' },
  owner: { ja: '持ち主', en: 'owner' },
  admin: { ja: '管理者', en: 'administrator' },
  member: { ja: 'メンバー', en: 'member' },
  guardian: { ja: '保護者', en: 'guardian' },
  child: { ja: 'お子さま', en: 'child' },
  person: { ja: '個人', en: 'personal' },
  family: { ja: '家族', en: 'family' },
  school: { ja: '学校・教室', en: 'school' },
  team: { ja: 'チーム', en: 'team' },
})

export const bannerWords = define({
  confirmTitle: { ja: 'メールアドレスを確かめてください', en: 'Please confirm your address' },
  confirmText: {
    ja: (email: string) => `${email} にお送りしたお手紙のリンクを押してください。`,
    en: (email: string) => `Press the link in the letter that we sent to ${email}.`,
  },
  letterSent: {
    ja: (email: string) => `${email} にお手紙を送りました`,
    en: (email: string) => `We sent a letter to ${email}`,
  },
  letterSentText: {
    ja: '30分以内に、お手紙のリンクを押してください。それで準備は終わりです。',
    en: 'Press its link within 30 minutes, and everything is set.',
  },
  resend: { ja: 'お手紙をもう一度送る', en: 'Send the letter again' },
  resent: { ja: '送りました。', en: 'Sent.' },
  later: { ja: 'あとで', en: 'Later' },
  firstKey: { ja: '最初のAPIキーを見る', en: 'See your first API key' },
  deletion: {
    ja: (date: string) => `このアカウントは${date}に消えます`,
    en: (date: string) => `This account will be deleted on ${date}`,
  },
  deletionText: {
    ja: 'それまでは、いつでも取り消せます。取り消すと、すべて元のままです。',
    en: 'Until then you can call it off at any time, and everything stays as it was.',
  },
  undo: { ja: '消すのをやめる', en: 'Keep my account' },
  grace: { ja: 'お支払いができませんでした', en: 'Your payment did not go through' },
  graceText: {
    ja: (date: string) => `${date}までは、いまのまま使えます。それまでにカードを更新してください。`,
    en: (date: string) => `You keep the plan until ${date}. Please update your card by then.`,
  },
  onHold: { ja: 'お支払いが確認できず、プランを止めています', en: 'Your plan is on hold for lack of a payment' },
  onHoldText: {
    ja: 'いまは無料の範囲で使えます。カードを更新すると、元のプランに戻ります。',
    en: 'You are on the free allowance. Updating the card brings your plan back.',
  },
  updateCard: { ja: 'カードを更新する', en: 'Update the card' },
})

export const tenantWords = define({
  actingFor: { ja: (name: string) => `いまの立場: ${name}`, en: (name: string) => `Acting for ${name}` },
  menu: { ja: '立場と帳場', en: 'Acting for, and account' },
  switchTo: { ja: '立場を切り替える', en: 'Act for' },
  myself: { ja: 'わたし個人', en: 'Myself' },
  create: { ja: '家族・学校・チームをつくる', en: 'Create a family, school or team' },
  createLead: {
    ja: 'いっしょに使う場所をつくります。つくった人が、最初の持ち主か保護者になります。',
    en: 'A place to use together. Whoever creates it becomes its first owner or guardian.',
  },
  kind: { ja: 'どんな集まりですか', en: 'What kind of group is it?' },
  familyText: {
    ja: '保護者は二人まで。お子さまは、自分のメールなしで入れます。',
    en: 'Up to two guardians. Children come in without an address of their own.',
  },
  schoolText: {
    ja: '教室の仕事を、スタッフと分け合えます。',
    en: 'Share the work of a school with your staff.',
  },
  teamText: {
    ja: '鍵と使った記録を、仲間と分け合えます。',
    en: 'Share keys and the record of usage with colleagues.',
  },
  name: { ja: '名前', en: 'Name' },
  nameHint: { ja: '80文字まで。あとで変えられます。', en: 'Up to 80 characters. You can change it later.' },
  longName: { ja: '80文字までにしてください。', en: 'Use at most 80 characters.' },
  createDo: { ja: 'つくる', en: 'Create' },
  signOut: { ja: 'サインアウト', en: 'Sign out' },
})

export const memberWords = define({
  title: { ja: 'メンバー', en: 'Members' },
  lead: {
    ja: (name: string) => `「${name}」を、いっしょに使っている人です。`,
    en: (name: string) => `The people who share “${name}”.`,
  },
  you: { ja: 'あなた', en: 'you' },
  role: { ja: '役割', en: 'Role' },
  roleOf: { ja: (name: string) => `${name}の役割`, en: (name: string) => `Role of ${name}` },
  joined: { ja: (date: string) => `${date}から`, en: (date: string) => `since ${date}` },
  remove: { ja: '外す', en: 'Remove' },
  removeTitle: { ja: (name: string) => `${name}を外しますか`, en: (name: string) => `Remove ${name}?` },
  removeText: {
    ja: 'すぐに入れなくなります。もう一度招けば、戻ってこられます。',
    en: 'Access ends at once. A new invitation brings them back.',
  },
  leave: { ja: 'ここを離れる', en: 'Leave' },
  leaveTitle: { ja: (name: string) => `「${name}」を離れますか`, en: (name: string) => `Leave “${name}”?` },
  leaveText: {
    ja: '戻るには、もう一度招いてもらう必要があります。',
    en: 'To come back, you need a new invitation.',
  },
  inviteTitle: { ja: '招く', en: 'Invite someone' },
  inviteText: {
    ja: 'お手紙で招待状を送ります。招待は7日間有効です。',
    en: 'We mail an invitation; it is good for 7 days.',
  },
  email: { ja: '招く人のメールアドレス', en: 'Their email address' },
  inviteDo: { ja: '招待状を送る', en: 'Send the invitation' },
  invited: {
    ja: (email: string) => `${email} に招待状を送りました。`,
    en: (email: string) => `The invitation to ${email} is on its way.`,
  },
  pending: { ja: '返事を待っている招待', en: 'Open invitations' },
  noPending: { ja: 'いま待っている招待はありません。', en: 'No invitation is open.' },
  until: { ja: (date: string) => `${date}まで有効`, en: (date: string) => `good until ${date}` },
  withdraw: { ja: '取り下げる', en: 'Withdraw' },
  withdrawOf: {
    ja: (email: string) => `${email}への招待を取り下げる`,
    en: (email: string) => `Withdraw the invitation to ${email}`,
  },
  rename: { ja: 'この集まりの名前', en: 'Name of this group' },
})

export const familyWords = define({
  title: { ja: '家族', en: 'Family' },
  lead: {
    ja: (name: string) => `「${name}」の保護者とお子さまです。`,
    en: (name: string) => `Guardians and children of “${name}”.`,
  },
  code: { ja: '家族のコード', en: 'Family code' },
  codeText: {
    ja: 'お子さまは、このコードと名前と6桁の数字で入ります。',
    en: 'Children come in with this code, their name and six digits.',
  },
  childDoor: { ja: 'お子さまの入り口を開く', en: 'Open the children’s door' },
  guardians: { ja: '保護者', en: 'Guardians' },
  guardiansText: { ja: '保護者は二人までです。', en: 'A family has up to two guardians.' },
  inviteGuardian: { ja: 'もう一人の保護者を招く', en: 'Invite a second guardian' },
  children: { ja: 'お子さま', en: 'Children' },
  noChildren: { ja: 'まだお子さまはいません', en: 'No children yet' },
  noChildrenText: {
    ja: 'お子さまを加えると、自分の名前と数字で入れるようになります。',
    en: 'Add a child, and they can come in with their name and a number.',
  },
  add: { ja: 'お子さまを加える', en: 'Add a child' },
  signInName: { ja: '入るときの名前', en: 'Name for coming in' },
  signInNameHint: {
    ja: '家族の中でほかと重ならない名前。ひらがなでもかまいません。',
    en: 'Unlike any other in the family. Short is good.',
  },
  longName: { ja: '30文字までにしてください。', en: 'Use at most 30 characters.' },
  displayName: { ja: '呼び名', en: 'Name to call them by' },
  birthYear: { ja: '生まれた年（なくてもかまいません）', en: 'Year of birth (optional)' },
  birthYearHint: {
    ja: '年に合った見せ方をするためだけに使います。',
    en: 'Used only to show things fit for their age.',
  },
  badYear: { ja: '西暦4桁で入れてください。', en: 'Enter a year with four digits.' },
  pin: { ja: '入るときの数字（6桁）', en: 'Number for coming in (6 digits)' },
  pinHint: {
    ja: '誕生日や、同じ数字の並びは避けてください。',
    en: 'Avoid birthdays and repeated digits.',
  },
  consent: {
    ja: 'わたしはこの子の保護者で、この子の名前と生まれた年、使った記録をこの家が預かることに同意します。いつでもこのページで消せます。',
    en: 'I am this child’s guardian, and I agree that this house keeps the child’s name, year of birth and record of use. I can delete them on this page at any time.',
  },
  needConsent: { ja: '加えるには、保護者の同意が必要です。', en: 'A guardian’s consent is needed.' },
  addDo: { ja: '加える', en: 'Add' },
  nameIs: { ja: (name: string) => `入るときの名前: ${name}`, en: (name: string) => `comes in as ${name}` },
  born: { ja: (year: string) => `${year}年生まれ`, en: (year: string) => `born ${year}` },
  consentedAt: { ja: (date: string) => `同意: ${date}`, en: (date: string) => `consent: ${date}` },
  enter: { ja: 'この端末で使わせる', en: 'Let in on this device' },
  enterTitle: {
    ja: (name: string) => `${name}さんに代わりますか`,
    en: (name: string) => `Hand this device to ${name}?`,
  },
  enterText: {
    ja: 'この端末はお子さまのものになり、あなたはサインアウトします。戻るときは、もう一度サインインしてください。',
    en: 'This device becomes the child’s, and you are signed out. Sign in again to take it back.',
  },
  enterDo: { ja: '代わる', en: 'Hand over' },
  edit: { ja: '直す', en: 'Edit' },
  editTitle: { ja: (name: string) => `${name}さんを直す`, en: (name: string) => `Edit ${name}` },
  newPin: { ja: '新しい数字（変えるときだけ、6桁）', en: 'New number (only to change it, 6 digits)' },
  remove: { ja: '消す', en: 'Delete' },
  removeTitle: { ja: (name: string) => `${name}さんを消しますか`, en: (name: string) => `Delete ${name}?` },
  removeText: {
    ja: '入れなくなり、預かっている記録も消えます。これは取り消せません。',
    en: 'They can no longer come in, and what we keep about them is deleted. This cannot be undone.',
  },
  removeDo: { ja: '消す', en: 'Delete' },
  forGuardians: { ja: 'ここは保護者の方のページです。', en: 'This page is for guardians.' },
})

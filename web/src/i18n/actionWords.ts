import type { Locale } from '../api/types'
import { define, wordsOf } from './text'

// What the audit log writes down, by the names that the server gives it. A test finds all of them in its source.
export const actionWords = define({
  'account.delete': { ja: 'アカウントを消した', en: 'Deleted the account' },
  'account.delete_asked': { ja: 'アカウントを消すように頼んだ', en: 'Asked to delete the account' },
  'account.kept': { ja: 'アカウントを消すのをやめた', en: 'Kept the account after all' },
  'billing.auto_topup.off': { ja: '自動の買い足しを止めた', en: 'Turned automatic top-ups off' },
  'billing.auto_topup.on': { ja: '自動の買い足しをはじめた', en: 'Turned automatic top-ups on' },
  'billing.auto_topup.order': { ja: '自動で買い足した', en: 'Bought a top-up automatically' },
  'billing.auto_topup.stopped': { ja: '自動の買い足しが止まった', en: 'Automatic top-ups were stopped' },
  'billing.cancel': { ja: 'プランの解約を頼んだ', en: 'Asked to end the plan' },
  'billing.change': { ja: 'プランを変えた', en: 'Changed the plan' },
  'billing.checkout': { ja: 'お支払いのページへ進んだ', en: 'Went to the payment page' },
  'billing.order': { ja: '申し込みの内容を用意した', en: 'Prepared an order' },
  'billing.resume': { ja: 'プランの解約をとりやめた', en: 'Kept the plan after all' },
  'budget.change': { ja: '利用の上限を変えた', en: 'Changed a spending limit' },
  'cap.change': { ja: 'お店が利用の上限を変えた', en: 'The house changed a cap' },
  'child.add': { ja: 'お子さまを加えた', en: 'Added a child' },
  'child.change': { ja: 'お子さまの設定を変えた', en: 'Changed a child’s settings' },
  'child.enter': { ja: 'お子さまの画面に入った', en: 'Entered a child’s view' },
  'child.remove': { ja: 'お子さまを外した', en: 'Removed a child' },
  'client.create': { ja: '連携するアプリを登録した', en: 'Registered an app' },
  'client.disable': { ja: '連携するアプリを止めた', en: 'Disabled an app' },
  'code.reuse': {
    ja: '使用済みの許可コードがまた使われ、連携を切った',
    en: 'A used authorization code came again; its access was ended',
  },
  'email.change': { ja: 'メールアドレスを変えた', en: 'Changed the email address' },
  'email.prove': { ja: 'メールアドレスを確かめた', en: 'Confirmed the email address' },
  'factor.add': { ja: 'サインインの手段を加えた', en: 'Added a way to sign in' },
  'factor.clone': { ja: 'パスキーに写しの疑いがあった', en: 'A passkey may have been copied' },
  'factor.codes': { ja: '回復コードをつくり直した', en: 'Made new recovery codes' },
  'factor.recover': { ja: '回復コードでサインインした', en: 'Signed in with a recovery code' },
  'factor.remove': { ja: 'サインインの手段を外した', en: 'Removed a way to sign in' },
  'grant.give': { ja: '利用できる分が贈られた', en: 'Was given an allowance' },
  'grant.revoke': { ja: '贈られた分が取り消された', en: 'A given allowance was taken back' },
  'guest.delete': { ja: '使われなくなったゲストを消した', en: 'Deleted an idle guest' },
  'hook.change': { ja: 'Webhookを変えた', en: 'Changed a webhook' },
  'hook.create': { ja: 'Webhookを加えた', en: 'Added a webhook' },
  'hook.delete': { ja: 'Webhookを消した', en: 'Deleted a webhook' },
  'hook.secret': { ja: 'Webhookの署名の鍵を入れ替えた', en: 'Rolled a webhook’s secret' },
  'invitation.accept': { ja: '招待を受けた', en: 'Accepted an invitation' },
  'invitation.send': { ja: '招待を送った', en: 'Sent an invitation' },
  'invitation.withdraw': { ja: '招待を取り下げた', en: 'Withdrew an invitation' },
  'issuer_key.rotate': { ja: '発行者の署名の鍵を入れ替えた', en: 'Rotated the issuer’s signing key' },
  'job.cancel': { ja: '裏の仕事を取りやめた', en: 'Cancelled a job' },
  'job.retry': { ja: '裏の仕事をやり直した', en: 'Retried a job' },
  'key.change': { ja: 'APIキーの設定を変えた', en: 'Changed an API key' },
  'key.create': { ja: 'APIキーをつくった', en: 'Made an API key' },
  'key.leak': { ja: '漏れたAPIキーを無効にした', en: 'Revoked an API key that had leaked' },
  'key.revoke': { ja: 'APIキーを無効にした', en: 'Revoked an API key' },
  'key.rotate': { ja: 'APIキーを入れ替えた', en: 'Rotated an API key' },
  'member.remove': { ja: 'メンバーを外した', en: 'Removed a member' },
  'member.role': { ja: 'メンバーの役割を変えた', en: 'Changed a member’s role' },
  'member_budget.change': { ja: 'メンバーの利用の上限を変えた', en: 'Changed a member’s limit' },
  'models.apply': { ja: 'モデルの構成を入れ替えた', en: 'Put a models file in force' },
  'models.evaluate': { ja: 'モデルを評価した', en: 'Evaluated a model' },
  'password.change': { ja: 'パスワードを変えた', en: 'Changed the password' },
  'password.remove': { ja: 'パスワードをなくした', en: 'Removed the password' },
  'password.reset': { ja: 'パスワードを設定し直した', en: 'Reset the password' },
  'payment.give_back': { ja: '返金か異議申し立てを記録した', en: 'Recorded a refund or dispute' },
  'payment.record': { ja: 'お支払いを記録した', en: 'Recorded a payment' },
  'persona.publish': { ja: 'みさきの人物像を公開した', en: 'Published Misaki’s persona' },
  'phrases.publish': { ja: '定型のお返事を公開した', en: 'Published the instant replies' },
  'plan.assign': { ja: 'お店がプランを割り当てた', en: 'The house assigned a plan' },
  'plan.migrate': { ja: 'プランが新しい版に移った', en: 'The plan moved to a newer version' },
  'points.redeem': { ja: 'ポイントを引き換えた', en: 'Redeemed points' },
  'provider.add': { ja: 'モデルの提供元を加えた', en: 'Added a model provider' },
  'provider.change': { ja: 'モデルの提供元を変えた', en: 'Changed a model provider' },
  'provider.remove': { ja: 'モデルの提供元を外した', en: 'Removed a model provider' },
  'provider.rotate': { ja: 'モデルの提供元の鍵を入れ替えた', en: 'Rotated a model provider’s key' },
  'referral.accept': { ja: 'ご紹介を受けた', en: 'Accepted a referral' },
  'referral.invite': { ja: 'ご紹介のリンクをつくった', en: 'Made a referral link' },
  'retention.change': { ja: 'テキストを残す長さを変えた', en: 'Changed how long texts are kept' },
  'session.end': { ja: 'サインアウトした', en: 'Signed out' },
  'session.revoke': { ja: 'ほかの端末をサインアウトさせた', en: 'Signed another device out' },
  'session.revoke_others': { ja: 'ほかの端末をすべてサインアウトさせた', en: 'Signed all other devices out' },
  'session.start': { ja: 'サインインした', en: 'Signed in' },
  'session.step_up': { ja: 'ご本人の確認をした', en: 'Proved it is really them' },
  'session.switch': { ja: '立場を切り替えた', en: 'Switched to another group' },
  'subject.link': { ja: '外部のアカウントをつないだ', en: 'Linked an outside account' },
  'subscription.change': { ja: '契約が変わった', en: 'The subscription changed' },
  'tenant.change': { ja: 'グループの設定を変えた', en: 'Changed the group’s settings' },
  'tenant.create': { ja: 'グループをつくった', en: 'Created a group' },
  'token.reuse': {
    ja: '使用済みのトークンがまた使われ、連携を切った',
    en: 'A used refresh token came again; its access was ended',
  },
  'token.revoke': { ja: 'アプリの許可を取り消した', en: 'Revoked an app’s access' },
  'token.start': { ja: 'アプリに許可を出した', en: 'Gave an app access' },
  'user.add': { ja: 'お店がアカウントをつくった', en: 'The house created an account' },
  'user.change': { ja: 'プロフィールを変えた', en: 'Changed the profile' },
  'user.import': { ja: 'お店がアカウントを取り込んだ', en: 'The house imported an account' },
  'user.register': { ja: 'アカウントをつくった', en: 'Created an account' },
})

// Who does things beside people and their keys.
export const actorWords = define({
  you: { ja: 'あなた', en: 'you' },
  operator: { ja: 'お店の人', en: 'the operator' },
  house: { ja: 'お店', en: 'the house' },
  stripe: { ja: '決済サービス', en: 'the payment service' },
  auto_topup: { ja: '自動の買い足し', en: 'automatic top-ups' },
  finder: { ja: '鍵を見つけた人', en: 'whoever found the key' },
  guest: { ja: 'ゲスト', en: 'a guest' },
  key: { ja: 'APIキー', en: 'an API key' },
  member: { ja: 'ほかの方', en: 'someone else' },
})

// An action that this page has no word for keeps the name that the server gives it.
export function actionName(action: string, locale: Locale): string {
  return (wordsOf(actionWords, locale) as Record<string, string>)[action] ?? action
}

export function actorName(actor: string, me: string | undefined, locale: Locale): string {
  const words = wordsOf(actorWords, locale)
  if (actor === me) return words.you
  const kind = /^(usr|key|guest)[_:]/.exec(actor)?.[1]
  if (kind === 'usr') return words.member
  if (kind === 'key') return words.key
  if (kind === 'guest') return words.guest
  return (words as Record<string, string>)[actor] ?? actor
}

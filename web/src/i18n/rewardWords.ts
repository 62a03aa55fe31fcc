import type { Locale } from '../api/types'
import { define, wordsOf } from './text'

export const POINT_UNIT = 'house.point'

export const rewardWords = define({
  title: { ja: 'ポイントとご紹介', en: 'Points and invitations' },
  lead: {
    ja: 'お支払いや口コミでポイントがたまり、チケットなどに交換できます。お友だちを招待すると、お礼をお届けします。',
    en: 'Payments and reviews earn points, which become tickets and more. Invite a friend, and we say thank you.',
  },
  points: { ja: 'ポイント', en: 'Points' },
  balance: { ja: 'いまのポイント', en: 'Your points' },
  why: { ja: '入出と期限を見る', en: 'See what moved them, and until when they last' },
  exchange: { ja: '交換する', en: 'Exchange' },
  exchangeFor: {
    ja: (points: string, what: string) => `${points}ポイントを「${what}」に交換する`,
    en: (points: string, what: string) => `Exchange ${points} points for “${what}”`,
  },
  takes: { ja: (points: string) => `${points}ポイント`, en: (points: string) => `${points} points` },
  good: { ja: (days: string) => `交換から${days}日間使えます`, en: (days: string) => `Good for ${days} days` },
  short: { ja: (points: string) => `あと${points}ポイント`, en: (points: string) => `${points} points to go` },
  exchanged: { ja: '交換しました。すぐに使えます。', en: 'Exchanged. It can be used at once.' },
  noExchange: { ja: 'いま交換できるものはありません。', en: 'There is nothing to exchange for right now.' },
  earn: { ja: 'ポイントのため方', en: 'How to earn points' },
  invoice: {
    ja: (points: string, yen: string) => `お支払い${yen}ごとに${points}ポイント`,
    en: (points: string, yen: string) => `${points} point(s) for each ${yen} that you pay`,
  },
  paid: {
    ja: (points: string) => `お支払いごとに${points}ポイント`,
    en: (points: string) => `${points} for each payment`,
  },
  review: {
    ja: (points: string) => `口コミの投稿で${points}ポイント`,
    en: (points: string) => `${points} points for a review`,
  },
  lasts: { ja: (days: string) => `${days}日間有効`, en: (days: string) => `good for ${days} days` },
  invite: { ja: 'お友だち紹介', en: 'Invite a friend' },
  atSignUp: { ja: 'お友だちが招待を受けると成立します。', en: 'It counts when your friend accepts.' },
  atInvoice: {
    ja: 'お友だちが招待を受け、はじめてのお支払いをすると成立します。',
    en: 'It counts when your friend accepts, and pays for the first time.',
  },
  forUs: { ja: (what: string) => `あなたに${what}`, en: (what: string) => `${what} for you` },
  forThem: { ja: (what: string) => `お友だちに${what}`, en: (what: string) => `${what} for your friend` },
  makeCode: { ja: '招待コードをつくる', en: 'Make an invitation code' },
  code: { ja: '招待コード', en: 'Invitation code' },
  link: { ja: '招待リンク', en: 'Invitation link' },
  copy: { ja: 'コピー', en: 'Copy' },
  copied: { ja: 'コピーしました', en: 'Copied' },
  used: {
    ja: (used: string, most: string) => `${most}回のうち${used}回使われました`,
    en: (used: string, most: string) => `Used ${used} of ${most} times`,
  },
  back: {
    ja: 'お支払いが返金されたときは、お礼も取り消されます。ご自身やご家族、同じ端末やカードでの招待は対象外です。',
    en: 'When the payment is given back, so is the thank-you. You, your family, your device and your card do not count.',
  },
  have: { ja: '招待コードをお持ちの方', en: 'Have an invitation code?' },
  enter: { ja: '招待コード（8文字）', en: 'Invitation code (8 letters)' },
  accept: { ja: '招待を受ける', en: 'Accept the invitation' },
  wrong: { ja: '8文字のコードを入れてください', en: 'A code has 8 letters' },
  accepted: { ja: '招待をお受けしました', en: 'The invitation is accepted' },
  history: { ja: 'これまでの紹介', en: 'Invitations so far' },
  invited: { ja: '招待しました', en: 'You invited' },
  wasInvited: { ja: '招待を受けました', en: 'You were invited' },
  pending: { ja: 'お支払い待ち', en: 'Waiting for a payment' },
  rewarded: { ja: '成立', en: 'Came true' },
  refused: { ja: '対象外', en: 'Does not count' },
  none: { ja: 'いま行っている紹介はありません。', en: 'There is no programme right now.' },
  lot_invoice: { ja: 'お支払いのポイント', en: 'Points for a payment' },
  lot_review: { ja: '口コミのポイント', en: 'Points for a review' },
  lot_exchange: { ja: 'ポイントとの交換', en: 'In exchange for points' },
  lot_referrer: { ja: 'ご紹介のお礼', en: 'For an invitation' },
  lot_rolled: { ja: '前の期間からの繰り越し', en: 'Rolled over from the period before' },
  lot_operator: { ja: 'お店からの贈り物', en: 'Given by the house' },
  lot_invited: { ja: '招待のお礼', en: 'For being invited' },
})

// What came in without being bought names what it was for; what this page does not know keeps its own name.
export function rewardTitle(reason: string, locale: Locale): string {
  const words = wordsOf(rewardWords, locale)
  const [kind, what] = reason.split('/')
  if (kind === 'roll-over') return words.lot_rolled
  if (kind === 'operator') return words.lot_operator
  if (kind === 'referral') return what === 'referrer' ? words.lot_referrer : words.lot_invited
  if (kind !== 'points') return reason
  if (what === 'invoice') return words.lot_invoice
  return what === 'review' ? words.lot_review : words.lot_exchange
}

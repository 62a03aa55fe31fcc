import type { Locale } from '../api/types'
import { define, wordsOf } from './text'

// Why a run gave no answer, by the reason that its end tells, and what to do about it.
export const whyWords = define({
  upstream_failed: {
    ja: 'モデルが答えを返せませんでした。もう一度たのんでみてください。',
    en: 'The model could not answer. Ask once more.',
  },
  upstream_stalled: {
    ja: 'モデルが途中で黙ってしまいました。もう一度たのんでみてください。',
    en: 'The model fell silent half way. Ask once more.',
  },
  upstream_garbled: {
    ja: 'モデルの返事が壊れていました。もう一度たのんでみてください。',
    en: 'The model sent something unreadable. Ask once more.',
  },
  upstream_busy: {
    ja: 'モデルがいま混み合っています。少し待って、もう一度たのんでみてください。',
    en: 'The model is busy right now. Wait a moment, then ask once more.',
  },
  line_full: {
    ja: 'いま順番を待つ人がたくさんいます。少し待って、もう一度たのんでみてください。',
    en: 'Many are waiting for their turn. Wait a moment, then ask once more.',
  },
  upstream_unavailable: {
    ja: 'モデルにいまつながりません。しばらくしてから、もう一度たのんでみてください。',
    en: 'The model cannot be reached right now. Ask again in a while.',
  },
  upstream_refused: {
    ja: 'モデルがこのお話を受け付けませんでした。短くするか、言い方を変えてみてください。',
    en: 'The model did not take this. Make it shorter or put it another way.',
  },
  context_length_exceeded: {
    ja: 'お話が長くなりすぎて、モデルが読みきれません。新しい会話を始めるか、短くしてみてください。',
    en: 'This has grown longer than the model can read. Start a new conversation, or make it shorter.',
  },
  upstream_denied: {
    ja: 'モデルに入れてもらえませんでした。お店の設定のせいです。お店の人に知らせてください。',
    en: 'The model did not let us in. That is for the operator to mend; please tell them.',
  },
  node_lost: {
    ja: 'お店の機械が一台止まりました。もう一度たのめば、ほかの機械が答えます。',
    en: 'One of our machines stopped. Ask once more and another will answer.',
  },
  deadline: {
    ja: '時間がかかりすぎたので、いったん切りました。短くたのむと通りやすくなります。',
    en: 'It took too long and was ended. A shorter question helps.',
  },
  other: { ja: '少し待って、もう一度たのんでみてください。', en: 'Wait a moment, then ask once more.' },
})

export function whyFailed(reason: string | null, locale: Locale): string {
  const words = wordsOf(whyWords, locale)
  return (words as Record<string, string>)[reason ?? ''] ?? words.other
}

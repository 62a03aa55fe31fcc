import { define } from './text'

export const docsWords = define({
  title: { ja: 'APIリファレンス', en: 'API reference' },
  lead: {
    ja: '推論APIの要点です。サンプルはそのまま動きます。全体は OpenAPI の文書にあります。',
    en: 'The inference API in short. The samples run as they are. The OpenAPI document has everything.',
  },
  openapi: { ja: 'OpenAPI の文書', en: 'OpenAPI document' },
  toc: { ja: 'このページの内容', en: 'On this page' },
  auth: { ja: '認証', en: 'Authentication' },
  authText: {
    ja: 'APIキーを Authorization: Bearer か X-API-Key で送ります。鍵はサーバーの中だけで使い、ブラウザやアプリに埋め込まないでください。',
    en: 'Send the API key as Authorization: Bearer or X-API-Key. Use it on servers only; never ship it in a browser or an app.',
  },
  base: { ja: '接続先', en: 'Base URL' },
  send: { ja: 'リクエストを送る', en: 'Send a request' },
  sendText: {
    ja: '受け付けると 202 と ID が返ります。Prefer: wait=n（60まで）を付けると、その秒数のうちに終われば 200 と結果が返ります。',
    en: 'An accepted request answers 202 with an id. With Prefer: wait=n (up to 60) it answers 200 with the result if it ends in time.',
  },
  field: { ja: '項目', en: 'Field' },
  meaning: { ja: '意味', en: 'Meaning' },
  fModel: {
    ja: 'モデルの公開名。省くとプランの標準。',
    en: 'Public name of a model; the plan’s own choice when absent.',
  },
  fMessages: {
    ja: '会話。role は system、user、assistant。',
    en: 'The conversation; role is system, user or assistant.',
  },
  fPrompt: { ja: 'messages の代わりに送れる、ひとつの入力。', en: 'A single input instead of messages.' },
  fMax: { ja: '出力の上限。', en: 'The most that is produced.' },
  fSampling: { ja: '出力の散らばり。', en: 'How varied the output is.' },
  fFormat: { ja: 'JSON での出力。OpenAI と同じ書き方。', en: 'JSON output, written as for OpenAI.' },
  fDeadline: { ja: '何秒で打ち切るか。', en: 'After how many seconds to give up.' },
  fCost: {
    ja: '費用の上限（10億分の1ドル）。超えるなら断ります。',
    en: 'Cost cap in billionths of a dollar; refused if it could cost more.',
  },
  fStore: { ja: 'false なら本文を保存しません。', en: 'false keeps no text.' },
  fWebhook: {
    ja: 'このリクエストの終わりだけを、署名をつけて知らせる https のURL。run.completed と run.failed から選べます。',
    en: 'An https URL that is told the end of this request alone, signed; of run.completed and run.failed what you choose.',
  },
  fTags: { ja: '統計を分けるための札。10個まで。', en: 'Labels that split the statistics; up to 10.' },
  result: { ja: '状態と結果を読む', en: 'Read state and result' },
  resultText: {
    ja: '終わるまで result は 202、終われば 200、本文が消えたあとは 410 を返します。',
    en: 'The result answers 202 until it has ended, then 200, and 410 once the text is gone.',
  },
  stream: { ja: 'ストリームで読む', en: 'Stream it' },
  streamText: {
    ja: '番号の付いたイベント（started、delta、ended）が届きます。切れたら Last-Event-ID か starting_after で続きから読めます。',
    en: 'Numbered events arrive: started, delta, ended. After a cut, take up with Last-Event-ID or starting_after.',
  },
  cancel: { ja: '取り消す', en: 'Cancel' },
  cancelText: {
    ja: '待機中なら費用はかかりません。処理中なら、そこまでの分だけです。何度呼んでも結果は同じです。',
    en: 'Free while queued; while processing you pay for what was produced. Calling it again changes nothing.',
  },
  quote: { ja: '見積もる', en: 'Quote' },
  quoteText: {
    ja: '同じ本文を送ると、token 数と費用の上限が返ります。枠は使いません。',
    en: 'The same body returns the tokens and the most it can cost. It uses up nothing.',
  },
  twice: { ja: '二重送信を防ぐ', en: 'Safe retries' },
  twiceText: {
    ja: 'Idempotency-Key を付けると、24時間のあいだ、何度送ってもリクエストはひとつです。',
    en: 'With an Idempotency-Key a request stays one request for 24 hours, however often it is sent.',
  },
  sdk: { ja: 'OpenAI と Anthropic の SDK', en: 'OpenAI and Anthropic SDKs' },
  sdkText: {
    ja: 'base URL を変えるだけで、いまのコードが動きます。記録も費用も同じように残ります。',
    en: 'Change the base URL and your code runs. Records and cost are kept in the same way.',
  },
  errors: { ja: 'エラー', en: 'Errors' },
  errorsText: {
    ja: 'エラーは application/problem+json です。code は変わらず、text に日本語と英語の説明、request_id に問い合わせ番号があります。',
    en: 'Errors are application/problem+json: a stable code, the text in Japanese and English, and a request_id for support.',
  },
  e401: { ja: '鍵がないか、止められています。', en: 'No key, or it was revoked.' },
  e402: {
    ja: '枠を使い切ったか、プランにないモデルです。suggestion が、足りるプランを示します。',
    en: 'The quota is used up, or the plan lacks the model. suggestion names the plan that allows it.',
  },
  e403: { ja: 'この鍵では許されていません。', en: 'This key may not do that.' },
  e409: { ja: 'いまの状態ではできません。', en: 'Not possible in this state.' },
  e410: { ja: '本文は消えています。', en: 'The text is gone.' },
  e422: { ja: '入力に誤りがあります。errors が項目を示します。', en: 'The input is wrong; errors names the fields.' },
  e429: { ja: '速すぎます。Retry-After の秒数を待ってください。', en: 'Too fast. Wait the seconds of Retry-After.' },
  e5xx: {
    ja: 'こちら側の不調です。時間をおいて、同じ Idempotency-Key で送ってください。',
    en: 'Our fault. Send again later with the same Idempotency-Key.',
  },
  meaningOf: { ja: 'こんなとき', en: 'When' },
  statusCode: { ja: '状態コード', en: 'Status' },
  limits: { ja: '速さの上限', en: 'Rate limits' },
  limitsText: {
    ja: '応答の RateLimit 欄と GET /rate-limit が、残りと、次に空くまでの秒数を示します。',
    en: 'The RateLimit fields and GET /rate-limit tell what is left and when more comes.',
  },
  hooks: { ja: 'Webhook の署名', en: 'Webhooks' },
  hooksText: {
    ja: '終わりを署名つきで知らせます（Standard Webhooks）。失敗すると送り直します。',
    en: 'The end of a request is told with a signature (Standard Webhooks) and sent again on failure.',
  },
  hooksGo: { ja: '送り先を決める', en: 'Set up a webhook' },
  makeKey: { ja: '鍵をつくる', en: 'Make a key' },
})

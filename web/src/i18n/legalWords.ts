import { define } from './text'

// Templates. They say what this software does; who operates the house completes and answers for them.
export const legalWords = define({
  termsTitle: { ja: '利用規約', en: 'Terms of service' },
  privacyTitle: { ja: 'プライバシーポリシー', en: 'Privacy policy' },
  tokushohoTitle: { ja: '特定商取引法に基づく表記', en: 'Seller information' },
  tokushohoLead: {
    ja: '特定商取引法第11条・第12条の6に基づいて、お申し込みの前に知っていただくことです。',
    en: 'What Japan’s Act on Specified Commercial Transactions asks every shop to tell before you order.',
  },
  s1: { ja: '販売業者', en: 'Seller' },
  s1Text: { ja: '［事業者の名前］', en: '[name of the business]' },
  s2: { ja: '登録番号', en: 'Tax registration number' },
  s2Text: {
    ja: '［適格請求書発行事業者の番号。なければ消す］',
    en: '[number of the qualified invoice issuer, if any]',
  },
  s3: { ja: '所在地', en: 'Address' },
  s3Text: { ja: '［所在地］', en: '[postal address]' },
  s4: { ja: '運営責任者', en: 'Person in charge' },
  s4Text: { ja: '［責任者の名前］', en: '[name]' },
  s5: { ja: '連絡先', en: 'Contact' },
  s5Text: {
    ja: '電話 ［番号、受付時間］、メール ［アドレス］',
    en: 'Telephone [number and hours], email [address]',
  },
  s6: { ja: '販売価格', en: 'Prices' },
  s6Text: {
    ja: '各お店のプランのページに、税込みの月額で示します。',
    en: 'On the page of plans of each shop, per month and with tax.',
  },
  s7: { ja: '商品代金のほかに必要な料金', en: 'What else you pay' },
  s7Text: {
    ja: 'インターネットの通信料はお客さまのご負担です。プランの量を使い切っても、追加の請求はありません。',
    en: 'Your own internet connection. When a plan’s amount is used up, nothing extra is charged.',
  },
  s8: { ja: '支払いの方法と時期', en: 'How and when you pay' },
  s8Text: {
    ja: 'クレジットカード（決済会社のページで入力）。お申し込みのときに最初の月の分を、その後は毎月の更新日に自動でいただきます。次の請求の日と金額は、確認画面と「プラン」のページに示します。',
    en: 'By card, entered on the payment company’s page. The first month is paid when you order, each further month on its renewal day. The confirmation page and your plan’s page show the next date and amount.',
  },
  s9: { ja: '引き渡しの時期', en: 'Delivery' },
  s9Text: { ja: 'お支払いが確かめられると、すぐに使えます。', en: 'At once, as soon as the payment is confirmed.' },
  s10: { ja: '解約と返金', en: 'Cancelling and refunds' },
  s10Text: {
    ja: 'いつでも「プラン」のページから解約でき、支払った期間の終わりまで使えます。途中でやめた月の日割りの返金は［行わない］。サービスに欠陥があったときは、上の連絡先へお知らせください。',
    en: 'Cancel at any time on your plan’s page; you keep what you paid for until the period ends. A month in use is [not] refunded in part. If something is wrong with the service, write to the contact above.',
  },
  s11: { ja: '契約の期間と更新', en: 'Term and renewal' },
  s11Text: {
    ja: '1か月ごとに自動で更新します。更新をやめるときは、更新日の前日までに解約してください。',
    en: 'It renews by itself each month. To stop it, cancel no later than the day before.',
  },
  s12: { ja: '動作環境', en: 'What you need' },
  s12Text: {
    ja: '新しい Chrome、Edge、Safari、Firefox のいずれか。［ほかにあれば］',
    en: 'A current Chrome, Edge, Safari or Firefox. [anything else]',
  },
  navigation: { ja: '規約', en: 'Legal pages' },
  template: { ja: 'これはひな形です', en: 'This is a template' },
  templateText: {
    ja: 'このソフトウェアの実際の動きを書いてあります。［］の中は、公開する前に運営者が埋め、内容を確かめてください。',
    en: 'It describes what this software does. The operator completes what stands in [brackets] and checks the text before opening to the public.',
  },
  t1: { ja: 'サービスと運営者', en: 'Service and operator' },
  t1Text: {
    ja: 'このサービスは［運営者の名前］（以下「運営者」）が提供します。アカウントをつくるか、サービスを使うことで、この規約に同意したことになります。連絡先: ［メールアドレス、所在地］。',
    en: 'The service is provided by [name of the operator] (“the operator”). By creating an account or using the service you accept these terms. Contact: [email and postal address].',
  },
  t2: { ja: 'アカウントと鍵', en: 'Account and keys' },
  t2Text: {
    ja: 'パスワードとAPIキーは、他人に渡さないでください。漏れたと思ったら、すぐに止めるか入れ替えてください。鍵で行われたことは、その鍵の持ち主が行ったものとして扱います。',
    en: 'Keep passwords and API keys to yourself. If one may have leaked, revoke or rotate it at once. What is done with a key counts as done by its holder.',
  },
  t3: { ja: '料金', en: 'Fees' },
  t3Text: {
    ja: '料金と、次の請求日と金額は、申し込みの前の確認画面に示します。プランに含まれる量を使い切ると、利用は断られるだけで、追加の請求はありません。解約はいつでもでき、支払った期間の終わりまで使えます。',
    en: 'Price, next charge and its date are shown on a confirmation page before you order. When a plan’s amount is used up, use is refused; nothing extra is charged. You can cancel at any time and keep what you paid for until the period ends.',
  },
  t4: { ja: 'してはならないこと', en: 'What is not allowed' },
  t4Text: {
    ja: '法に反すること、他人の権利を侵すこと、上限を避けるために多数のアカウントをつくること、他の利用者やサービスの動きを妨げること。モデルの提供元の利用方針も守ってください。',
    en: 'Breaking the law or the rights of others, making many accounts to escape limits, and disturbing other users or the service. The model providers’ usage policies apply as well.',
  },
  t5: { ja: 'モデルの答え', en: 'What models answer' },
  t5Text: {
    ja: '答えは機械がつくったもので、誤りを含むことがあります。医療、法律、お金の判断には、専門家に確かめてください。入力と答えについての権利は、法の許すかぎり利用者にあります。',
    en: 'Answers are made by machines and may be wrong. Ask professionals before medical, legal or money decisions. As far as the law allows, the rights in your input and in the answers are yours.',
  },
  t6: { ja: '止まること、変わること', en: 'Outages and changes' },
  t6Text: {
    ja: 'サービスは手入れや故障で止まることがあります。規約を変えるときは、［30］日前までにメールで知らせます。責任の範囲: ［運営者が定める］。',
    en: 'The service may stop for maintenance or faults. Changes to these terms are announced by email [30] days ahead. Liability: [to be set by the operator].',
  },
  t7: { ja: '準拠法', en: 'Governing law' },
  t7Text: {
    ja: '［日本法］に従い、争いは［裁判所の名前］を第一審の専属的合意管轄裁判所とします。',
    en: 'The law of [Japan] applies; disputes go to [name of the court] in the first instance.',
  },
  p1: { ja: '預かるもの', en: 'What is kept' },
  p1Text: {
    ja: 'メールアドレス、表示名、言語。パスワードと鍵は復元できない形で。サインインした端末と、その時刻とIPアドレス。会話やリクエストの本文。使った量、費用、支払いの記録。カード番号はこのサービスを通らず、決済会社だけが持ちます。',
    en: 'Email address, display name and language; passwords and keys in a form that cannot be turned back; the devices that signed in, with time and IP address; the text of conversations and requests; usage, cost and payments. Card numbers never pass through this service; only the payment company has them.',
  },
  p2: { ja: '何のために', en: 'What for' },
  p2Text: {
    ja: 'サービスを動かすため、料金を計算するため、不正を防ぐため、問い合わせに答えるためです。広告には使わず、売りません。外部の解析ツールは入っていません。',
    en: 'To run the service, to compute fees, to prevent abuse and to answer you. Not for advertising, and never sold. There are no third-party trackers.',
  },
  p3: { ja: 'だれに渡すか', en: 'Who else sees it' },
  p3Text: {
    ja: 'モデルに答えさせるため、入力はモデルの提供元に送られます: ［提供元の一覧と国］。支払いは［決済会社］、メールは［送信会社］が扱います。法に基づく求めがあったときを除き、ほかには渡しません。',
    en: 'For an answer, your input is sent to the provider of the model: [providers and countries]. Payments: [payment company]. Email: [mail company]. Nobody else, except where the law requires it.',
  },
  p4: { ja: 'どれだけ置くか', en: 'How long' },
  p4Text: {
    ja: '会話とリクエストの本文は、いつでもご自分で消せて、消すとすぐになくなります。使った量と費用の記録は、会計のために［年数］年残ります。アカウントは、消すと申し出てから30日で消えます。',
    en: 'You can delete conversations and the text of requests at any time, and it is gone at once. Usage and cost are kept for [number] years for the books. An account goes 30 days after you ask for its deletion.',
  },
  p5: { ja: 'クッキー', en: 'Cookies' },
  p5Text: {
    ja: 'サインインのためのクッキーをひとつだけ使います。言語と画面の明るさ、プレイグラウンドのプリセットは、この端末の中だけにあります。',
    en: 'One cookie, for being signed in. Language, colour scheme and playground presets stay on your device.',
  },
  p6: { ja: 'あなたの権利', en: 'Your rights' },
  p6Text: {
    ja: '預かっているものは、帳場の「データ」からすべて受け取れ、直し、消すことができます。お子さまのデータは保護者のアカウントが持ちます。窓口: ［担当者と連絡先］。',
    en: 'Under “Your data” in the account you can take along everything, correct it and delete it. Children’s data belongs to the guardian’s account. Contact: [person and address].',
  },
  yourData: { ja: '「データ」をひらく', en: 'Open “Your data”' },
  effective: { ja: '施行日: ［年月日］', en: 'In force from: [date]' },
})

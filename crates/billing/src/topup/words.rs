use kernel::Text;

use super::TopUpOrder;
use crate::order::{
    OrderItem, OrderItemKey as Key,
    words::{day, minute, yen},
};

/// The words' version. Whoever changes a word counts on, so that it can be told which words somebody saw.
pub(crate) const WORDING: i32 = 1;

/// The six things that Article 12-6 of the Act on Specified Commercial Transactions wants on the last page before an order.
pub(super) fn items(order: &TopUpOrder) -> Vec<OrderItem> {
    let (total, tax) = (yen(order.total_yen), yen(order.tax_yen));
    let (until_ja, until_en) = day(order.units_expire_at);
    let (offer_ja, offer_en) = minute(order.expires_at);
    let amount = yen(order.topup.amount.into());
    let (title, days) = (&order.topup.title, order.topup.days);
    [
        (
            Key::Quantity,
            Text::new("分量", "Quantity"),
            Text::owned(
                format!("「{}」1つ（{amount}回分）。1回限りのお買い上げで、自動更新はありません。", title.ja),
                format!("“{}”, once ({amount} units). It is bought once and never renewed.", title.en),
            ),
        ),
        (
            Key::Price,
            Text::new("販売価格", "Price"),
            Text::owned(
                format!("{total}円（税込、うち消費税 {tax}円）。"),
                format!("{total} yen, of which {tax} yen are consumption tax."),
            ),
        ),
        (
            Key::Payment,
            Text::new("お支払いの時期と方法", "When and how you pay"),
            Text::owned(
                format!("お申し込みと同時に {total}円。クレジットカードで決済サービス Stripe を通じてお支払いいただきます。"),
                format!("{total} yen at once, by card, through Stripe."),
            ),
        ),
        (
            Key::Delivery,
            Text::new("提供の時期", "When it begins"),
            Text::owned(
                format!("お支払いの確認後、すぐにお使いいただけます。有効期限はお支払いから{days}日間で、今お支払いの場合は{until_ja}までです。"),
                format!("At once, when the payment has come in. The units are good for {days} days from then: until {until_en} if you pay now."),
            ),
        ),
        (
            Key::Period,
            Text::new("お申し込みの期間", "How long this offer holds"),
            Text::owned(
                format!("この内容でのお申し込みは{offer_ja}まで有効です。過ぎたときは、内容を確認し直していただきます。"),
                format!("This offer holds until {offer_en}. After that we show it to you anew."),
            ),
        ),
        (
            Key::Cancellation,
            Text::new("解約・キャンセル", "Ending it"),
            Text::new(
                "1回限りのお買い上げのため、解約の手続きはいりません。デジタルサービスのため、お支払い後の取り消し（クーリング・オフ）や、期限が切れた分の払い戻しはできません。",
                "It is bought once, so there is nothing to end. There is no cooling-off period for a digital service, and what has expired is not paid back.",
            ),
        ),
    ]
    .into_iter()
    .map(|(key, title, text)| OrderItem { key, title, text })
    .collect()
}

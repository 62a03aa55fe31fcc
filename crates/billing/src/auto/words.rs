use kernel::Text;

use super::AutoTopUpOrder;
use crate::order::{
    OrderItem, OrderItemKey as Key,
    words::{minute, yen},
};

/// The words' version. Whoever changes a word counts on, so that it can be told which words somebody saw.
pub(super) const WORDING: i32 = 1;

/// The six things that Article 12-6 of the Act on Specified Commercial Transactions wants on the last page before an order, of
/// one that repeats itself.
pub(super) fn items(order: &AutoTopUpOrder) -> Vec<OrderItem> {
    let (total, tax, most) = (
        yen(order.total_yen),
        yen(order.tax_yen),
        yen(order.monthly_yen),
    );
    let (offer_ja, offer_en) = minute(order.expires_at);
    let (amount, threshold) = (yen(order.topup.amount.into()), yen(order.threshold));
    let (title, days) = (&order.topup.title, order.topup.days);
    [
        (
            Key::Quantity,
            Text::new("分量", "Quantity"),
            Text::owned(
                format!(
                    "残りが{threshold}回分を下回るたびに、「{}」（{amount}回分）を1つずつ自動で買い足します。1か月のお支払いが{most}円を超える買い足しはしません。",
                    title.ja
                ),
                format!(
                    "“{}” ({amount} units), once each time when fewer than {threshold} are left, as long as the month's payments stay within {most} yen.",
                    title.en
                ),
            ),
        ),
        (
            Key::Price,
            Text::new("販売価格", "Price"),
            Text::owned(
                format!("1回につき{total}円（税込、うち消費税 {tax}円）。1か月の合計は最大{most}円です。"),
                format!("{total} yen each time, of which {tax} yen are consumption tax; at most {most} yen a month."),
            ),
        ),
        (
            Key::Payment,
            Text::new("お支払いの時期と方法", "When and how you pay"),
            Text::owned(
                format!("買い足しのたびに{total}円を、保存されているカードで決済サービス Stripe を通じて自動でお支払いいただきます。今のお支払いはありません。"),
                format!("{total} yen each time, charged by itself to your stored card through Stripe. Nothing is paid now."),
            ),
        ),
        (
            Key::Delivery,
            Text::new("提供の時期", "When it begins"),
            Text::owned(
                format!("お支払いの確認後、すぐにお使いいただけます。有効期限は各お支払いから{days}日間です。"),
                format!("At once, when each payment has come in. The units are good for {days} days from then."),
            ),
        ),
        (
            Key::Period,
            Text::new("お申し込みの期間", "How long this offer holds"),
            Text::owned(
                format!("この内容でのお申し込みは{offer_ja}まで有効です。お申し込み後は、停止されるまで続きます。"),
                format!("This offer holds until {offer_en}. Once agreed to, it goes on until it is turned off."),
            ),
        ),
        (
            Key::Cancellation,
            Text::new("解約・キャンセル", "Ending it"),
            Text::new(
                "「プランと使用量」のページでいつでも停止でき、以後の買い足しは行いません。お支払いができなかったときは自動で停止します。買い足した分の取り消し（クーリング・オフ）や、期限が切れた分の払い戻しはできません。",
                "Turn it off under Plan and usage at any time; nothing more is bought then. It ends by itself when a payment fails. There is no cooling-off period for what was bought, and what has expired is not paid back.",
            ),
        ),
    ]
    .into_iter()
    .map(|(key, title, text)| OrderItem { key, title, text })
    .collect()
}

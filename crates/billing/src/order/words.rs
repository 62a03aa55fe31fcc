use chrono::{DateTime, Duration, Utc};
use kernel::Text;

use super::{Kind, Order, OrderItem, OrderItemKey as Key};

/// The words' version. Whoever changes a word counts on, so that it can be told which words somebody saw.
pub(super) const WORDING: i32 = 1;

/// The six things that Article 12-6 of the Act on Specified Commercial Transactions wants on the last page before an order:
/// quantity, price, when and how to pay, when it is delivered, until when the offer holds, and how to get out of it.
pub(super) fn items(order: &Order) -> Vec<OrderItem> {
    [
        (
            Key::Quantity,
            Text::new("分量", "Quantity"),
            quantity(order),
        ),
        (Key::Price, Text::new("販売価格", "Price"), price(order)),
        (
            Key::Payment,
            Text::new("お支払いの時期と方法", "When and how you pay"),
            payment(order),
        ),
        (
            Key::Delivery,
            Text::new("提供の時期", "When it begins"),
            delivery(order),
        ),
        (
            Key::Period,
            Text::new("お申し込みの期間", "How long this offer holds"),
            period(order),
        ),
        (
            Key::Cancellation,
            Text::new("解約・キャンセル", "Ending it"),
            cancellation(),
        ),
    ]
    .into_iter()
    .map(|(key, title, text)| OrderItem { key, title, text })
    .collect()
}

fn quantity(order: &Order) -> Text {
    let title = &order.plan.title;
    Text::owned(
        format!(
            "「{}」1か月分。解約するまで毎月自動で更新されます。",
            title.ja
        ),
        format!(
            "“{}”, one month, renewed each month by itself until you end it.",
            title.en
        ),
    )
}

fn price(order: &Order) -> Text {
    let (total, tax) = (yen(order.total_yen), yen(order.tax_yen));
    let mut ja = format!("月額 {total}円（税込、うち消費税 {tax}円）。");
    let mut en = format!("{total} yen a month, of which {tax} yen are consumption tax.");
    if let Some(proration) = &order.proration {
        let (credit, charge) = (yen(proration.credit_yen), yen(proration.charge_yen));
        let due = yen(order.due_now_yen);
        let more = format!(
            "今の期間の残りは、新しいプラン {charge}円から今のプランの未使用分 {credit}円を差し引き、今回のお支払いは {due}円です。"
        );
        ja.push_str(&more);
        let more = format!(
            " For the rest of the running period {charge} yen less {credit} yen of the plan so far: {due} yen now."
        );
        en.push_str(&more);
    }
    Text::owned(ja, en)
}

fn payment(order: &Order) -> Text {
    let (day_ja, day_en) = day(order.next_charge_at);
    let (due, next) = (yen(order.due_now_yen), yen(order.next_charge_yen));
    if order.due_now_yen > 0 {
        Text::owned(
            format!(
                "お申し込みと同時に {due}円、次回は{day_ja}に {next}円、その後は毎月。クレジットカードで決済サービス Stripe を通じてお支払いいただきます。"
            ),
            format!(
                "{due} yen at once, {next} yen on {day_en}, and then each month; by card, through Stripe."
            ),
        )
    } else {
        Text::owned(
            format!(
                "今回のお支払いはありません。次回は{day_ja}に {next}円、その後は毎月。ご登録のクレジットカードで決済サービス Stripe を通じてお支払いいただきます。"
            ),
            format!(
                "Nothing now, {next} yen on {day_en}, and then each month; by the card on file, through Stripe."
            ),
        )
    }
}

fn delivery(order: &Order) -> Text {
    let (day_ja, day_en) = day(order.next_charge_at);
    match order.kind {
        Kind::New => Text::new(
            "お支払いの確認後、すぐにご利用いただけます。",
            "At once, when the payment has come in.",
        ),
        Kind::Upgrade => Text::owned(
            format!(
                "お支払いの確認後、すぐに切り替わります。毎月お渡しする分（チケットなど）は{day_ja}から新しいプランの数になります。"
            ),
            format!(
                "At once, when the payment has come in. What is handed out each month, such as tickets, follows the new plan from {day_en} on."
            ),
        ),
        Kind::Downgrade => Text::owned(
            format!("{day_ja}から切り替わります。それまでは今のプランをご利用いただけます。"),
            format!("From {day_en} on. Until then the plan so far holds."),
        ),
        Kind::Resume => Text::new(
            "今のプランをそのまま続けてご利用いただけます。",
            "The plan so far goes on without a break.",
        ),
    }
}

fn period(order: &Order) -> Text {
    let (ja, en) = minute(order.expires_at);
    Text::owned(
        format!(
            "この内容でのお申し込みは{ja}まで有効です。過ぎたときは、内容を確認し直していただきます。"
        ),
        format!("This offer holds until {en}. After that we show it to you anew."),
    )
}

fn cancellation() -> Text {
    Text::new(
        "「帳場」の「プランと使用量」からいつでも解約でき、その期間の終わりまでご利用いただけます。期間の途中で解約しても日割りの返金はありません。デジタルサービスのため、お申し込み後の取り消し（クーリング・オフ）はできません。",
        "You can end it at any time under Account, “Plan and usage”; the plan then holds to the end of the period. What is paid is not given back for the days that are left, and there is no cooling-off period for a digital service.",
    )
}

/// 1234567 → 1,234,567
pub(crate) fn yen(amount: i64) -> String {
    let digits = amount.unsigned_abs().to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if amount < 0 { format!("-{out}") } else { out }
}

/// In Japan, which has no summer time.
fn local(at: DateTime<Utc>) -> DateTime<Utc> {
    at + Duration::hours(9)
}

pub(crate) fn day(at: DateTime<Utc>) -> (String, String) {
    let at = local(at);
    (
        at.format("%Y年%-m月%-d日").to_string(),
        at.format("%-d %B %Y").to_string(),
    )
}

pub(crate) fn minute(at: DateTime<Utc>) -> (String, String) {
    let at = local(at);
    (
        at.format("%Y年%-m月%-d日 %H:%M（日本時間）").to_string(),
        at.format("%-d %B %Y, %H:%M (Japan time)").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_days_are_told_as_people_write_them() {
        for (amount, text) in [
            (0, "0"),
            (980, "980"),
            (2980, "2,980"),
            (1_234_567, "1,234,567"),
            (-1000, "-1,000"),
        ] {
            assert_eq!(yen(amount), text);
        }
        let late = "2026-12-31T15:00:00Z".parse().unwrap();
        assert_eq!(
            day(late),
            ("2027年1月1日".to_owned(), "1 January 2027".to_owned())
        );
        assert_eq!(minute(late).0, "2027年1月1日 00:00（日本時間）");
    }
}

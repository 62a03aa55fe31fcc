use chrono::{DateTime, Duration, Utc};
use entitlement::Plan;
use hooks::EventType;
use identity::{AuditAction, RequestMeta, TenantId};
use kernel::{Lang, Text};
use mail::{Letter, Template};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    Billing, Error, Money,
    stripe::Owed,
    subscription::{self, Row},
};

/// What is told to the outside has one place here for each fact: it is written down, and the people concerned get a letter,
/// in the transaction in which it became so. A fact that several events tell of is one fact, by its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) before: Option<&'a Row>,
    pub(crate) now: &'a Row,
    /// The plan that holds now.
    pub(crate) plan: &'a Plan,
    pub(crate) owed: Option<Owed<'a>>,
    pub(crate) grace: Duration,
}

/// What a change of a subscription means for its people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Began,
    Changed,
    Canceled(DateTime<Utc>),
}

/// A subscription was read that is not as it was.
pub(crate) async fn subscription_changed(
    conn: &mut PgConnection,
    room: &Billing,
    change: &Change<'_>,
) -> Result<(), Error> {
    let row = change.now;
    let facts = |row: &Row| {
        json!({ "storefront": row.storefront, "price": row.price, "status": row.status,
            "period_end": row.period_end, "cancel_at": row.cancel_at, "changes_at": row.changes_at })
    };
    let mut action = AuditAction::new("subscription.change", &row.id).after(facts(row));
    if let Some(before) = change.before {
        action = action.before(facts(before));
    }
    let meta = RequestMeta::of_the_house("stripe");
    action
        .record_as(conn, &room.cx, &meta, Some(row.tenant), "stripe")
        .await?;
    let told = json!({ "id": row.id, "storefront": row.storefront, "plan": change.plan.id, "status": row.status,
        "period_end": row.period_end, "cancel_at": row.cancel_at, "changes_at": row.changes_at });
    hooks::emit(
        conn,
        &room.cx,
        row.tenant,
        EventType::SubscriptionChanged,
        &told,
    )
    .await?;
    for news in news_of(change.before, row) {
        let (template, key) = match news {
            News::Began => (
                Template::SubscriptionBegan,
                format!("subscription_began:{}", row.id),
            ),
            News::Changed => (
                Template::PlanChanged,
                format!(
                    "plan_changed:{}:{}:{}",
                    row.id,
                    row.version,
                    row.period_start.map_or(0, |start| start.timestamp())
                ),
            ),
            News::Canceled(at) => (
                Template::SubscriptionCanceled,
                format!("subscription_canceled:{}:{}", row.id, at.timestamp()),
            ),
        };
        let at = match news {
            News::Canceled(at) => at,
            News::Began | News::Changed => row.period_end.unwrap_or(row.created_at),
        };
        let said = Said {
            template,
            key: &key,
            title: &change.plan.terms.title,
            yen: Some(change.plan.terms.price_yen.0),
            at,
        };
        tell(conn, room, row.tenant, &said).await?;
    }
    if row.status == "past_due"
        && let Some(owed) = change.owed
    {
        payment_failed(conn, room, change, owed).await?;
    }
    Ok(())
}

fn news_of(before: Option<&Row>, now: &Row) -> Vec<News> {
    let holds = |row: &Row| matches!(row.status.as_str(), "active" | "trialing" | "past_due");
    let mut news = Vec::new();
    let held_before = before.is_some_and(|before| subscription::is_alive(&before.status));
    if holds(now) && !held_before {
        news.push(News::Began);
    }
    if before.is_some_and(|before| held_before && before.version != now.version) && holds(now) {
        news.push(News::Changed);
    }
    let told = before.is_some_and(|before| before.cancel_at.is_some());
    if let Some(at) = now.cancel_at.filter(|_| !told && holds(now)) {
        news.push(News::Canceled(at));
    }
    // ended without having been told to before, such as by the operator
    if now.status == "canceled" && held_before && !told {
        news.push(News::Canceled(now.ended_at.unwrap_or(now.created_at)));
    }
    news
}

/// An invoice's money did not come.
async fn payment_failed(
    conn: &mut PgConnection,
    room: &Billing,
    change: &Change<'_>,
    owed: Owed<'_>,
) -> Result<(), Error> {
    let row = change.now;
    if is_newly_owed(change.before, row) {
        let told = json!({ "subscription": row.id, "storefront": row.storefront, "invoice": owed.invoice,
            "amount": owed.amount, "plan_holds_until": owed.since + change.grace });
        hooks::emit(conn, &room.cx, row.tenant, EventType::PaymentFailed, &told).await?;
    }
    let said = Said {
        template: Template::PaymentFailed,
        key: &format!("payment_failed:{}", owed.invoice),
        title: &change.plan.terms.title,
        yen: Some(owed.amount),
        at: owed.since + change.grace,
    };
    tell(conn, room, change.now.tenant, &said).await
}

/// Whether nothing was owed before, or something else. What is owed still is read with every change of a subscription.
fn is_newly_owed(before: Option<&Row>, now: &Row) -> bool {
    before.is_none_or(|before| before.status != now.status || before.owed_since != now.owed_since)
}

/// Money came in for an invoice.
pub(crate) async fn payment_succeeded(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    payment: String,
    facts: Value,
) -> Result<(), Error> {
    let told = json!({ "id": payment, "invoice": facts.get("invoice"), "subscription": facts.get("subscription"),
        "amount": facts.get("amount"), "currency": facts.get("currency") });
    hooks::emit(conn, &room.cx, tenant, EventType::PaymentSucceeded, &told).await?;
    let meta = RequestMeta::of_the_house("stripe");
    AuditAction::new("payment.record", payment)
        .after(facts)
        .record_as(conn, &room.cx, &meta, Some(tenant), "stripe")
        .await?;
    Ok(())
}

/// Money of a payment went back.
pub(crate) async fn refunded(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    (payment, total): (String, i64),
    money: &Money,
) -> Result<(), Error> {
    let said = Said {
        template: Template::Refunded,
        key: &format!("refund:{payment}:{total}"),
        title: &Text::new("ご契約", "your subscription"),
        yen: (money.currency.as_str() == "jpy").then_some(money.amount),
        at: room.cx.clock.now(),
    };
    tell(conn, room, tenant, &said).await
}

/// A letter to those who pay for a tenant.
#[derive(Debug)]
struct Said<'a> {
    template: Template,
    key: &'a str,
    title: &'a Text,
    yen: Option<i64>,
    at: DateTime<Utc>,
}

async fn tell(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    said: &Said<'_>,
) -> Result<(), Error> {
    for to in identity::billing_contacts(conn, tenant).await? {
        let amount = match (said.yen, to.lang) {
            (None, Lang::Ja) => "お支払いいただいた額".to_owned(),
            (None, Lang::En) => "what you paid".to_owned(),
            (Some(yen), Lang::Ja) => format!("{yen}円"),
            (Some(yen), Lang::En) => format!("{yen} yen"),
        };
        let page = match said.template {
            Template::PaymentFailed => "account/plan",
            _ => "account",
        };
        let letter = Letter {
            key: &format!("{}:{}", said.key, to.user),
            to: &to.email,
            lang: to.lang,
            template: said.template,
            data: json!({ "name": to.name, "plan": said.title.get(to.lang), "amount": amount,
                "at": said.at.to_rfc3339(), "link": format!("{}/{page}", room.terms.account_url) }),
        };
        mail::post(conn, &room.cx, letter).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use entitlement::PlanVersionId;
    use uuid::Uuid;

    use super::*;

    fn row(status: &str) -> Row {
        Row {
            id: "sub_1".to_owned(),
            tenant: TenantId(Uuid::nil()),
            livemode: false,
            storefront: "misaki".to_owned(),
            version: PlanVersionId(Uuid::nil()),
            next_version: None,
            changes_at: None,
            price: "price_1".to_owned(),
            status: status.to_owned(),
            period_start: None,
            period_end: None,
            cancel_at: None,
            owed_since: None,
            ended_at: None,
            created_at: DateTime::UNIX_EPOCH,
            reading: 1,
        }
    }

    #[test]
    fn people_are_told_once_of_what_concerns_them() {
        let end = DateTime::UNIX_EPOCH + Duration::days(30);
        let ending = Row {
            cancel_at: Some(end),
            ..row("active")
        };
        let other = Row {
            version: PlanVersionId(Uuid::from_u128(1)),
            ..row("active")
        };
        for (before, now, news) in [
            (None, row("incomplete"), vec![]),
            (None, row("active"), vec![News::Began]),
            (Some(row("incomplete")), row("active"), vec![News::Began]),
            (Some(row("active")), row("active"), vec![]),
            (Some(row("active")), row("past_due"), vec![]),
            (Some(row("past_due")), row("active"), vec![]),
            (
                Some(row("active")),
                ending.clone(),
                vec![News::Canceled(end)],
            ),
            (Some(ending.clone()), ending.clone(), vec![]),
            (Some(ending), row("canceled"), vec![]),
            (
                Some(row("active")),
                row("canceled"),
                vec![News::Canceled(DateTime::UNIX_EPOCH)],
            ),
            (Some(row("active")), other, vec![News::Changed]),
        ] {
            assert_eq!(news_of(before.as_ref(), &now), news, "{before:?} {now:?}");
        }
    }
}

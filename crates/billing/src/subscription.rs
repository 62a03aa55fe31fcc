pub(crate) mod store;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use entitlement::{PlanVersionId, Status};
use identity::{Principal, TenantId};
use kernel::Text;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{Billing, Error, Shop, stripe::Subscription};

/// A subscription as it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) tenant: TenantId,
    pub(crate) livemode: bool,
    pub(crate) storefront: String,
    /// The plan that holds.
    pub(crate) version: PlanVersionId,
    /// The plan of the price, when another one holds until the period is over.
    pub(crate) next_version: Option<PlanVersionId>,
    pub(crate) changes_at: Option<DateTime<Utc>>,
    pub(crate) price: String,
    pub(crate) status: String,
    pub(crate) period_start: Option<DateTime<Utc>>,
    pub(crate) period_end: Option<DateTime<Utc>>,
    pub(crate) cancel_at: Option<DateTime<Utc>>,
    pub(crate) owed_since: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) reading: i64,
}

/// A subscription as its tenant sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SubscriptionView {
    pub id: String,
    pub storefront: String,
    pub plan: String,
    pub title: Text,
    /// What it makes of the plan.
    pub status: Status,
    #[schema(required)]
    pub period_end: Option<DateTime<Utc>>,
    /// When it ends, if it was told to.
    #[schema(required)]
    pub cancel_at: Option<DateTime<Utc>>,
    /// The plan that it changes to with its next period.
    #[schema(required)]
    pub changes_to: Option<PlanChange>,
    pub created_at: DateTime<Utc>,
}

/// A plan that holds from some instant on.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PlanChange {
    pub plan: String,
    pub title: Text,
    pub at: DateTime<Utc>,
}

impl Row {
    /// The version of the plan whose price it has.
    pub(crate) fn version_of_price(&self) -> PlanVersionId {
        self.next_version.unwrap_or(self.version)
    }
}

/// What a subscription makes of the plan: how it stands, what people are told, and from when on it holds no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

/// The table of BIL-10. None while the first payment is under way: then nothing was bought yet.
pub(crate) fn judge(row: &Row, grace: Duration) -> Option<Verdict> {
    let verdict = |status, at: Option<DateTime<Utc>>, ends_at| {
        Some(Verdict {
            status,
            expires_at: at,
            ends_at,
        })
    };
    match row.status.as_str() {
        "incomplete" | "incomplete_expired" => None,
        "trialing" | "active" => match row.cancel_at {
            Some(at) => verdict(Status::Canceled, Some(at), Some(at)),
            None => verdict(Status::Active, row.period_end, None),
        },
        "past_due" => {
            // a subscription that owes nothing and yet is past due is between two invoices: it owes its period
            let since = row
                .owed_since
                .or(row.period_start)
                .unwrap_or(row.created_at);
            let end = since + grace;
            let end = row.cancel_at.map_or(end, |at| at.min(end));
            verdict(Status::Grace, Some(end), Some(end))
        }
        "canceled" => verdict(Status::Ended, row.ended_at.or(row.period_end), None),
        // unpaid, paused, and what is not invented yet: nothing is given away
        _ => verdict(Status::OnHold, row.period_end, None),
    }
}

/// Whether a subscription stands in the way of another one.
pub(crate) fn is_alive(status: &str) -> bool {
    !matches!(status, "incomplete" | "incomplete_expired" | "canceled")
}

/// The subscription at the storefront that another one would double.
pub(crate) async fn live(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    livemode: bool,
) -> Result<Option<Row>, Error> {
    let rows = store::of_storefront(conn, tenant, storefront, livemode).await?;
    let alive = rows.into_iter().filter(|row| is_alive(&row.status));
    Ok(alive.max_by_key(|row| {
        let pays = matches!(row.status.as_str(), "active" | "trialing");
        (pays, row.created_at, row.id.clone())
    }))
}

/// What a change of the subscription's price names at Stripe.
pub(crate) async fn item_of(shop: &Shop, id: &str) -> Result<String, Error> {
    let said: Subscription = shop
        .stripe
        .get(&format!("/v1/subscriptions/{id}"), &[])
        .await?;
    let item = said.item().map(str::to_owned);
    item.ok_or_else(|| kernel::Fault::broken("a subscription has no item").into())
}

/// The caller's subscriptions, newest first.
pub(crate) async fn list(room: &Billing, by: Principal) -> Result<Vec<SubscriptionView>, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let mut views = Vec::new();
    for row in store::of_tenant(&mut tx, by.tenant).await? {
        views.extend(view_of(&mut tx, room, row).await?);
    }
    tx.commit().await?;
    Ok(views)
}

/// One of the caller's subscriptions.
pub(crate) async fn view(
    room: &Billing,
    by: Principal,
    id: &str,
) -> Result<SubscriptionView, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let row = store::find(&mut tx, id)
        .await?
        .ok_or(Error::NoSubscription)?;
    let view = view_of(&mut tx, room, row).await?;
    tx.commit().await?;
    view.ok_or(Error::NoSubscription)
}

async fn view_of(
    conn: &mut PgConnection,
    room: &Billing,
    row: Row,
) -> Result<Option<SubscriptionView>, Error> {
    let (Some(verdict), Some(plan)) = (
        judge(&row, room.terms.grace),
        entitlement::plan_version(conn, row.version).await?,
    ) else {
        return Ok(None);
    };
    let changes_to = match (row.next_version, row.changes_at) {
        (Some(version), Some(at)) => {
            let next = entitlement::plan_version(conn, version).await?;
            next.map(|next| PlanChange {
                plan: next.id,
                title: next.terms.title,
                at,
            })
        }
        _ => None,
    };
    Ok(Some(SubscriptionView {
        status: verdict.status.at(room.cx.clock.now(), verdict.ends_at),
        id: row.id,
        storefront: row.storefront,
        plan: plan.id,
        title: plan.terms.title,
        period_end: row.period_end,
        cancel_at: row.cancel_at,
        changes_to,
        created_at: row.created_at,
    }))
}

pub(crate) async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("subscriptions")).await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn day(n: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(n)
    }

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
            period_start: Some(day(30)),
            period_end: Some(day(60)),
            cancel_at: None,
            owed_since: None,
            ended_at: None,
            created_at: day(0),
            reading: 1,
        }
    }

    #[test]
    fn access_follows_a_fixed_table() {
        let grace = Duration::days(7);
        let judged = |row: &Row| judge(row, grace).map(|v| (v.status, v.expires_at, v.ends_at));
        for (status, expected) in [
            ("incomplete", None),
            ("incomplete_expired", None),
            ("trialing", Some((Status::Active, Some(day(60)), None))),
            ("active", Some((Status::Active, Some(day(60)), None))),
            (
                "past_due",
                Some((Status::Grace, Some(day(37)), Some(day(37)))),
            ),
            ("unpaid", Some((Status::OnHold, Some(day(60)), None))),
            ("paused", Some((Status::OnHold, Some(day(60)), None))),
            ("canceled", Some((Status::Ended, Some(day(60)), None))),
            ("something_new", Some((Status::OnHold, Some(day(60)), None))),
        ] {
            assert_eq!(judged(&row(status)), expected, "{status}");
        }
        let canceled = Row {
            cancel_at: Some(day(60)),
            ..row("active")
        };
        assert_eq!(
            judged(&canceled),
            Some((Status::Canceled, Some(day(60)), Some(day(60))))
        );
        let owing = Row {
            owed_since: Some(day(31)),
            ..row("past_due")
        };
        assert_eq!(
            judged(&owing),
            Some((Status::Grace, Some(day(38)), Some(day(38))))
        );
        let both = Row {
            cancel_at: Some(day(33)),
            ..row("past_due")
        };
        assert_eq!(
            judged(&both),
            Some((Status::Grace, Some(day(33)), Some(day(33))))
        );
        let ended = Row {
            ended_at: Some(day(40)),
            ..row("canceled")
        };
        assert_eq!(judged(&ended), Some((Status::Ended, Some(day(40)), None)));
    }

    #[test]
    fn only_what_is_over_or_was_never_paid_lets_another_one_begin() {
        for status in [
            "active",
            "trialing",
            "past_due",
            "unpaid",
            "paused",
            "something_new",
        ] {
            assert!(is_alive(status), "{status}");
        }
        for status in ["incomplete", "incomplete_expired", "canceled"] {
            assert!(!is_alive(status), "{status}");
        }
    }
}

//! Which version of a plan a tenant is on, how it stands with it, and what puts it on another.

pub(super) mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{AuditAction, RequestMeta, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::{PlanVersionId, StoredPlan, store as plans};
use crate::{Error, lease};

pub(crate) use store::enrolled;

/// How somebody stands with the plan that they pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PlanStatus)]
pub enum Status {
    Active,
    /// A payment failed; the plan goes on for some days.
    Grace,
    /// Told to end with what is paid for.
    Canceled,
    /// A payment failed and the days are over.
    OnHold,
    Ended,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Grace => "grace",
            Self::Canceled => "canceled",
            Self::OnHold => "on_hold",
            Self::Ended => "ended",
        }
    }

    /// Reads what is stored; an unknown word gives nothing away.
    pub(crate) fn from_stored(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "grace" => Self::Grace,
            "canceled" => Self::Canceled,
            "on_hold" => Self::OnHold,
            _ => Self::Ended,
        }
    }

    /// What it has become by `now`, without anybody having to write it down.
    pub fn at(self, now: DateTime<Utc>, ends_at: Option<DateTime<Utc>>) -> Self {
        let over = ends_at.is_some_and(|end| end <= now);
        match self {
            Self::Grace if over => Self::OnHold,
            Self::Active | Self::Canceled if over => Self::Ended,
            other => other,
        }
    }

    /// Whether the plan holds.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Active | Self::Grace | Self::Canceled)
    }
}

/// What a subscription makes of a tenant's enrolment.
#[derive(Clone, Copy, Debug)]
pub struct Following<'a> {
    pub tenant: TenantId,
    pub storefront: &'a str,
    pub version: PlanVersionId,
    /// The subscription.
    pub reference: &'a str,
    pub status: Status,
    pub expires_at: Option<DateTime<Utc>>,
    /// From when on the plan holds no more unless something changes; needed for grace and canceled.
    pub ends_at: Option<DateTime<Utc>>,
}

/// An enrolment as it is kept.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) plan: StoredPlan,
    pub(crate) status: String,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

/// How many tenants are on one version of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Customers {
    pub storefront: String,
    pub plan: String,
    pub version: i32,
    pub customers: i64,
}

/// Somebody on an older version.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) tenant: TenantId,
    pub(crate) version: PlanVersionId,
    /// Whether they pay by a subscription, whose price says what they are on.
    pub(crate) subscribed: bool,
}

/// An enrolment as an operator is told of it.
#[derive(Debug)]
pub(crate) struct EnrolmentRow {
    pub(crate) tenant: TenantId,
    pub(crate) storefront: String,
    pub(crate) plan: String,
    pub(crate) version: i32,
    pub(crate) status: Status,
}

/// Puts a tenant on the newest version of a plan, by the operator's hand. A subscription that the tenant pays for goes
/// before this at its next change.
pub async fn assign(cx: &Ctx, tenant: TenantId, storefront: &str, plan: &str) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("plans assign")).await?;
    let newest = plans::newest(&mut tx).await?;
    let found = newest
        .into_iter()
        .find(|row| row.storefront == storefront && row.plan == plan)
        .ok_or(Error::NoPlan)?;
    lease::store::lock(&mut tx, tenant, storefront).await?;
    let before = enrolled(&mut tx, tenant, storefront).await?;
    store::enrol(&mut tx, tenant, storefront, found.id, cx.clock.now()).await?;
    let before =
        before.map(|before| json!({ "plan": before.plan.plan, "version": before.plan.version }));
    AuditAction::new("plan.assign", format!("{storefront}/{plan}"))
        .before(before.unwrap_or_default())
        .after(json!({ "plan": plan, "version": found.version }))
        .record_as(
            &mut tx,
            cx,
            &RequestMeta::of_the_house("req_plans"),
            Some(tenant),
            "operator",
        )
        .await?;
    lease::changed(&mut tx, tenant, storefront).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets a tenant's enrolment follow a subscription, in the caller's transaction. One that holds goes before whatever was
/// there; one that does not ends only what followed it, never what the operator assigned.
pub async fn follow(
    conn: &mut PgConnection,
    cx: &Ctx,
    following: &Following<'_>,
) -> Result<(), Error> {
    lease::store::lock(conn, following.tenant, following.storefront).await?;
    store::follow(conn, following, cx.clock.now()).await?;
    Ok(lease::changed(conn, following.tenant, following.storefront).await?)
}

/// How many customers each version of each plan has, those whose plan is over not counted.
pub async fn customers(cx: &Ctx) -> Result<Vec<Customers>, Error> {
    let mut tx = cx.db.begin(Scope::House("customers of plans")).await?;
    let customers = store::customers(&mut tx, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(customers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_ends_by_the_clock_alone() {
        let end = DateTime::UNIX_EPOCH;
        let before = end - chrono::Duration::seconds(1);
        for (status, at_the_end) in [
            (Status::Active, Status::Ended),
            (Status::Grace, Status::OnHold),
            (Status::Canceled, Status::Ended),
            (Status::OnHold, Status::OnHold),
            (Status::Ended, Status::Ended),
        ] {
            assert_eq!(status.at(before, Some(end)), status);
            assert_eq!(status.at(end, Some(end)), at_the_end);
            assert_eq!(status.at(end, None), status);
            assert_eq!(Status::from_stored(status.as_str()), status);
        }
    }
}

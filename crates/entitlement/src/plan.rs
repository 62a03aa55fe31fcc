mod catalogue;
mod diff;
mod file;
mod migrate;
mod operator;
mod rewards;
mod store;
mod terms;
mod topup;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{AuditAction, RequestMeta, TenantId};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::{Error, lease};

pub use catalogue::Catalogue;
pub(crate) use catalogue::suggestion;
pub use diff::{Change, Direction, PlanChange, diff};
pub use file::PlanFile;
pub use migrate::{Customers, Migration, customers, migrate};
pub(crate) use operator::router as operator_router;
pub use rewards::{
    Earning, Exchange, Occasion, POINT, Programme, Reward, Rewards, Trigger, lives_until,
};
pub(crate) use terms::Audience;
pub use terms::{Every, Feature, Leftover, PeriodicGrant, RollOver, Terms};
pub use topup::{TopUp, TopUpTerms, TopUpVersionId, topup_version};

kernel::id!(
    /// One version of a plan, as it was sold.
    PlanVersionId, "plv"
);

/// One version of a plan.
#[derive(Clone, Debug)]
pub struct Plan {
    pub version_id: PlanVersionId,
    pub storefront: String,
    pub id: String,
    pub version: i32,
    pub terms: Terms,
}

/// What is wrong with a plan file, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    #[error("the plan file can't be read: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("plan {plan}: {what}")]
    Plan { plan: String, what: &'static str },
}

/// Makes a new version of every plan that differs from its newest one; returns those. Safe to repeat, also by many nodes.
pub async fn apply(cx: &Ctx, file: &PlanFile) -> Result<Vec<Plan>, Error> {
    let mut tx = cx.db.begin(Scope::House("plans apply")).await?;
    store::lock(&mut tx).await?;
    let newest: Vec<Plan> = store::newest(&mut tx)
        .await?
        .into_iter()
        .map(StoredPlan::read)
        .collect::<Result<_, _>>()?;
    let mut made = Vec::new();
    for entry in &file.plan {
        let terms = entry.terms();
        let before = newest
            .iter()
            .find(|plan| plan.storefront == entry.storefront && plan.id == entry.id);
        if before.is_some_and(|plan| plan.terms == terms) {
            continue;
        }
        let plan = Plan {
            version_id: cx.ids.new_id(),
            storefront: entry.storefront.clone(),
            id: entry.id.clone(),
            version: before.map_or(1, |plan| plan.version + 1),
            terms,
        };
        store::insert(&mut tx, &plan, cx.clock.now()).await?;
        made.push(plan);
    }
    topup::apply(&mut tx, cx, &file.topup).await?;
    rewards::apply(&mut tx, cx, &file.rewards()).await?;
    tx.commit().await?;
    Ok(made)
}

/// Every version of every plan, for the operator.
pub async fn list(cx: &Ctx) -> Result<Vec<(Plan, DateTime<Utc>)>, Error> {
    let mut tx = cx.db.begin(Scope::House("plans list")).await?;
    let rows = store::all(&mut tx).await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|(plan, at)| Ok((plan.read()?, at)))
        .collect()
}

/// Puts a tenant on the newest version of a plan, by the operator's hand. A subscription that the tenant pays for goes
/// before this at its next change.
pub async fn assign(cx: &Ctx, tenant: TenantId, storefront: &str, plan: &str) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("plans assign")).await?;
    let newest = store::newest(&mut tx).await?;
    let found = newest
        .into_iter()
        .find(|row| row.storefront == storefront && row.plan == plan)
        .ok_or(Error::NoPlan)?;
    lease::store::lock(&mut tx, tenant, storefront).await?;
    let before = store::enrolled(&mut tx, tenant, storefront).await?;
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

/// The newest version of a plan that was sold at this price of Stripe's, whoever sells what now.
pub async fn plan_of_price(conn: &mut PgConnection, price: &str) -> Result<Option<Plan>, Error> {
    let row = store::by_price(conn, price).await?;
    Ok(row.map(StoredPlan::read).transpose()?)
}

/// One version of a plan.
pub async fn plan_version(
    conn: &mut PgConnection,
    id: PlanVersionId,
) -> Result<Option<Plan>, Error> {
    let row = store::version(conn, id).await?;
    Ok(row.map(StoredPlan::read).transpose()?)
}

/// An enrolment as it is kept.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) plan: StoredPlan,
    pub(crate) status: String,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

/// What a tenant is enrolled in at a storefront.
pub(crate) async fn enrolled(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<Option<Enrolled>> {
    store::enrolled(conn, tenant, storefront).await
}

#[derive(Debug)]
pub(crate) struct StoredPlan {
    id: PlanVersionId,
    storefront: String,
    plan: String,
    version: i32,
    terms: serde_json::Value,
}

impl StoredPlan {
    pub(crate) fn read(self) -> Result<Plan, Fault> {
        let terms = serde_json::from_value(self.terms)
            .map_err(|e| Fault::internal("a plan's terms can't be read", e))?;
        Ok(Plan {
            version_id: self.id,
            storefront: self.storefront,
            id: self.plan,
            version: self.version,
            terms,
        })
    }
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

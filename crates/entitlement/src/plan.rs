mod catalogue;
mod diff;
mod enrolment;
mod file;
mod live;
mod migrate;
mod operator;
mod rewards;
mod store;
mod terms;
mod topup;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use kernel::Fault;
use sqlx::PgConnection;

use crate::Error;

pub use catalogue::Catalogue;
pub(crate) use catalogue::suggestion;
pub use diff::{Change, Direction, PlanChange, diff};
pub(crate) use enrolment::enrolled;
pub use enrolment::{Customers, Following, Status, assign, customers, follow};
pub use file::PlanFile;
pub use live::{LiveCatalogue, follow_plans};
pub use migrate::{Migration, migrate};
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

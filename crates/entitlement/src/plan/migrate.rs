use db::{Ctx, Scope};
use identity::{AuditAction, RequestMeta};
use serde::Serialize;
use serde_json::json;

use super::{
    Change, Plan, StoredPlan,
    diff::compare,
    enrolment::{Behind, store as enrolments},
    store,
};
use crate::{Error, lease};

/// What a migration does for those on one older version.
#[derive(Clone, Debug, Serialize)]
pub struct Migration {
    pub from: i32,
    pub to: i32,
    /// Who moves.
    pub customers: i64,
    /// Who stays: their subscription pays another price than the newest version's, so it has to change at Stripe first.
    pub stay: i64,
    pub changes: Vec<Change>,
}

/// Puts everybody who is on an older version of a plan on its newest one, with a line in each one's audit log. With
/// `preview` nothing changes.
///
/// # Errors
/// `NoPlan` when there is none of that name.
pub async fn migrate(
    cx: &Ctx,
    storefront: &str,
    plan: &str,
    preview: bool,
) -> Result<Vec<Migration>, Error> {
    let mut tx = cx.db.begin(Scope::House("plans migrate")).await?;
    store::lock(&mut tx).await?;
    let mut versions: Vec<Plan> = store::all(&mut tx)
        .await?
        .into_iter()
        .map(|(stored, _)| stored)
        .filter(|stored| stored.storefront == storefront && stored.plan == plan)
        .map(StoredPlan::read)
        .collect::<Result<_, _>>()?;
    let newest = versions.pop().ok_or(Error::NoPlan)?;
    let now = cx.clock.now();
    let behind = enrolments::behind(&mut tx, storefront, plan, newest.version, now).await?;
    let mut migrations = Vec::new();
    for old in versions {
        let same_price = old.terms.stripe_price == newest.terms.stripe_price;
        let on_it = behind.iter().filter(|one| one.version == old.version_id);
        let (moves, stays): (Vec<&Behind>, Vec<&Behind>) =
            on_it.partition(|one| same_price || !one.subscribed);
        if moves.is_empty() && stays.is_empty() {
            continue;
        }
        let count = |of: &[&Behind]| i64::try_from(of.len()).unwrap_or(i64::MAX);
        migrations.push(Migration {
            from: old.version,
            to: newest.version,
            customers: count(&moves),
            stay: count(&stays),
            changes: compare(Some(&old.terms), &newest.terms),
        });
        if preview {
            continue;
        }
        for one in moves {
            lease::store::lock(&mut tx, one.tenant, storefront).await?;
            enrolments::move_to(&mut tx, one.tenant, storefront, newest.version_id, now).await?;
            lease::changed(&mut tx, one.tenant, storefront).await?;
            AuditAction::new("plan.migrate", format!("{storefront}/{plan}"))
                .before(json!({ "plan": plan, "version": old.version }))
                .after(json!({ "plan": plan, "version": newest.version }))
                .record_as(
                    &mut tx,
                    cx,
                    &RequestMeta::of_the_house("req_plans"),
                    Some(one.tenant),
                    "operator",
                )
                .await?;
        }
    }
    tx.commit().await?;
    Ok(migrations)
}

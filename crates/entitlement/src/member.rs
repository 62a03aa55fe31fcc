//! What one member of a tenant may use in a month, by whatever that member does: sessions, and the keys that the member made.

pub(crate) mod http;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{AuditAction, Caller, Permission, Principal, RequestMeta, Role, TenantId, UserId};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Entitlement, Error, Every, Work, lease, period,
    unit::{cost_of, is_cost, storefront_of},
};

/// What a member used of a unit in the running month, and may use in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct MemberBudget {
    pub(crate) user: UserId,
    pub(crate) unit: String,
    /// What the member may use in a month; none: as much as the tenant.
    #[schema(required)]
    pub(crate) monthly: Option<i64>,
    /// Asked for in the running month of the tenant's own time zone.
    pub(crate) used: i64,
    pub(crate) resets_at: DateTime<Utc>,
}

/// A member whose work at a storefront is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitedMember {
    pub(crate) user: UserId,
    /// Whether by what it costs, too.
    pub(crate) by_cost: bool,
}

/// A limit as it is kept.
#[derive(Clone, Debug)]
struct Kept {
    unit: String,
    monthly: i64,
}

/// Whose work at a storefront is limited.
pub(crate) async fn limited(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<Vec<LimitedMember>> {
    store::limited(conn, tenant, storefront, &cost_of(storefront)).await
}

/// Refuses work that might pass what its member may use in the month. All work of the member stands in a line until its
/// transaction ends, over all processes, so that what is under way never comes to more than the limit leaves.
pub(crate) async fn check(
    conn: &mut PgConnection,
    cx: &Ctx,
    caller: Principal,
    work: &Work<'_>,
    most_cost: i64,
) -> Result<(), Error> {
    let Some(user) = work.member else {
        return Ok(());
    };
    store::lock(conn, caller.tenant, user).await?;
    let cost = cost_of(work.storefront);
    let limits = store::of_member(conn, caller.tenant, user, &[work.unit, &cost]).await?;
    if limits.is_empty() {
        return Ok(());
    }
    let month = period::running(conn, cx, caller.tenant, Every::Month).await?;
    let left = month.end - cx.clock.now();
    for Kept { unit, monthly } in limits {
        let of = store::Of {
            tenant: caller.tenant,
            user,
            storefront: work.storefront,
            since: month.start,
        };
        let (spent, most) = if is_cost(&unit) {
            (store::cost(conn, &of).await?, most_cost)
        } else {
            (store::units(conn, &of, &unit).await?, work.amount)
        };
        if !spent.passes(most, monthly) {
            continue;
        }
        let retry_after_secs = spent.seconds(most, monthly, left);
        return Err(if is_cost(&unit) {
            Error::MemberCostReached {
                unit,
                limit: monthly,
                spent: spent.settled,
                most,
                retry_after_secs,
            }
        } else {
            Error::MemberBudgetReached {
                unit,
                monthly,
                retry_after_secs,
            }
        });
    }
    Ok(())
}

/// What members used this month and may use: everybody's for those who manage the tenant's money, one's own for others.
pub(crate) async fn list(room: &Entitlement, caller: &Caller) -> Result<Vec<MemberBudget>, Error> {
    let by = caller.principal;
    let whose = match by.user {
        _ if caller.may(Permission::BillingManage) => None,
        Some(user) => Some(user),
        None => return Ok(Vec::new()),
    };
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let month = period::running(&mut tx, &room.cx, by.tenant, Every::Month).await?;
    let budgets = store::list(&mut tx, by.tenant, whose, (month.start, month.end)).await?;
    tx.commit().await?;
    Ok(budgets)
}

/// Sets what a member may use, or takes the limit away; every process goes by it from its next piece of work on.
pub(crate) async fn set(
    room: &Entitlement,
    caller: &Caller,
    meta: &RequestMeta,
    (user, unit): (UserId, &str),
    monthly: Option<i64>,
) -> Result<Option<MemberBudget>, Error> {
    let (cx, by) = (&room.cx, caller.principal);
    let mut tx = cx.db.begin(Scope::House("a member's budget")).await?;
    let role = identity::role_of(&mut tx, by.tenant, user)
        .await?
        .ok_or(Error::NoMember)?;
    if !may_limit(caller.role, role) {
        return Err(identity::Error::Forbidden.into());
    }
    lease::store::lock(&mut tx, by.tenant, storefront_of(unit)).await?;
    let before = store::of_member(&mut tx, by.tenant, user, &[unit]).await?;
    let mut action = AuditAction::new("member_budget.change", format!("{user}/{unit}"));
    if let Some(before) = before.first() {
        action = action.before(json!({ "monthly": before.monthly }));
    }
    let after = match monthly {
        Some(monthly) => {
            action = action.after(json!({ "monthly": monthly }));
            store::write(&mut tx, (by.tenant, user), unit, monthly, cx.clock.now()).await?;
            let month = period::running(&mut tx, cx, by.tenant, Every::Month).await?;
            let period = (month.start, month.end);
            let all = store::list(&mut tx, by.tenant, Some(user), period).await?;
            all.into_iter().find(|one| one.unit == unit)
        }
        None if before.is_empty() => return Err(Error::NoBudget),
        None => {
            store::delete(&mut tx, by.tenant, user, unit).await?;
            None
        }
    };
    action.record(&mut tx, cx, meta, by).await?;
    lease::changed(&mut tx, by.tenant, storefront_of(unit)).await?;
    tx.commit().await?;
    Ok(after)
}

/// Whether somebody who is `by` may limit somebody who is `whom`: nobody widens what was set for themselves from above.
const fn may_limit(by: Role, whom: Role) -> bool {
    match by {
        Role::Owner | Role::Guardian => true,
        Role::Admin => matches!(whom, Role::Member),
        Role::Guest | Role::Member | Role::Child => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heads_limit_those_who_limit_others() {
        use Role::{Admin, Child, Guardian, Guest, Member, Owner};
        for (by, whom, may) in [
            (Owner, Owner, true),
            (Owner, Admin, true),
            (Owner, Member, true),
            (Guardian, Child, true),
            (Admin, Member, true),
            (Admin, Admin, false),
            (Admin, Owner, false),
            (Member, Member, false),
            (Child, Child, false),
            (Guest, Guest, false),
        ] {
            assert_eq!(may_limit(by, whom), may, "{by:?} {whom:?}");
        }
    }
}

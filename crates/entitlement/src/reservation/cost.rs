mod store;

use db::Scope;
use identity::Principal;
use sqlx::PgConnection;

use super::store::lock_key;
use crate::{Entitlement, Error, Every, Work, budget, period, unit};

pub(super) use store::note;

/// Refuses work that might pass the tenant's limit of cost for the month. Whoever is limited stands in a line until its
/// transaction ends, over all processes: so what is under way never comes to more than the limit leaves.
pub(super) async fn check(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
    most: i64,
) -> Result<(), Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    store::lock(conn, caller.tenant, work.storefront).await?;
    let unit = unit::cost_of(work.storefront);
    if let Some((limit, stopped_at)) = budget::cost_limit(conn, caller.tenant, &unit).await? {
        let month = period::running(conn, cx, caller.tenant, Every::Month).await?;
        let spent = store::of_tenant(conn, caller.tenant, work.storefront, month.start).await?;
        if spent.passes(most, limit.monthly) {
            let is_new = stopped_at.is_none_or(|at| at < month.start);
            if !limit.by_house && is_new && spent.is_final(most, limit.monthly) {
                let mut aside = cx.db.begin_aside(Scope::House("a limit of cost")).await?;
                budget::stopped(&mut aside, caller.tenant, &unit, limit.monthly, now).await?;
                aside.commit().await?;
            }
            return Err(Error::CostLimitReached {
                unit,
                limit: limit.monthly,
                by_house: limit.by_house,
                spent: spent.settled,
                most,
                retry_after_secs: spent.seconds(most, limit.monthly, month.end - now),
            });
        }
    }
    Ok(())
}

/// As [`check`], for the day of the caller's key.
pub(super) async fn check_key(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
    most: i64,
) -> Result<(), Error> {
    let cx = &room.cx;
    let (Some(key), Some(limit)) = (caller.key, work.daily_cost) else {
        return Ok(());
    };
    lock_key(conn, key).await?;
    let today = period::today(conn, cx, caller.tenant).await?;
    let spent = store::of_key(conn, key, today.start).await?;
    if spent.passes(most, limit) {
        return Err(Error::KeyCostReached {
            limit,
            spent: spent.settled,
            most,
            retry_after_secs: spent.seconds(most, limit, today.end - cx.clock.now()),
        });
    }
    Ok(())
}

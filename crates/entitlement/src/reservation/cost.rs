mod store;

use chrono::Duration;
use db::Scope;
use identity::Principal;
use sqlx::PgConnection;

use super::{Work, store::lock_key};
use crate::{Entitlement, Error, Every, budget, grant};

pub(super) use store::note;

/// What was spent, and the most that work under way may add to it, in billionths of a US dollar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) settled: i64,
    pub(crate) under_way: i64,
}

impl Spent {
    /// Whether work that costs `most` might pass the limit.
    pub(crate) const fn passes(self, most: i64, limit: i64) -> bool {
        self.settled
            .saturating_add(self.under_way)
            .saturating_add(most)
            > limit
    }

    /// Whether it is the end: nothing that is under way could make it fit.
    const fn is_final(self, most: i64, limit: i64) -> bool {
        self.settled.saturating_add(most) > limit
    }

    /// In how many seconds it may pass: soon, if what is under way may turn out smaller, or when the limit's time is over.
    pub(crate) fn seconds(self, most: i64, limit: i64, left: Duration) -> u64 {
        if self.is_final(most, limit) {
            u64::try_from(left.num_seconds() + 1).unwrap_or(1)
        } else {
            1
        }
    }
}

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
    let unit = budget::cost_of(work.storefront);
    if let Some((limit, stopped_at)) = budget::cost_limit(conn, caller.tenant, &unit).await? {
        let month = grant::running(conn, cx, caller.tenant, Every::Month).await?;
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
    let today = grant::today(conn, cx, caller.tenant).await?;
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

mod store;

use db::Scope;
use identity::Principal;
use sqlx::PgConnection;

use super::{Work, store::lock_key};
use crate::{Entitlement, Error, Every, budget, grant};

pub(super) use store::note;

/// What was spent, and the most that work under way may add to it, in billionths of a US dollar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    settled: i64,
    under_way: i64,
}

impl Spent {
    /// Whether work that costs `most` might pass the limit.
    const fn passes(self, most: i64, limit: i64) -> bool {
        self.settled
            .saturating_add(self.under_way)
            .saturating_add(most)
            > limit
    }

    /// Whether it is the end: nothing that is under way could make it fit.
    const fn is_final(self, most: i64, limit: i64) -> bool {
        self.settled.saturating_add(most) > limit
    }
}

/// Refuses work that might pass the tenant's limit of cost for the month, or its key's for the day. Whoever is limited stands
/// in a line until its transaction ends, over all processes: so what is under way never comes to more than the limit leaves.
pub(super) async fn check(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
    most: i64,
) -> Result<(), Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let seconds = |spent: Spent, limit: i64, until: chrono::DateTime<chrono::Utc>| {
        if spent.is_final(most, limit) {
            u64::try_from((until - now).num_seconds() + 1).unwrap_or(1)
        } else {
            1
        }
    };
    store::lock(conn, caller.tenant, work.storefront).await?;
    let unit = budget::cost_of(work.storefront);
    if let Some((limit, stopped_at)) = budget::cost_limit(conn, caller.tenant, &unit).await? {
        let month = grant::running(conn, cx, caller.tenant, Every::Month).await?;
        let spent = store::of_tenant(conn, caller.tenant, work.storefront, month.start).await?;
        if spent.passes(most, limit) {
            if spent.is_final(most, limit) && stopped_at.is_none_or(|at| at < month.start) {
                let mut aside = cx.db.begin_aside(Scope::House("a limit of cost")).await?;
                budget::stopped(&mut aside, caller.tenant, &unit, limit, now).await?;
                aside.commit().await?;
            }
            return Err(Error::CostLimitReached {
                unit,
                limit,
                spent: spent.settled,
                most,
                retry_after_secs: seconds(spent, limit, month.end),
            });
        }
    }
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
            retry_after_secs: seconds(spent, limit, today.end),
        });
    }
    Ok(())
}

use chrono::{DateTime, Utc};
use identity::Principal;
use serde::Serialize;

use crate::{
    Entitlement, Error, Every, block, desk, grant,
    lease::{self, MINUTE},
    limit::{CONCURRENT, InUse, Limits, PER_MINUTE},
    period,
    standing::plan_of,
};

/// Where a caller stands with every limit of its plan.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RateLimits {
    pub storefront: String,
    pub policies: Vec<RatePolicy>,
}

/// One limit and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RatePolicy {
    /// `permin`, `concurrent`, or the unit that is granted.
    pub name: String,
    pub quota: i64,
    #[schema(required)]
    pub window_secs: Option<i64>,
    pub remaining: i64,
    /// When more is there: the next slot of the minute, or the next period.
    #[schema(required)]
    pub reset_secs: Option<i64>,
    /// What is counted, where it is not requests.
    #[schema(required)]
    pub unit: Option<String>,
}

/// Rate and places of a plan, by what is in use.
pub(crate) fn policies(limits: Limits, used: InUse, now: DateTime<Utc>) -> Vec<RatePolicy> {
    let (per_minute, concurrent) = (i64::from(limits.per_minute), i64::from(limits.concurrent));
    vec![
        RatePolicy {
            name: PER_MINUTE.to_owned(),
            quota: per_minute,
            window_secs: Some(MINUTE.num_seconds()),
            remaining: (per_minute - used.recent).max(0),
            reset_secs: used.next_free.map(|at| seconds_until(at, now)),
            unit: None,
        },
        RatePolicy {
            name: CONCURRENT.to_owned(),
            quota: concurrent,
            window_secs: None,
            remaining: (concurrent - used.open).max(0),
            reset_secs: None,
            unit: None,
        },
    ]
}

/// Whole seconds, rounded up, so that nobody comes back too early.
fn seconds_until(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let millis = (at - now).num_milliseconds().max(0);
    (millis + 999) / 1000
}

/// Reads from the rows, over all processes, where the caller stands.
///
/// # Errors
/// When the database is away, or the storefront has no plan.
pub async fn rate_limits(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
) -> Result<RateLimits, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(caller.scope()).await?;
    let now = cx.clock.now();
    let catalogue = room.catalogue.now();
    let standing = plan_of(&mut tx, &catalogue, caller, storefront, now).await?;
    let plan = &standing.plan;
    let zone = grant::ensure(&mut tx, cx, caller.tenant, plan).await?;
    let mut used = InUse::default();
    let (loads, took) = lease::count(&mut tx, cx, caller.tenant, storefront).await?;
    desk::heard(room, caller.tenant, storefront, &loads, now, took);
    for load in loads {
        used.recent += load.recent;
        used.open += load.open;
        let free = load.oldest.map(|oldest| oldest + MINUTE);
        used.next_free = used.next_free.into_iter().chain(free).min();
    }
    let mut policies = policies(plan.terms.limits, used, now);
    for periodic in &plan.terms.grants {
        let stock = ledger::stock(&mut tx, caller.tenant, &periodic.unit, now).await?;
        // what a process has set aside for work to come is still there to be used
        let apart = block::unsettled(&mut tx, caller.tenant, &periodic.unit).await?;
        let resets_at = grant::resets_at(&standing, &periodic.unit, zone, now)?;
        let window_secs = if periodic.every == Every::Invoice {
            None
        } else {
            let period = period::period(periodic.every, now, zone)?;
            Some((period.end - period.start).num_seconds())
        };
        policies.push(RatePolicy {
            name: periodic.unit.clone(),
            quota: stock.granted,
            window_secs,
            remaining: stock.available + apart.idle,
            reset_secs: resets_at.map(|at| seconds_until(at, now)),
            unit: Some(periodic.unit.clone()),
        });
    }
    tx.commit().await?;
    Ok(RateLimits {
        storefront: storefront.to_owned(),
        policies,
    })
}

/// Rate and places as this process knows them without asking: what it admitted itself, and what the others had when it
/// last asked. None where that is too old.
pub fn known_limits(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
) -> Option<Vec<RatePolicy>> {
    let now = room.cx.clock.now();
    let (limits, used) = desk::in_use(room, caller, storefront, now)?;
    Some(policies(limits, used, now))
}

/// The `RateLimit-Policy` field of draft-ietf-httpapi-ratelimit-headers-11: what the limits are.
pub fn policy_field(policies: &[RatePolicy]) -> String {
    join(policies.iter().map(|policy| {
        let window = policy.window_secs.map(|window| format!(";w={window}"));
        let unit = (policy.name == CONCURRENT).then_some(r#";qu="concurrent-requests""#);
        format!(
            r#""{}";q={}{}{}"#,
            policy.name,
            policy.quota,
            window.unwrap_or_default(),
            unit.unwrap_or_default()
        )
    }))
}

/// The `RateLimit` field of the same draft: what is left.
pub fn limit_field(policies: &[RatePolicy]) -> String {
    join(policies.iter().map(|policy| {
        let reset = policy.reset_secs.map(|reset| format!(";t={reset}"));
        format!(
            r#""{}";r={}{}"#,
            policy.name,
            policy.remaining,
            reset.unwrap_or_default()
        )
    }))
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// What a refusal says of the limits that it names: nothing is left, and nobody is told to come back before that has changed.
pub fn refused(
    policies: &[RatePolicy],
    violated: &[String],
    retry_after: Option<u64>,
) -> Vec<RatePolicy> {
    let retry = retry_after.and_then(|seconds| i64::try_from(seconds).ok());
    policies
        .iter()
        .filter(|policy| violated.contains(&policy.name))
        .map(|policy| RatePolicy {
            remaining: 0,
            reset_secs: match (policy.reset_secs, retry) {
                (Some(reset), Some(retry)) => Some(reset.min(retry)),
                (None, Some(retry)) if policy.name == PER_MINUTE => Some(retry),
                (reset, _) => reset,
            },
            ..policy.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::KEY_DAY;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn fields_say_what_the_limits_are_and_what_is_left() {
        let limits = Limits {
            per_minute: 60,
            concurrent: 5,
        };
        let used = InUse {
            recent: 48,
            open: 1,
            next_free: Some(at("2026-11-20T12:00:36.200Z")),
        };
        let all = policies(limits, used, at("2026-11-20T12:00:00Z"));
        assert_eq!(
            policy_field(&all),
            r#""permin";q=60;w=60, "concurrent";q=5;qu="concurrent-requests""#
        );
        assert_eq!(limit_field(&all), r#""permin";r=12;t=37, "concurrent";r=4"#);
    }

    #[test]
    fn a_refusal_names_what_it_is_about_and_never_asks_back_too_early() {
        let limits = Limits {
            per_minute: 6,
            concurrent: 1,
        };
        let used = InUse {
            recent: 5,
            open: 1,
            next_free: Some(at("2026-11-20T12:00:50Z")),
        };
        let all = policies(limits, used, at("2026-11-20T12:00:00Z"));
        for (violated, retry, field) in [
            (PER_MINUTE, Some(7), r#""permin";r=0;t=7"#),
            (PER_MINUTE, Some(70), r#""permin";r=0;t=50"#),
            (CONCURRENT, Some(1), r#""concurrent";r=0"#),
            (KEY_DAY, Some(1), ""),
        ] {
            assert_eq!(
                limit_field(&refused(&all, &[violated.to_owned()], retry)),
                field
            );
        }
        let none = policies(limits, InUse::default(), at("2026-11-20T12:00:00Z"));
        assert_eq!(
            limit_field(&refused(&none, &[PER_MINUTE.to_owned()], Some(3))),
            r#""permin";r=0;t=3"#
        );
    }
}

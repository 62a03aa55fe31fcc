//! Sums over past runs of one storefront; what they add up to is what the history lists and what the books were told.

mod store;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use identity::{KeyId, Principal};
use serde::{Deserialize, Serialize};

use super::{Tokens, history::key_names};
use crate::{Error, Gateway};

/// By what runs are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    None,
    Model,
    Key,
    /// A run with several tags counts for each of them.
    Tag,
    /// Of the tenant's time zone.
    Day,
    Hour,
    Minute,
}

impl By {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Model => "model",
            Self::Key => "key",
            Self::Tag => "tag",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    /// The longest time that can be asked for, so that the groups are no more than can be looked at.
    pub const fn longest(self) -> chrono::Duration {
        match self {
            Self::Minute => chrono::Duration::days(1),
            Self::Hour => chrono::Duration::days(62),
            _ => chrono::Duration::days(366),
        }
    }
}

/// Sums of runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Sums {
    pub requests: i64,
    pub completed: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Of those that ended and were not cancelled; `null` when there are none.
    #[schema(required)]
    pub success_rate: Option<f64>,
    /// From the request to the end; `null` when none has ended.
    #[schema(required)]
    pub mean_ms: Option<i64>,
    /// Nineteen of twenty took no longer.
    #[schema(required)]
    pub p95_ms: Option<i64>,
    pub tokens: Tokens,
    /// Billionths of a US dollar.
    pub cost_nano_usd: i64,
}

/// The sums of one group.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Group {
    /// The model, the key's name, the tag, or when the time begins; empty for runs that have none.
    pub name: String,
    /// Of a key.
    #[schema(required)]
    pub id: Option<KeyId>,
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of the groups that are not shown by themselves.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Others {
    /// How many they are.
    pub groups: i64,
    #[serde(flatten)]
    pub sums: Sums,
}

/// Sums over all runs of a time, and by group.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Statistics {
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
    /// The time zone in which days begin.
    pub zone: String,
    pub totals: Sums,
    /// At most 5,000, those with the most runs.
    pub groups: Vec<Group>,
    /// What the other groups add up to; `null` when all are shown.
    #[schema(required)]
    pub others: Option<Others>,
}

#[derive(Debug)]
struct Row {
    is_total: bool,
    is_rest: bool,
    name: String,
    names: i64,
    requests: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
    mean_ms: Option<i64>,
    p95_ms: Option<i64>,
    tokens_in: i64,
    tokens_out: i64,
    tokens_cached: i64,
    tokens_written: i64,
    tokens_thought: i64,
    cost_nano_usd: i64,
}

impl From<&Row> for Sums {
    fn from(row: &Row) -> Self {
        Self {
            requests: row.requests,
            completed: row.completed,
            failed: row.failed,
            cancelled: row.cancelled,
            success_rate: rate(row.completed, row.failed),
            mean_ms: row.mean_ms,
            p95_ms: row.p95_ms,
            tokens: Tokens {
                input: row.tokens_in,
                output: row.tokens_out,
                cached: row.tokens_cached,
                written: row.tokens_written,
                thought: row.tokens_thought,
            },
            cost_nano_usd: row.cost_nano_usd,
        }
    }
}

/// The most groups that are shown by themselves.
const MOST_GROUPS: i64 = 5000;

/// The share of good ends, to four places.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share is shown, not counted with"
)]
pub(crate) fn rate(good: i64, bad: i64) -> Option<f64> {
    let all = good + bad;
    (all > 0).then(|| (good as f64 / all as f64 * 10_000.0).round() / 10_000.0)
}

/// Sums over the runs of the caller's tenant that were asked for from `from` until before `to`.
///
/// # Errors
/// When the database is away.
pub async fn statistics(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    by: By,
) -> Result<Statistics, Error> {
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let zone = identity::tenant_zone(&mut tx, caller.tenant)
        .await
        .map_err(entitlement::Error::from)?;
    let rows = store::sums(
        &mut tx,
        storefront,
        (from, to),
        by.as_str(),
        &zone,
        MOST_GROUPS,
    )
    .await?;
    tx.commit().await?;
    let names = if by == By::Key {
        key_names(room, caller).await?
    } else {
        HashMap::new()
    };
    let totals = rows.iter().find(|row| row.is_total);
    let groups = rows
        .iter()
        .filter(|row| !row.is_total && !row.is_rest)
        .map(|row| {
            let id = (by == By::Key)
                .then(|| row.name.parse().ok().map(KeyId))
                .flatten();
            Group {
                name: id.map_or_else(
                    || row.name.clone(),
                    |id| names.get(&id).cloned().unwrap_or_default(),
                ),
                id,
                sums: row.into(),
            }
        });
    Ok(Statistics {
        from,
        to,
        zone,
        totals: totals.map(Sums::from).unwrap_or_default(),
        groups: groups.collect(),
        others: rows.iter().find(|row| row.is_rest).map(|row| Others {
            groups: row.names,
            sums: row.into(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_those_that_could_have_gone_well() {
        for (good, bad, want) in [
            (0, 0, None),
            (3, 0, Some(1.0)),
            (0, 2, Some(0.0)),
            (2, 1, Some(0.6667)),
        ] {
            assert_eq!(rate(good, bad), want);
        }
    }
}

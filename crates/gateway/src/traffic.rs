//! How well the models answer, from what really happened.

mod store;

use std::collections::BTreeMap;

use db::Scope;
use serde::Serialize;

use crate::{Error, Gateway, run::statistics::rate};

/// What is looked at.
const LOOK_BACK: chrono::Duration = chrono::Duration::hours(1);
/// Fewer good ends of a hundred and a model is taken to be down, or to be in trouble.
const DOWN_BELOW: f64 = 0.5;
const SLOW_BELOW: f64 = 0.9;
/// Half of the answers took longer: that is slow.
const SLOW_ABOVE_MS: i64 = 30_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelHealth {
    Up,
    /// It answers slowly, or not always.
    Slow,
    Down,
    /// Nobody has asked it of late.
    Unknown,
}

/// What the last hour was like at one model, or at one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    pub health: ModelHealth,
    pub success_rate: Option<f64>,
    /// Half of a model's answers, or of a provider's first words, took no longer.
    pub p50_ms: Option<i64>,
}

#[derive(Debug)]
struct Hour {
    route: String,
    good: i64,
    bad: i64,
    p50_ms: Option<i64>,
}

impl Traffic {
    pub(crate) fn of(good: i64, bad: i64, p50_ms: Option<i64>) -> Self {
        let success_rate = rate(good, bad);
        let health = match success_rate {
            None => ModelHealth::Unknown,
            Some(rate) if rate < DOWN_BELOW => ModelHealth::Down,
            Some(rate) if rate < SLOW_BELOW => ModelHealth::Slow,
            Some(_) if p50_ms.is_some_and(|ms| ms > SLOW_ABOVE_MS) => ModelHealth::Slow,
            Some(_) => ModelHealth::Up,
        };
        Self {
            health,
            success_rate,
            p50_ms,
        }
    }
}

/// The last hour of all models by their public names, whoever asked; a request that was itself at fault doesn't count.
///
/// # Errors
/// When the database is away.
pub async fn traffic(room: &Gateway) -> Result<BTreeMap<String, Traffic>, Error> {
    let now = room.cx.clock.now();
    let mut tx = room.cx.db.read(Scope::House("how models answer")).await?;
    let hours = store::since(&mut tx, now - LOOK_BACK).await?;
    tx.commit().await?;
    Ok(hours
        .into_iter()
        .map(|hour| (hour.route, Traffic::of(hour.good, hour.bad, hour.p50_ms)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_what_callers_met() {
        let health = |good, bad, p50_ms| Traffic::of(good, bad, p50_ms).health;
        assert_eq!(health(0, 0, None), ModelHealth::Unknown);
        assert_eq!(health(10, 1, Some(900)), ModelHealth::Up);
        assert_eq!(health(8, 2, Some(900)), ModelHealth::Slow);
        assert_eq!(health(10, 0, Some(30_001)), ModelHealth::Slow);
        assert_eq!(health(1, 2, Some(1)), ModelHealth::Down);
    }
}

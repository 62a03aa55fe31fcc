mod store;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use croner::{Cron, errors::CronError, parser::CronParser};
use db::Scope;
use kernel::Fault;
use serde::Serialize;
use serde_json::Value;

use crate::{Jobs, job};

/// A tick that nobody saw to within this time was missed: no node ran.
const MISSED_AFTER: Duration = Duration::minutes(5);

/// What becomes of ticks that came while no node ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// However many were missed, the work is done once as soon as a node runs.
    RunOnce,
    /// The work is done at the next tick.
    Skip,
}

/// A schedule that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the schedule of {name} can't be read: {why}")]
pub struct BadSchedule {
    pub name: &'static str,
    pub why: String,
}

/// When something is due, by the clock on a wall.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    cron: Cron,
    zone: chrono_tz::Tz,
}

impl Schedule {
    pub(crate) fn read(text: &str, zone: chrono_tz::Tz) -> Result<Self, CronError> {
        Ok(Self {
            cron: CronParser::new().parse(text)?,
            zone,
        })
    }

    /// The first tick after `at`.
    fn after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self
            .cron
            .find_next_occurrence(&at.with_timezone(&self.zone), false);
        next.ok().map(|tick| tick.to_utc().trunc_subsecs(0))
    }

    /// The newest tick up to and with `at`. The library hands the fraction of a second of what it was asked on to the tick,
    /// which would be a new tick at each look.
    fn before(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self
            .cron
            .find_previous_occurrence(&at.with_timezone(&self.zone), true);
        last.ok().map(|tick| tick.to_utc().trunc_subsecs(0))
    }
}

/// A schedule and what it enqueues.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) schedule: Schedule,
    pub(crate) text: &'static str,
    pub(crate) catch_up: CatchUp,
    pub(crate) kind: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) priority: i16,
    pub(crate) attempts: u16,
    pub(crate) payload: Value,
}

/// What to do at `now` when ticks were seen to up to `last`: the newest tick that has come, and whether to run for it.
/// None when no tick has come since.
fn due(
    schedule: &Schedule,
    catch_up: CatchUp,
    last: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, bool)> {
    let tick = schedule.before(now).filter(|tick| *tick > last)?;
    let run = match catch_up {
        CatchUp::RunOnce => true,
        CatchUp::Skip => now - tick <= MISSED_AFTER,
    };
    Some((tick, run))
}

/// Enqueues what is due by the schedules, and returns how many jobs that were. Every node does this all the time; of those
/// that see a tick one moves it on.
///
/// # Errors
/// When the database is away; the next look sees the same ticks.
pub async fn tick(room: &Jobs) -> Result<usize, Fault> {
    let now = room.cx.clock.now();
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the schedules"))
        .await
        .map_err(db::fault)?;
    let known = store::known(&mut tx).await.map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    let mut enqueued = 0;
    for entry in &room.registry.crons {
        let last = known.iter().find(|row| row.name == entry.name);
        // a schedule that was not there before has missed nothing
        let due = match last {
            None => None,
            Some(row) => match due(&entry.schedule, entry.catch_up, row.last_tick, now) {
                None => continue,
                some => some,
            },
        };
        enqueued +=
            usize::from(move_on(room, entry, last.map(|row| row.last_tick), due, now).await?);
    }
    Ok(enqueued)
}

/// Moves one schedule on, unless another node did, and enqueues its job; all or nothing.
async fn move_on(
    room: &Jobs,
    entry: &Entry,
    last: Option<DateTime<Utc>>,
    due: Option<(DateTime<Utc>, bool)>,
    now: DateTime<Utc>,
) -> Result<bool, Fault> {
    let cx = &room.cx;
    let mut tx = cx
        .db
        .begin(Scope::House("a schedule's tick"))
        .await
        .map_err(db::fault)?;
    let (Some(last), Some((tick, run))) = (last, due) else {
        store::meet(&mut tx, entry.name, now)
            .await
            .map_err(db::fault)?;
        tx.commit().await.map_err(db::fault)?;
        return Ok(false);
    };
    let ran_at = run.then_some(now);
    let ours = store::move_on(&mut tx, entry.name, last, tick, ran_at)
        .await
        .map_err(db::fault)?;
    if ours && run {
        let new = job::NewJob {
            id: cx.ids.new_id(),
            kind: entry.kind,
            payload: entry.payload.clone(),
            key: entry.key.clone(),
            priority: entry.priority,
            attempts: entry.attempts,
            run_at: now,
            now,
        };
        job::insert(&mut tx, &new).await.map_err(db::fault)?;
    }
    tx.commit().await.map_err(db::fault)?;
    if ours {
        tracing::info!(cron = entry.name, %tick, run, "a schedule's tick");
    }
    Ok(ours && run)
}

/// A schedule as the operator sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CronView {
    pub name: String,
    /// Minute, hour, day, month, weekday.
    pub schedule: String,
    /// The zone that the schedule is read in.
    pub zone: String,
    pub catch_up: CatchUp,
    #[schema(required)]
    pub last_run_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub next_run_at: Option<DateTime<Utc>>,
}

/// The schedules of this version of the house.
///
/// # Errors
/// When the database is away.
pub async fn crons(room: &Jobs) -> Result<Vec<CronView>, Fault> {
    let now = room.cx.clock.now();
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator's look at schedules"))
        .await
        .map_err(db::fault)?;
    let known = store::known(&mut tx).await.map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    let view = |entry: &Entry| CronView {
        name: entry.name.to_owned(),
        schedule: entry.text.to_owned(),
        zone: entry.schedule.zone.name().to_owned(),
        catch_up: entry.catch_up,
        last_run_at: known
            .iter()
            .find(|row| row.name == entry.name)
            .and_then(|row| row.last_run_at),
        next_run_at: entry.schedule.after(now),
    };
    Ok(room.registry.crons.iter().map(view).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn half_past_three_is_meant_in_japan() {
        let nightly = Schedule::read("30 3 * * *", chrono_tz::Asia::Tokyo).unwrap();
        assert_eq!(
            nightly.after(at("2026-11-20T09:00:00Z")),
            Some(at("2026-11-20T18:30:00Z"))
        );
        assert_eq!(
            nightly.before(at("2026-11-20T18:30:00Z")),
            Some(at("2026-11-20T18:30:00Z"))
        );
        assert!(Schedule::read("61 3 * * *", chrono_tz::UTC).is_err());
    }

    #[test]
    fn a_tick_is_the_same_at_whatever_part_of_a_second_it_is_looked_at() {
        let nightly = Schedule::read("30 3 * * *", chrono_tz::Asia::Tokyo).unwrap();
        let tick = at("2026-11-20T18:30:00Z");
        for now in [
            "2026-11-20T18:30:00Z",
            "2026-11-20T18:30:00.2Z",
            "2026-11-21T00:50:17.001Z",
            "2026-11-21T00:50:17.999Z",
        ] {
            assert_eq!(nightly.before(at(now)), Some(tick), "{now}");
            assert_eq!(
                due(&nightly, CatchUp::RunOnce, tick, at(now)),
                None,
                "{now}"
            );
        }
        assert_eq!(nightly.after(at("2026-11-20T18:29:59.5Z")), Some(tick));
    }

    #[test]
    fn missed_ticks_are_run_for_once_or_skipped() {
        let hourly = Schedule::read("0 * * * *", chrono_tz::UTC).unwrap();
        let last = at("2026-11-20T09:00:00Z");
        let after = |catch_up, now: &str| due(&hourly, catch_up, last, at(now));
        for catch_up in [CatchUp::RunOnce, CatchUp::Skip] {
            assert_eq!(after(catch_up, "2026-11-20T09:59:59Z"), None);
            assert_eq!(
                after(catch_up, "2026-11-20T10:00:02Z"),
                Some((at("2026-11-20T10:00:00Z"), true))
            );
        }
        let newest = at("2026-11-20T12:00:00Z");
        assert_eq!(
            after(CatchUp::RunOnce, "2026-11-20T12:30:00Z"),
            Some((newest, true))
        );
        assert_eq!(
            after(CatchUp::Skip, "2026-11-20T12:30:00Z"),
            Some((newest, false))
        );
    }
}

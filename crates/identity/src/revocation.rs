mod store;

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use db::{Ctx, Scope};
use sqlx::PgConnection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Error, Identity};

/// How often a node asks what was taken back.
const EVERY: Duration = Duration::from_millis(250);
/// A node that has not heard for this long asks the database at each request instead of its memory.
const STALE: Duration = Duration::from_millis(800);
/// Rows are kept for much longer than anything signed lives.
const KEPT: chrono::Duration = chrono::Duration::hours(6);

/// What this node knows of what was taken back.
///
/// Whatever a node trusts from memory (tokens it can check by itself, keys it looked up before) is looked up here first.
/// The rows are read by polling rather than by LISTEN, because a lost connection then shows as a stale date and not as
/// silence; a stale node falls back to the database, and without the database it refuses.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    seen: RwLock<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By subject, when this node heard of it.
    taken_back: HashMap<Uuid, Instant>,
    heard_at: Option<Instant>,
    /// Rows of transactions before this one (a transaction id of PostgreSQL) have all been seen.
    horizon: String,
}

/// Says that sessions, keys or families were taken back or changed, in the transaction that does it.
pub(crate) async fn publish(
    conn: &mut PgConnection,
    cx: &Ctx,
    subjects: &[Uuid],
) -> Result<(), Error> {
    if !subjects.is_empty() {
        store::insert(conn, subjects, cx.clock.now()).await?;
    }
    Ok(())
}

/// Whether `subject` was taken back, from memory; from the database when this node is behind.
pub(crate) async fn is_revoked(room: &Identity, subject: Uuid) -> Result<bool, Error> {
    if let Some(known) = room.revocations.known(subject) {
        return Ok(known);
    }
    let mut tx = room.cx.db.begin(Scope::House("is it revoked")).await?;
    let revoked = store::exists(&mut tx, subject).await?;
    tx.commit().await?;
    Ok(revoked)
}

/// Follows what is taken back, until `stop`.
pub async fn follow_revocations(room: Identity, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = catch_up(&room).await {
            tracing::warn!(%error, "revocations can't be read; the database is asked at each request meanwhile");
        }
    }
}

/// Reads what was taken back since the last time.
pub(crate) async fn catch_up(room: &Identity) -> Result<(), Error> {
    let asked_at = Instant::now();
    let horizon = room.revocations.horizon();
    let mut tx = room.cx.db.begin(Scope::House("revocations")).await?;
    // the next horizon is taken before the rows are read, so that nothing commits unseen in between
    let next = store::horizon(&mut tx).await?;
    let subjects = store::since(&mut tx, &horizon).await?;
    tx.commit().await?;
    for subject in &subjects {
        room.keys.forget(*subject);
    }
    room.revocations.heard(subjects, next, asked_at);
    Ok(())
}

/// Forgets rows that nothing alive can refer to.
pub(crate) async fn clear(cx: &Ctx, most: i64) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("old revocations")).await?;
    store::delete_before(&mut tx, cx.clock.now() - KEPT, most).await?;
    tx.commit().await?;
    Ok(())
}

impl Revocations {
    /// Whether memory is as good as the database right now.
    pub(crate) fn is_fresh(&self) -> bool {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.heard_at.is_some_and(|at| at.elapsed() < STALE)
    }

    /// None when this node is behind.
    fn known(&self, subject: Uuid) -> Option<bool> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.heard_at
            .is_some_and(|at| at.elapsed() < STALE)
            .then(|| seen.taken_back.contains_key(&subject))
    }

    fn horizon(&self) -> String {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if seen.horizon.is_empty() {
            "0".to_owned()
        } else {
            seen.horizon.clone()
        }
    }

    fn heard(&self, subjects: Vec<Uuid>, horizon: String, asked_at: Instant) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            seen.taken_back.entry(subject).or_insert(asked_at);
        }
        let kept = KEPT.to_std().unwrap_or(Duration::MAX);
        seen.taken_back.retain(|_, at| at.elapsed() < kept);
        seen.heard_at = Some(asked_at);
        seen.horizon = horizon;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_answers_only_while_it_is_fresh() {
        let revocations = Revocations::default();
        let gone = Uuid::from_u128(1);
        assert_eq!(revocations.known(gone), None, "nothing was heard yet");
        revocations.heard(vec![gone], "7".into(), Instant::now());
        assert_eq!(revocations.known(gone), Some(true));
        assert_eq!(revocations.known(Uuid::from_u128(2)), Some(false));
        assert_eq!(revocations.horizon(), "7");
        let Some(long_ago) = Instant::now().checked_sub(STALE) else {
            return;
        };
        revocations.heard(Vec::new(), "8".into(), long_ago);
        assert_eq!(
            revocations.known(gone),
            None,
            "it has not heard for too long"
        );
    }
}

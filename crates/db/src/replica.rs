//! Reads at a replica that never show less than was committed when they were asked for.
//!
//! The rule is the read index of consensus protocols: ask the primary how far its log goes, then read at the replica
//! once it has replayed as far. Who wrote, and through which process, does not matter, so nothing has to be remembered of
//! writers. A replica that is away or late costs one read a moment of patience; then it rests, and the primary serves.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    ConnectError, PoolSize, Scope, Tx, Url,
    connect::{connect_options, pool_options},
    scope::enter_reading,
};

/// How long a read waits for a connection to the replica, which may have to be made.
const TO_REACH: Duration = Duration::from_secs(1);
/// How long a replica that could not be reached is not asked.
const AWAY: Duration = Duration::from_secs(5);
/// How long a read waits for the replica to come far enough.
const TO_REPLAY: Duration = Duration::from_millis(150);
/// How long a replica that came too late is not asked.
const LATE: Duration = Duration::from_secs(1);
/// How often it is looked whether the replica has come as far.
const LOOK: Duration = Duration::from_millis(3);

/// Another server that replays what is written at the primary.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pool: PgPool,
    rests_until: Arc<Mutex<Option<Instant>>>,
}

/// How many bytes of log were ever written at a server.
type Position = i64;

const SYSTEM: &str = "select system_identifier from pg_control_system()";
/// Where the log is written next, and not where it is on the disk: what was committed without waiting for the disk is
/// seen by others already.
const WRITTEN: &str = "select (pg_current_wal_insert_lsn() - '0/0')::int8";
/// None of a server that replays nothing.
const REPLAYED: &str =
    "select case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0')::int8 end";

impl Replica {
    /// The replica of `primary` at `url`, which need not be there yet. Of the URL its place counts; the role is `app`'s.
    pub(crate) async fn of(
        primary: &PgPool,
        (url, app): (&Url, &Url),
        size: PoolSize,
    ) -> Result<Self, ConnectError> {
        let options = connect_options(&placed(app, url)?)?;
        let house: i64 = sqlx::query_scalar(SYSTEM)
            .fetch_one(primary)
            .await
            .map_err(ConnectError::Unreachable)?;
        let pool = pool_options(size.0)
            .after_connect(move |conn, _| {
                Box::pin(async move {
                    // of a stranger's server a position says nothing
                    let found: i64 = sqlx::query_scalar(SYSTEM).fetch_one(conn).await?;
                    if found == house {
                        Ok(())
                    } else {
                        Err(sqlx::Error::Configuration(
                            "READ_DATABASE_URL names a server that is no replica of this database"
                                .into(),
                        ))
                    }
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            rests_until: Arc::default(),
        })
    }

    /// A transaction at the replica, if it is there and comes far enough in time.
    pub(crate) async fn begin(&self, primary: &PgPool, scope: Scope) -> Option<Tx> {
        if self.rests() {
            return None;
        }
        let wanted: Position = sqlx::query_scalar(WRITTEN).fetch_one(primary).await.ok()?;
        let tx = match timeout(TO_REACH, self.pool.begin_with(enter_reading(scope))).await {
            Ok(Ok(tx)) => tx,
            Ok(Err(error)) => return self.rest(AWAY, &error),
            Err(slow) => return self.rest(AWAY, &slow),
        };
        match timeout(TO_REPLAY, reach(tx, wanted)).await {
            Ok(Ok(tx)) => Some(tx),
            Ok(Err(error)) => self.rest(AWAY, &error),
            Err(late) => self.rest(LATE, &late),
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    fn rests(&self) -> bool {
        let until = *self
            .rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self, how_long: Duration, why: &dyn std::fmt::Display) -> Option<Tx> {
        metrics::counter!("database_replica_rests_total").increment(1);
        tracing::warn!(why = %why, "the replica is away or late; the primary serves reads");
        let mut until = self
            .rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + how_long);
        None
    }
}

/// Waits until the replica has replayed the log to `wanted`.
async fn reach(mut tx: Tx, wanted: Position) -> sqlx::Result<Tx> {
    let mut is_first = true;
    loop {
        let replayed: Option<Position> = sqlx::query_scalar(REPLAYED).fetch_one(&mut *tx).await?;
        let replayed = replayed.ok_or_else(|| {
            sqlx::Error::Configuration(
                "READ_DATABASE_URL names a server that replays nothing".into(),
            )
        })?;
        if is_first {
            told_behind(wanted - replayed);
            is_first = false;
        }
        if replayed >= wanted {
            return Ok(tx);
        }
        sleep(LOOK).await;
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is looked at, not counted with"
)]
fn told_behind(bytes: i64) {
    metrics::gauge!("database_replica_behind_bytes").set(bytes.max(0) as f64);
}

/// `app`'s role and options at the place of `replica`.
fn placed(app: &Url, replica: &Url) -> Result<Url, ConnectError> {
    let read = |url: &Url| url::Url::parse(url.expose_secret()).map_err(|_| ConnectError::BadUrl);
    let (app, mut placed) = (read(app)?, read(replica)?);
    placed
        .set_username(app.username())
        .and_then(|()| placed.set_password(app.password()))
        .map_err(|()| ConnectError::BadUrl)?;
    if placed
        .query_pairs()
        .any(|(key, _)| key == "user" || key == "password")
    {
        return Err(ConnectError::BadUrl);
    }
    Ok(SecretString::from(String::from(placed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_entered_as_the_app_role_of_its_primary() {
        let url = |text: &str| SecretString::from(text);
        let placed = |app, replica| {
            placed(&url(app), &url(replica)).map(|url| url.expose_secret().to_owned())
        };
        let app = "postgres://noren_app:secret@db.example/noren";
        assert_eq!(
            placed(
                app,
                "postgres://owner:other@copy.example:5433/noren?sslmode=require"
            )
            .unwrap(),
            "postgres://noren_app:secret@copy.example:5433/noren?sslmode=require"
        );
        assert_eq!(
            placed(
                "postgres://noren_app@localhost/noren?host=/run/a",
                "postgres://localhost/noren?host=/run/b"
            )
            .unwrap(),
            "postgres://noren_app@localhost/noren?host=/run/b"
        );
        assert!(placed(app, "postgres://copy.example/noren?user=root").is_err());
        assert!(placed(app, "copy.example").is_err());
    }
}

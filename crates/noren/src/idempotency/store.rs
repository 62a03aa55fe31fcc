use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Claim, Found};

/// Takes a key for one request; says whether it was free: never used, expired, or left by a process that died at the same
/// request.
pub(super) async fn claim(
    conn: &mut PgConnection,
    claim: &Claim,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"insert into noren.answer as a (scope, fingerprint, lease_id, lease_until, expires_at) values ($1, $2, $3, $4, $5)
           on conflict (scope) do update
           set fingerprint = $2, state = 'working', lease_id = $3, lease_until = $4, sealed = null, expires_at = $5
           where a.expires_at <= $6 or (a.state = 'working' and a.lease_until <= $6 and a.fingerprint = $2)
           returning true as "claimed!""#,
        claim.scope,
        claim.fingerprint,
        claim.lease,
        claim.lease_until,
        claim.expires_at,
        now,
    )
    .fetch_optional(conn)
    .await
    .map(|claimed| claimed.is_some())
}

pub(super) async fn find(conn: &mut PgConnection, scope: &[u8]) -> sqlx::Result<Option<Found>> {
    sqlx::query_as!(
        Found,
        "select fingerprint, state, sealed from noren.answer where scope = $1",
        scope,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn renew(
    conn: &mut PgConnection,
    claim: &Claim,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update noren.answer set lease_until = $3 where scope = $1 and lease_id = $2",
        claim.scope,
        claim.lease,
        until,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Writes the answer down, or that it is not kept, unless the key is another request's by now.
pub(super) async fn finish(
    conn: &mut PgConnection,
    claim: &Claim,
    sealed: Option<&[u8]>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update noren.answer
         set state = case when $3::bytea is null then 'unkept' else 'kept' end, sealed = $3, lease_id = null, lease_until = null
         where scope = $1 and lease_id = $2",
        claim.scope,
        claim.lease,
        sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn free(conn: &mut PgConnection, claim: &Claim) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from noren.answer where scope = $1 and lease_id = $2",
        claim.scope,
        claim.lease,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete_expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from noren.answer where scope in
             (select scope from noren.answer where expires_at <= $1 limit $2 for update skip locked)",
        now,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A name for one attempt.
pub(super) type Lease = Uuid;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Held, totp::Kept};
use crate::UserId;

pub(super) async fn held(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Held> {
    sqlx::query_as!(
        Held,
        r#"select
               exists (select from identity.totp where user_id = $1 and confirmed_at is not null) as "totp!",
               (select count(*) from identity.recovery_code where user_id = $1 and used_at is null) as "recovery_codes!",
               (select count(*) from identity.passkey where user_id = $1) as "passkeys!""#,
        user as UserId,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn has_used_passkey(conn: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from identity.passkey where user_id = $1 and last_used_at is not null) as "has!""#,
        user as UserId,
    )
    .fetch_one(conn)
    .await
}

/// Keeps a secret that waits to be confirmed; says whether it could, which one in force prevents.
pub(super) async fn put_totp(
    conn: &mut PgConnection,
    user: UserId,
    sealed: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "insert into identity.totp as t (user_id, secret, created_at) values ($1, $2, $3)
         on conflict (user_id) do update set secret = excluded.secret, created_at = excluded.created_at
         where t.confirmed_at is null",
        user as UserId,
        sealed,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn lock_totp(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        "select secret as sealed, created_at, confirmed_at from identity.totp where user_id = $1 for update",
        user as UserId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn confirm_totp(
    conn: &mut PgConnection,
    user: UserId,
    step: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.totp set confirmed_at = $3, last_step = $2 where user_id = $1",
        user as UserId,
        step,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn totp_in_force(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<Vec<u8>>> {
    sqlx::query_scalar!(
        "select secret from identity.totp where user_id = $1 and confirmed_at is not null",
        user as UserId,
    )
    .fetch_optional(conn)
    .await
}

/// Secrets that don't begin with `prefix`, of users behind `after`, locked.
pub(super) async fn sealed_otherwise(
    conn: &mut PgConnection,
    prefix: &[u8],
    after: UserId,
    most: i64,
) -> sqlx::Result<Vec<(UserId, Vec<u8>)>> {
    sqlx::query!(
        r#"select user_id as "user: UserId", secret from identity.totp
           where substring(secret from 1 for length($1::bytea)) <> $1 and user_id > $2
           order by user_id limit $3 for update"#,
        prefix,
        after as UserId,
        most,
    )
    .map(|row| (row.user, row.secret))
    .fetch_all(conn)
    .await
}

pub(super) async fn reseal_totp(
    conn: &mut PgConnection,
    user: UserId,
    sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.totp set secret = $2 where user_id = $1",
        user as UserId,
        sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Uses up a step and all before it; says whether it was still there to be used.
pub(super) async fn use_step(
    conn: &mut PgConnection,
    user: UserId,
    step: i64,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.totp set last_step = $2 where user_id = $1 and confirmed_at is not null and last_step < $2",
        user as UserId,
        step,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn delete_totp(conn: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    sqlx::query!(
        "delete from identity.totp where user_id = $1",
        user as UserId
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn insert_recovery_codes(
    conn: &mut PgConnection,
    user: UserId,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.recovery_code (user_id, code_hash, created_at)
         select $1, hash, $3 from unnest($2::bytea[]) as hash",
        user as UserId,
        hashes,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Uses up a code; says whether it was still there to be used.
pub(super) async fn use_recovery_code(
    conn: &mut PgConnection,
    user: UserId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.recovery_code set used_at = $3 where user_id = $1 and code_hash = $2 and used_at is null",
        user as UserId,
        hash,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn delete_recovery_codes(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.recovery_code where user_id = $1",
        user as UserId
    )
    .execute(conn)
    .await
    .map(drop)
}

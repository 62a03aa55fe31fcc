use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Counts one try unless the window is full; says whether it was counted.
pub(super) async fn count(
    conn: &mut PgConnection,
    bucket: &[u8],
    most: i32,
    now: DateTime<Utc>,
    window_ends: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "insert into identity.throttle as t (bucket, tries, ends_at) values ($1, 1, $4)
         on conflict (bucket) do update set
             tries = case when t.ends_at <= $3 then 1 else t.tries + 1 end,
             ends_at = case when t.ends_at <= $3 then $4 else t.ends_at end
         where t.ends_at <= $3 or t.tries < $2",
        bucket,
        most,
        now,
        window_ends,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn ends_at(
    conn: &mut PgConnection,
    bucket: &[u8],
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select ends_at from identity.throttle where bucket = $1",
        bucket
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn give_back(conn: &mut PgConnection, bucket: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.throttle set tries = tries - 1 where bucket = $1 and tries > 0",
        bucket
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete_over(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.throttle where bucket in
             (select bucket from identity.throttle where ends_at <= $1 order by ends_at limit $2 for update skip locked)",
        now,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}

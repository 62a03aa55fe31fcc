use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

pub(super) async fn insert(
    conn: &mut PgConnection,
    subjects: &[Uuid],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.revocation (subject, at) select subject, $2 from unnest($1::uuid[]) as subject",
        subjects,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn exists(conn: &mut PgConnection, subject: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from identity.revocation where subject = $1) as "exists!""#,
        subject
    )
    .fetch_one(conn)
    .await
}

/// The oldest transaction that may still commit something new.
pub(super) async fn horizon(conn: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar!(r#"select pg_snapshot_xmin(pg_current_snapshot())::text as "xmin!""#)
        .fetch_one(conn)
        .await
}

pub(super) async fn since(conn: &mut PgConnection, horizon: &str) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select subject from identity.revocation where xid >= $1::text::xid8",
        horizon
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn delete_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.revocation where seq in
             (select seq from identity.revocation where at < $1 order by at limit $2)",
        before,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}

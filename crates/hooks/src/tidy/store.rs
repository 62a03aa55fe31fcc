use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub(super) async fn remove(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from hooks.event where id in (select id from hooks.event where created_at < $1 limit $2)",
        before,
        most,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

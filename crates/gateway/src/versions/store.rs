use sqlx::PgConnection;

use super::ModelVersion;

/// The line in which those who apply stand.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended('gateway.models', 0))::text as "locked""#
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// The number of the one in force; none where none was ever applied.
pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!("select max(version) from gateway.model_version")
        .fetch_one(conn)
        .await
}

pub(super) async fn text(conn: &mut PgConnection, version: i32) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select text from gateway.model_version where version = $1",
        version
    )
    .fetch_optional(conn)
    .await
}

/// The newest first.
pub(super) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<ModelVersion>> {
    sqlx::query_as!(
        ModelVersion,
        r#"select version, models, note, applied_by as "applied_by?", applied_at as "applied_at?"
           from gateway.model_version order by version desc limit 100"#
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    new: &ModelVersion,
    text: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.model_version (version, text, models, note, applied_by, applied_at)
         values ($1, $2, $3, $4, $5, $6)",
        new.version,
        text,
        new.models,
        new.note,
        new.applied_by,
        new.applied_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

use sqlx::PgConnection;
use uuid::Uuid;

use super::{AllFound, Evaluated, Found};

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    (new, found): (&Evaluated<'_>, &Found),
    by: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.evaluation (id, evaluation, model, subject, passed, asked, kept, evaluated_by, evaluated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id,
        new.evaluation,
        new.model,
        new.subject,
        found.passed,
        found.asked,
        found.kept,
        by,
        found.at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<AllFound> {
    let rows = sqlx::query!(
        "select distinct on (evaluation, subject) evaluation, subject, passed, asked, kept, evaluated_at
         from gateway.evaluation order by evaluation, subject, evaluated_at desc, id desc",
    )
    .fetch_all(conn)
    .await?;
    let found = rows.into_iter().map(|row| {
        let found = Found {
            passed: row.passed,
            asked: row.asked,
            kept: row.kept,
            at: row.evaluated_at,
        };
        ((row.evaluation, row.subject), found)
    });
    Ok(found.collect())
}

use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::Repeat;
use crate::RunId;

/// False when the key is known; a transaction that is writing it is waited for.
pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    repeat: &Repeat,
    run: RunId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into gateway.repeat_key (tenant_id, key, fingerprint, run_id, created_at)
         values ($1, $2, $3, $4, $5) on conflict (tenant_id, key) do nothing",
        tenant as TenantId,
        repeat.key,
        repeat.fingerprint,
        run as RunId,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: &str,
) -> sqlx::Result<Option<(RunId, Vec<u8>)>> {
    sqlx::query!(
        r#"select run_id as "run: RunId", fingerprint from gateway.repeat_key where tenant_id = $1 and key = $2"#,
        tenant as TenantId,
        key,
    )
    .map(|row| (row.run, row.fingerprint))
    .fetch_optional(conn)
    .await
}

pub(super) async fn forget(
    conn: &mut PgConnection,
    tenant: TenantId,
    before: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.repeat_key where tenant_id = $1 and created_at < $2",
        tenant as TenantId,
        before,
    )
    .execute(conn)
    .await
    .map(drop)
}

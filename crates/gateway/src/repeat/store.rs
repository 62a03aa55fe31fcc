use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::Repeat;
use crate::RunId;

/// A key that is known.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) run: RunId,
    pub(super) fingerprint: Vec<u8>,
    /// Why its run failed, if that said nothing and was not billed, nor is a job that was given to another run since.
    pub(super) failed_for: Option<String>,
}

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
) -> sqlx::Result<Option<Found>> {
    sqlx::query_as!(
        Found,
        r#"select run_id as "run: RunId", fingerprint,
                  (select reason from gateway.run
                   where run.id = repeat_key.run_id and state = 'failed' and tokens_out = 0 and cost_nano_usd = 0
                         and not exists (select from gateway.run_event where run_event.run_id = run.id and kind = 'delta')
                         and not exists (select from gateway.endpoint_job where endpoint_job.id = run.id and endpoint_job.run_id <> run.id))
                  as "failed_for?"
           from gateway.repeat_key where tenant_id = $1 and key = $2"#,
        tenant as TenantId,
        key,
    )
    .fetch_optional(conn)
    .await
}

/// Frees a key that names this run.
pub(super) async fn free(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: &str,
    run: RunId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.repeat_key where tenant_id = $1 and key = $2 and run_id = $3",
        tenant as TenantId,
        key,
        run as RunId,
    )
    .execute(conn)
    .await
    .map(drop)
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

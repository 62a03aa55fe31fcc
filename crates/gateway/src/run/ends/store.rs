use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Named;
use crate::RunId;

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    run: RunId,
    named: &Named,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.run_hook (run_id, tenant_id, url, events) values ($1, $2, $3, $4)",
        run as RunId,
        tenant as TenantId,
        named.url,
        &named.events,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(conn: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Named>> {
    sqlx::query_as!(
        Named,
        "select url, events from gateway.run_hook where run_id = $1",
        run as RunId,
    )
    .fetch_optional(conn)
    .await
}

/// Somebody who waits for the end of a run.
pub(super) struct Waiting {
    pub(super) tenant: TenantId,
    pub(super) run: RunId,
    /// The job that the run works on.
    pub(super) job: RunId,
    /// None: what the job named.
    pub(super) named: Option<Named>,
}

/// Who waits for any of these runs, in one question, since it is asked at every end.
pub(super) async fn awaited(conn: &mut PgConnection, runs: &[Uuid]) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query!(
        r#"select tenant_id as "tenant!: TenantId", run_id as "run!: RunId", id as "job!: RunId", null::text as url,
                  null::text[] as events
           from gateway.endpoint_job where run_id = any($1) and webhook is not null
           union all
           select tenant_id, run_id, run_id, url, events from gateway.run_hook where run_id = any($1)"#,
        runs,
    )
    .map(|row| Waiting {
        tenant: row.tenant,
        run: row.run,
        job: row.job,
        named: row.url.map(|url| Named {
            url,
            events: row.events.unwrap_or_default(),
        }),
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.run_hook where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

use chrono::{DateTime, Utc};
use identity::TenantId;
use llm::ChatRequest;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::RunId;

/// A job as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// The run that works on it.
    pub(super) run: RunId,
    pub(super) told: i32,
    /// None once it is too old to be asked again.
    pub(super) ask: Option<Json<ChatRequest>>,
}

/// A job to be kept.
#[derive(Debug)]
pub(super) struct NewJob<'a> {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) shape: char,
    /// None where it may not be asked again.
    pub(super) ask: Option<Json<&'a ChatRequest>>,
    pub(super) webhook: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// Keeps a job; the same request again changes nothing.
pub(super) async fn insert(conn: &mut PgConnection, job: &NewJob<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.endpoint_job (id, tenant_id, run_id, shape, ask, webhook, created_at)
         values ($1, $2, $1, $3, $4, $5, $6) on conflict (id) do nothing",
        job.id as RunId,
        job.tenant as TenantId,
        job.shape.to_string(),
        &job.ask as &Option<Json<&ChatRequest>>,
        job.webhook,
        job.now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Drops what nobody may ask again any more.
pub(super) async fn forget_asks(
    conn: &mut PgConnection,
    tenant: TenantId,
    before: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.endpoint_job set ask = null where tenant_id = $1 and created_at < $2 and ask is not null",
        tenant as TenantId,
        before,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The run that works on a job; none for a run that another door started.
pub(super) async fn run(conn: &mut PgConnection, id: RunId) -> sqlx::Result<Option<RunId>> {
    sqlx::query_scalar!(
        r#"select run_id as "run: RunId" from gateway.endpoint_job where id = $1"#,
        id as RunId,
    )
    .fetch_optional(conn)
    .await
}

/// Locks a job, so that of several who ask one goes first.
pub(super) async fn lock(conn: &mut PgConnection, id: RunId) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select run_id as "run: RunId", told, ask as "ask: Json<ChatRequest>"
           from gateway.endpoint_job where id = $1 for update"#,
        id as RunId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn told(conn: &mut PgConnection, id: RunId, seq: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.endpoint_job set told = $2 where id = $1",
        id as RunId,
        seq,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Gives a job to another run; its stream begins anew.
pub(super) async fn again(conn: &mut PgConnection, id: RunId, run: RunId) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.endpoint_job set run_id = $2, told = 0 where id = $1",
        id as RunId,
        run as RunId,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Which of these runs work on jobs whose end somebody wants to be told: (tenant, job, run).
pub(super) async fn awaited(
    conn: &mut PgConnection,
    runs: &[Uuid],
) -> sqlx::Result<Vec<(TenantId, RunId, RunId)>> {
    sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", id as "id: RunId", run_id as "run: RunId" from gateway.endpoint_job
           where run_id = any($1) and webhook is not null"#,
        runs,
    )
    .map(|row| (row.tenant, row.id, row.run))
    .fetch_all(conn)
    .await
}

/// Who is told of a job's end, and in which shape.
pub(super) async fn to_tell(
    conn: &mut PgConnection,
    id: RunId,
) -> sqlx::Result<Option<(String, String)>> {
    sqlx::query!(
        r#"select shape, webhook as "webhook!" from gateway.endpoint_job
           where id = $1 and webhook is not null"#,
        id as RunId,
    )
    .map(|row| (row.shape, row.webhook))
    .fetch_optional(conn)
    .await
}

/// What an endpoint has done for a tenant since a moment.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) queued: i64,
    pub(super) running: i64,
    pub(super) completed: i64,
    pub(super) failed: i64,
}

pub(super) async fn counts(
    conn: &mut PgConnection,
    tenant: TenantId,
    endpoint: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<Counts> {
    sqlx::query_as!(
        Counts,
        r#"select count(*) filter (where state = 'queued') as "queued!", count(*) filter (where state = 'running') as "running!",
                  count(*) filter (where state = 'completed') as "completed!", count(*) filter (where state = 'failed') as "failed!"
           from gateway.run where tenant_id = $1 and route = $2 and created_at >= $3"#,
        tenant as TenantId,
        endpoint,
        since,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.endpoint_job where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

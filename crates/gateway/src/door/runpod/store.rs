use chrono::{DateTime, Utc};
use identity::TenantId;
use llm::ChatRequest;
use seal::Vault;
use sqlx::{PgConnection, types::Json};

use crate::{
    Error, RunId,
    run::{Part, Place},
};

/// A job as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// The run that works on it.
    pub(super) run: RunId,
    pub(super) told: i32,
    /// None once it is too old to be asked again.
    pub(super) ask: Option<ChatRequest>,
}

/// A job to be kept.
#[derive(Debug)]
pub(super) struct NewJob<'a> {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) shape: char,
    /// None where it may not be asked again.
    pub(super) ask: Option<&'a ChatRequest>,
    pub(super) webhook: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// Keeps a job; the same request again changes nothing.
pub(super) async fn insert(
    conn: &mut PgConnection,
    vault: &Vault,
    job: &NewJob<'_>,
) -> Result<(), Error> {
    let place = Place::new(job.tenant, job.id, Part::Again);
    let ask = job.ask.map(|ask| place.seal_json(vault, ask)).transpose()?;
    sqlx::query!(
        "insert into gateway.endpoint_job (id, tenant_id, run_id, shape, sealed_ask, webhook, created_at)
         values ($1, $2, $1, $3, $4, $5, $6) on conflict (id) do nothing",
        job.id as RunId,
        job.tenant as TenantId,
        job.shape.to_string(),
        ask,
        job.webhook,
        job.now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops what nobody may ask again any more.
pub(super) async fn forget_asks(
    conn: &mut PgConnection,
    tenant: TenantId,
    before: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.endpoint_job set ask = null, sealed_ask = null
         where tenant_id = $1 and created_at < $2 and (ask is not null or sealed_ask is not null)",
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
pub(super) async fn lock(
    conn: &mut PgConnection,
    vault: &Vault,
    id: RunId,
) -> Result<Option<Kept>, Error> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", run_id as "run: RunId", told, ask as "ask: Json<ChatRequest>", sealed_ask
           from gateway.endpoint_job where id = $1 for update"#,
        id as RunId,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let place = Place::new(row.tenant, id, Part::Again);
    Ok(Some(Kept {
        run: row.run,
        told: row.told,
        ask: match row.sealed_ask {
            Some(sealed) => Some(place.open_json(vault, &sealed)?),
            None => row.ask.map(|Json(ask)| ask),
        },
    }))
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

/// Asks a tenant's runs to stop that came in by a door since a moment for an endpoint, and have not begun.
pub(super) async fn call_off(
    conn: &mut PgConnection,
    tenant: TenantId,
    (endpoint, door): (&str, &str),
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<RunId>> {
    sqlx::query_scalar!(
        r#"update gateway.run set cancel_requested = true
           where tenant_id = $1 and route = $2 and door = $3 and created_at >= $4 and state = 'queued' and not cancel_requested
           returning id as "id: RunId""#,
        tenant as TenantId,
        endpoint,
        door,
        since,
    )
    .fetch_all(conn)
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

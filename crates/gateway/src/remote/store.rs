use chrono::{DateTime, Utc};
use identity::TenantId;
use kernel::NanoUsd;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Price, RunId, provider::runpod::queue::Remote};

/// Keeps a job that a run has at a provider.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    job: &Remote,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.remote_job (run_id, tenant_id, base_url, endpoint, job, created_at, dies_at, price_input, price_output,
             price_cached, tokens_in, is_judged, wanted_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict do nothing",
        job.run as RunId,
        job.tenant as TenantId,
        job.base_url,
        job.endpoint,
        job.job,
        now,
        job.dies_at,
        job.price.map(|price| price.input.0),
        job.price.map(|price| price.output.0),
        job.price.and_then(|price| price.cached).map(|price| price.0),
        job.tokens_in,
        job.is_judged,
        job.wanted_until,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Notes that a provider's job is over.
pub(crate) async fn close(
    conn: &mut PgConnection,
    run: RunId,
    job: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.remote_job set closed_at = $3 where run_id = $1 and job = $2 and closed_at is null",
        run as RunId,
        job,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

struct Row {
    run: RunId,
    tenant: TenantId,
    base_url: String,
    endpoint: String,
    job: String,
    dies_at: DateTime<Utc>,
    price_input: Option<i64>,
    price_output: Option<i64>,
    price_cached: Option<i64>,
    tokens_in: i64,
    is_judged: bool,
    wanted_until: Option<DateTime<Utc>>,
}

impl From<Row> for Remote {
    fn from(row: Row) -> Self {
        let price = row.price_input.zip(row.price_output);
        Self {
            run: row.run,
            tenant: row.tenant,
            base_url: row.base_url,
            endpoint: row.endpoint,
            job: row.job,
            dies_at: row.dies_at,
            price: price.map(|(input, output)| Price {
                input: NanoUsd(input),
                output: NanoUsd(output),
                cached: row.price_cached.map(NanoUsd),
                // a line of machines keeps no cache, and costs the same for long questions
                ..Price::default()
            }),
            tokens_in: row.tokens_in,
            is_judged: row.is_judged,
            wanted_until: row.wanted_until.unwrap_or(row.dies_at),
        }
    }
}

/// Jobs that are open while their run has ended.
pub(crate) async fn leftover(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<Remote>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select j.run_id as "run: RunId", j.tenant_id as "tenant: TenantId", j.base_url, j.endpoint, j.job, j.dies_at,
                  j.price_input, j.price_output, j.price_cached, j.tokens_in, j.is_judged, j.wanted_until
           from gateway.remote_job j join gateway.run r on r.id = j.run_id
           where j.closed_at is null and r.ended_at <= $1
           order by j.created_at limit $2"#,
        ended_before,
        most,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Remote::from).collect())
}

/// The newest open job of each of these runs that has one.
pub(crate) async fn newest_of(conn: &mut PgConnection, runs: &[Uuid]) -> sqlx::Result<Vec<Remote>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select distinct on (j.run_id) j.run_id as "run: RunId", j.tenant_id as "tenant: TenantId", j.base_url, j.endpoint, j.job,
                  j.dies_at, j.price_input, j.price_output, j.price_cached, j.tokens_in, j.is_judged, j.wanted_until
           from gateway.remote_job j where j.run_id = any($1) and j.closed_at is null
           order by j.run_id, j.created_at desc"#,
        runs,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Remote::from).collect())
}

/// What a run's end needs to know of it.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) storefront: String,
    pub(crate) is_to_stop: bool,
}

pub(crate) async fn standing(conn: &mut PgConnection, run: RunId) -> sqlx::Result<Standing> {
    sqlx::query_as!(
        Standing,
        r#"select storefront, cancel_requested as "is_to_stop" from gateway.run where id = $1"#,
        run as RunId,
    )
    .fetch_one(conn)
    .await
}

/// Has a run looked at again later.
pub(crate) async fn postpone(
    conn: &mut PgConnection,
    run: RunId,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.run set lease_until = $2 where id = $1 and ended_at is null",
        run as RunId,
        until,
    )
    .execute(conn)
    .await
    .map(drop)
}

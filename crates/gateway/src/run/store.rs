use chrono::{DateTime, Utc};
use entitlement::ReservationId;
use identity::TenantId;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Event, EventKind, RunId, RunView, State, drive::Verdict};

#[derive(Debug)]
pub(super) struct NewRun<'a> {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) reservation: ReservationId,
    pub(super) storefront: &'a str,
    pub(super) route: &'a str,
    pub(super) model: &'a str,
    pub(super) node: Uuid,
    pub(super) lease_until: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
}

/// How a run ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending<'a> {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) verdict: Verdict,
    pub(super) seq: i32,
    pub(super) output: &'a str,
    pub(super) model: &'a str,
    pub(super) tokens_in: i64,
    pub(super) tokens_out: i64,
    pub(super) cost_nano_usd: i64,
}

/// A run without a living node.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) reservation: ReservationId,
    pub(super) model: String,
}

pub(super) async fn insert(conn: &mut PgConnection, run: &NewRun<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.run
             (id, tenant_id, reservation_id, storefront, route, model, node_id, lease_until, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        run.id as RunId,
        run.tenant as TenantId,
        run.reservation as ReservationId,
        run.storefront,
        run.route,
        run.model,
        run.node,
        run.lease_until,
        run.now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(conn: &mut PgConnection, id: RunId) -> sqlx::Result<Option<RunView>> {
    Ok(find_all(conn, &[id.0]).await?.pop())
}

/// Runs with what they produced so far; until the end that is the sum of their events.
pub(super) async fn find_all(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<RunView>> {
    sqlx::query_as!(
        RunView,
        r#"select id as "id: RunId", state as "state: State", reason, model, route, tokens_in, tokens_out, cost_nano_usd,
                  case when ended_at is not null then output
                       else coalesce((select string_agg(e.data ->> 'text', '' order by e.seq) from gateway.run_event e
                                      where e.run_id = run.id and e.kind = 'delta'), '') end as "output!",
                  created_at, started_at, ended_at, last_event as last_event_id
           from gateway.run where id = any($1)"#,
        ids,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn request_cancel(conn: &mut PgConnection, id: RunId) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.run set cancel_requested = true where id = $1 and ended_at is null",
        id as RunId
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Renews a run's lease and counts its events; none when the run has ended without us, otherwise whether it is to stop.
pub(super) async fn touch(
    conn: &mut PgConnection,
    id: RunId,
    last_event: i32,
    model: &str,
    lease_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        "update gateway.run
         set last_event = $2, model = $3, lease_until = $4,
             state = case when $2 > 0 then 'running' else state end,
             started_at = case when $2 > 0 then coalesce(started_at, $5) else started_at end
         where id = $1 and ended_at is null
         returning cancel_requested",
        id as RunId,
        last_event,
        model,
        lease_until,
        now,
    )
    .fetch_optional(conn)
    .await
}

/// Writes events; those that were written before stay, since a commit may succeed without our hearing of it.
pub(super) async fn insert_events(
    conn: &mut PgConnection,
    id: RunId,
    tenant: TenantId,
    events: &[Event],
) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let seqs: Vec<i32> = events.iter().map(|event| event.seq).collect();
    let kinds: Vec<String> = events
        .iter()
        .map(|event| event.kind.as_str().to_owned())
        .collect();
    let data: Vec<Value> = events.iter().map(|event| event.data.clone()).collect();
    sqlx::query!(
        "insert into gateway.run_event (run_id, tenant_id, seq, kind, data)
         select $1, $2, event.seq, event.kind, event.data
         from unnest($3::integer[], $4::text[], $5::jsonb[]) as event (seq, kind, data)
         on conflict (run_id, seq) do nothing",
        id as RunId,
        tenant as TenantId,
        &seqs,
        &kinds,
        &data,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn events(
    conn: &mut PgConnection,
    id: RunId,
    after: i32,
) -> sqlx::Result<Vec<Event>> {
    sqlx::query!(
        "select seq, kind, data from gateway.run_event where run_id = $1 and seq > $2 order by seq",
        id as RunId,
        after,
    )
    .map(|row| Event {
        seq: row.seq,
        kind: EventKind::parse(&row.kind),
        data: row.data,
    })
    .fetch_all(conn)
    .await
}

/// Ends a run that has not ended; false when it has.
pub(super) async fn close(
    conn: &mut PgConnection,
    ending: &Ending<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update gateway.run
         set state = $2, reason = $3, output = $4, tokens_in = $5, tokens_out = $6, cost_nano_usd = $7, last_event = $8,
             model = $9, ended_at = $10,
             started_at = case when $8 > 1 then coalesce(started_at, $10) else started_at end
         where id = $1 and ended_at is null",
        ending.id as RunId,
        ending.verdict.state().as_str(),
        ending.verdict.reason(),
        ending.output,
        ending.tokens_in,
        ending.tokens_out,
        ending.cost_nano_usd,
        ending.seq,
        ending.model,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn orphans(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<Orphan>> {
    sqlx::query_as!(
        Orphan,
        r#"select id as "id: RunId", tenant_id as "tenant: TenantId", reservation_id as "reservation: ReservationId", model
           from gateway.run where ended_at is null and lease_until <= $1
           order by lease_until limit $2"#,
        now,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Locks a run that is still without a living node and tells the number of its newest event.
pub(super) async fn lock_orphan(
    conn: &mut PgConnection,
    id: RunId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        "select last_event from gateway.run where id = $1 and ended_at is null and lease_until <= $2
         for update skip locked",
        id as RunId,
        now,
    )
    .fetch_optional(conn)
    .await
}

/// The text of a run's durable events.
pub(super) async fn durable_output(conn: &mut PgConnection, id: RunId) -> sqlx::Result<String> {
    sqlx::query_scalar!(
        r#"select coalesce(string_agg(data ->> 'text', '' order by seq), '') as "text!"
           from gateway.run_event where run_id = $1 and kind = 'delta'"#,
        id as RunId,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!("select gateway.forget_tenant($1)", tenant as TenantId)
        .execute(conn)
        .await
        .map(drop)
}

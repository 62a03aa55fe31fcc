use chrono::{DateTime, Utc};
use entitlement::ReservationId;
use identity::TenantId;
use seal::Vault;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Event, EventKind, RunId, RunView, Tokens,
    event::{WHOLE_ENDS_AT, before_the_end, the_end},
    note::Note,
    view::Row,
    words::{Line, Unopened, open_answer},
};
use crate::{Error, State, guard::Refused, state::Verdict};

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
    /// When it was admitted.
    pub(super) created_at: DateTime<Utc>,
    /// When it is written, with so many events.
    pub(super) now: DateTime<Utc>,
    pub(super) last_event: i32,
    pub(super) note: &'a Note,
}

/// Stands between the tags of one run on their way to the database; no tag has it.
const BETWEEN_TAGS: &str = "\u{1f}";

/// How a run ends, and its answer as it is written.
pub(super) type Answered<'a> = (&'a Ending, Option<&'a [u8]>);

/// How a run ends.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) verdict: Verdict,
    pub(super) seq: i32,
    pub(super) output: String,
    pub(super) model: String,
    pub(super) tokens: Tokens,
    pub(super) cost_nano_usd: i64,
    /// Given again, for nothing.
    pub(super) is_cached: bool,
    /// Whether anybody has seen something of it.
    pub(super) was_shown: bool,
    /// Why what was shown is taken back.
    pub(super) refused_for: Option<&'static str>,
    /// The key under which the cache keeps its answer.
    pub(super) cached_as: Option<Vec<u8>>,
}

/// A run without a living node.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) reservation: ReservationId,
    pub(super) model: String,
}

/// Writes runs that begin, and what was asked unless whoever asks or the rule of its key or tenant wants none kept. What has
/// said something already, or is over, is written as it is.
pub(super) async fn insert_all(
    conn: &mut PgConnection,
    runs: &[(NewRun<'_>, Option<Answered<'_>>)],
) -> sqlx::Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let new = || runs.iter().map(|(run, _)| run);
    let ends = || runs.iter().map(|(_, end)| end.map(|(ending, _)| ending));
    let ids: Vec<Uuid> = new().map(|run| run.id.0).collect();
    let tenants: Vec<Uuid> = new().map(|run| run.tenant.0).collect();
    let reservations: Vec<Uuid> = new().map(|run| run.reservation.0).collect();
    let storefronts: Vec<&str> = new().map(|run| run.storefront).collect();
    let routes: Vec<&str> = new().map(|run| run.route).collect();
    let models: Vec<&str> = new().map(|run| run.model).collect();
    let nodes: Vec<Uuid> = new().map(|run| run.node).collect();
    let leases: Vec<DateTime<Utc>> = new().map(|run| run.lease_until).collect();
    let created: Vec<DateTime<Utc>> = new().map(|run| run.created_at).collect();
    let written: Vec<DateTime<Utc>> = new().map(|run| run.now).collect();
    let keys: Vec<Option<Uuid>> = new().map(|run| run.note.key.map(|key| key.0)).collect();
    let doors: Vec<&str> = new().map(|run| run.note.door).collect();
    let tags: Vec<String> = new().map(|run| run.note.tags.join(BETWEEN_TAGS)).collect();
    let stored: Vec<bool> = new().map(|run| run.note.is_stored).collect();
    let requests: Vec<Option<&[u8]>> = new().map(|run| run.note.request.as_deref()).collect();
    let seqs: Vec<i32> = new().map(|run| run.last_event).collect();
    let states: Vec<Option<&str>> = ends()
        .map(|end| Some(end?.verdict.state().as_str()))
        .collect();
    let reasons: Vec<Option<&str>> = ends().map(|end| end?.verdict.reason()).collect();
    let sealed = runs.iter().map(|(_, end)| end.and_then(|(_, words)| words));
    let outputs: Vec<Option<&[u8]>> = sealed.collect();
    let tokens = |of: fn(Tokens) -> i64| ends().map(move |end| Some(of(end?.tokens)));
    let tokens_in: Vec<Option<i64>> = tokens(|all| all.input).collect();
    let tokens_out: Vec<Option<i64>> = tokens(|all| all.output).collect();
    let cached: Vec<Option<i64>> = tokens(|all| all.cached).collect();
    let written_to_cache: Vec<Option<i64>> = tokens(|all| all.written).collect();
    let thought: Vec<Option<i64>> = tokens(|all| all.thought).collect();
    let costs: Vec<Option<i64>> = ends().map(|end| Some(end?.cost_nano_usd)).collect();
    let again: Vec<bool> = ends()
        .map(|end| end.is_some_and(|end| end.is_cached))
        .collect();
    sqlx::query!(
        "with r as (
             select unnest($1::uuid[]) as id, unnest($2::uuid[]) as tenant, unnest($3::uuid[]) as reservation,
                 unnest($4::text[]) as storefront, unnest($5::text[]) as route, unnest($6::text[]) as model, unnest($7::uuid[]) as node,
                 unnest($8::timestamptz[]) as lease, unnest($9::timestamptz[]) as created, unnest($10::uuid[]) as key,
                 unnest($11::text[]) as door, unnest($12::boolean[]) as stored, unnest($13::text[]) as tags, unnest($15::integer[]) as seq,
                 unnest($16::text[]) as state, unnest($17::text[]) as reason, unnest($18::bytea[]) as output,
                 unnest($19::bigint[]) as tokens_in, unnest($20::bigint[]) as tokens_out, unnest($21::bigint[]) as tokens_cached,
                 unnest($22::bigint[]) as cost, unnest($23::boolean[]) as again, unnest($24::timestamptz[]) as now,
                 unnest($25::bigint[]) as tokens_thought, unnest($26::bigint[]) as tokens_written
         ), asked as (
             select unnest($1::uuid[]) as run, unnest($2::uuid[]) as tenant, unnest($10::uuid[]) as key, unnest($14::bytea[]) as request
         ), shown as (
             insert into gateway.run_text (run_id, tenant_id, sealed)
             select run, tenant, request from asked
             left join gateway.retention of_key on of_key.tenant_id = tenant and of_key.key_id = key
             left join gateway.retention of_tenant on of_tenant.tenant_id = tenant and of_tenant.key_id is null
             where request is not null and coalesce(of_key.keep, of_tenant.keep, 'always') not in ('none', 'metadata')
         )
         insert into gateway.run
             (id, tenant_id, reservation_id, storefront, route, model, node_id, lease_until, created_at, key_id, door, is_stored, tags,
              last_event, started_at, state, reason, sealed_output, tokens_in, tokens_out, tokens_cached, tokens_written, tokens_thought,
              cost_nano_usd, is_cached, ended_at)
         select id, tenant, reservation, storefront, route, model, node, lease, created, key, door, stored,
             string_to_array(tags, chr(31)), seq, case when seq > 0 then now end,
             coalesce(state, case when seq > 0 then 'running' else 'queued' end), reason, output,
             coalesce(tokens_in, 0), coalesce(tokens_out, 0), coalesce(tokens_cached, 0), coalesce(tokens_written, 0), coalesce(tokens_thought, 0),
             coalesce(cost, 0), again,
             case when state is not null then now end
         from r",
        &ids,
        &tenants,
        &reservations,
        &storefronts as &[&str],
        &routes as &[&str],
        &models as &[&str],
        &nodes,
        &leases,
        &created,
        &keys as &[Option<Uuid>],
        &doors as &[&str],
        &stored,
        &tags,
        &requests as &[Option<&[u8]>],
        &seqs,
        &states as &[Option<&str>],
        &reasons as &[Option<&str>],
        &outputs as &[Option<&[u8]>],
        &tokens_in as &[Option<i64>],
        &tokens_out as &[Option<i64>],
        &cached as &[Option<i64>],
        &costs as &[Option<i64>],
        &again,
        &written,
        &thought as &[Option<i64>],
        &written_to_cache as &[Option<i64>],
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    vault: &Vault,
    id: RunId,
) -> sqlx::Result<Option<RunView>> {
    Ok(find_all(conn, vault, &[id.0]).await?.pop())
}

/// Runs with what they produced so far; until the end that is the sum of their events. What does not open is marked, so that
/// it keeps nobody from the others.
pub(super) async fn find_all(
    conn: &mut PgConnection,
    vault: &Vault,
    ids: &[Uuid],
) -> sqlx::Result<Vec<RunView>> {
    let rows = sqlx::query!(
        r#"select id as "id: RunId", tenant_id as "tenant: TenantId", state as "state: State", reason, model, route, tokens_in,
                  tokens_out, cost_nano_usd, output, sealed_output, created_at, started_at, ended_at, last_event
           from gateway.run where id = any($1)"#,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let output = if row.ended_at.is_none() && row.last_event > 0 {
            durable_output(conn, vault, row.id).await?
        } else {
            let whose = (row.id, row.tenant);
            open_answer(vault, whose, row.sealed_output.as_deref(), row.output)
        };
        found.push(RunView {
            id: row.id,
            state: row.state,
            reason: row.reason,
            model: row.model,
            route: row.route,
            tokens_in: row.tokens_in,
            tokens_out: row.tokens_out,
            cost_nano_usd: row.cost_nano_usd,
            is_closed: output.is_err(),
            output: output.unwrap_or_default(),
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            last_event_id: row.last_event,
        });
    }
    Ok(found)
}

/// Whether a run has ended; none where it is not to be seen.
pub(super) async fn is_ended(conn: &mut PgConnection, id: RunId) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"select ended_at is not null as "ended!" from gateway.run where id = $1"#,
        id as RunId,
    )
    .fetch_optional(conn)
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

/// A run that is alive, and how many events it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    pub(super) id: RunId,
    pub(super) last_event: i32,
    pub(super) model: &'a str,
}

/// Renews the leases of runs and counts their events; returns those that have not ended without us, and whether they are to
/// stop.
pub(super) async fn touch_all(
    conn: &mut PgConnection,
    runs: &[Touch<'_>],
    lease_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(RunId, bool)>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = runs.iter().map(|run| run.id.0).collect();
    let counts: Vec<i32> = runs.iter().map(|run| run.last_event).collect();
    let models: Vec<String> = runs.iter().map(|run| run.model.to_owned()).collect();
    sqlx::query!(
        r#"update gateway.run
           set last_event = t.last_event, model = t.model, lease_until = $4,
               state = case when t.last_event > 0 then 'running' else state end,
               started_at = case when t.last_event > 0 then coalesce(started_at, $5) else started_at end
           from unnest($1::uuid[], $2::integer[], $3::text[]) as t (id, last_event, model)
           where run.id = t.id and ended_at is null
           returning run.id as "id: RunId", cancel_requested"#,
        &ids,
        &counts,
        &models,
        lease_until,
        now,
    )
    .map(|row| (row.id, row.cancel_requested))
    .fetch_all(conn)
    .await
}

/// Writes events; those that were written before stay, since a commit may succeed without our hearing of it.
pub(super) async fn insert_all_events(
    conn: &mut PgConnection,
    events: &[(RunId, TenantId, &Line)],
) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = events.iter().map(|(run, _, _)| run.0).collect();
    let tenants: Vec<Uuid> = events.iter().map(|(_, tenant, _)| tenant.0).collect();
    let seqs: Vec<i32> = events.iter().map(|(_, _, event)| event.seq).collect();
    let kinds: Vec<String> = events
        .iter()
        .map(|(_, _, event)| event.kind.as_str().to_owned())
        .collect();
    let data: Vec<Value> = events
        .iter()
        .map(|(_, _, event)| event.data.clone())
        .collect();
    let sealed: Vec<Option<&[u8]>> = events
        .iter()
        .map(|(_, _, event)| event.sealed.as_deref())
        .collect();
    sqlx::query!(
        "insert into gateway.run_event (run_id, tenant_id, seq, kind, data, sealed)
         select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::jsonb[], $6::bytea[])
         on conflict (run_id, seq) do nothing",
        &runs,
        &tenants,
        &seqs,
        &kinds,
        &data,
        &sealed as &[Option<&[u8]>],
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The events of a run after number `after`; those that its row stands for are made anew.
pub(super) async fn events(
    conn: &mut PgConnection,
    vault: &Vault,
    id: RunId,
    after: i32,
) -> Result<Vec<Event>, Error> {
    let lines = sqlx::query!(
        r#"select seq, tenant_id as "tenant: TenantId", kind, data, sealed from gateway.run_event
           where run_id = $1 and seq > $2 order by seq"#,
        id as RunId,
        after,
    )
    .map(|row| {
        let line = Line {
            seq: row.seq,
            kind: EventKind::parse(&row.kind),
            data: row.data,
            sealed: row.sealed,
        };
        (row.tenant, line)
    })
    .fetch_all(&mut *conn)
    .await?;
    let events = lines
        .into_iter()
        .map(|(tenant, line)| line.open(vault, id, tenant))
        .collect::<Result<Vec<Event>, Unopened>>()?;
    let is_next = |event: &Event| event.seq == after + 1;
    if after >= WHOLE_ENDS_AT || events.first().is_some_and(is_next) {
        return Ok(events);
    }
    let whole = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", model, output, sealed_output, state as "state: State", reason, tokens_in, tokens_cached,
                  tokens_out, tokens_written, tokens_thought, cost_nano_usd
           from gateway.run where id = $1 and ended_at is not null and last_event = $2"#,
        id as RunId,
        WHOLE_ENDS_AT,
    )
    .fetch_optional(conn)
    .await?;
    let Some(run) = whole else {
        return Ok(events);
    };
    let told = (run.state, run.reason.as_deref());
    let tokens = Tokens {
        input: run.tokens_in,
        output: run.tokens_out,
        cached: run.tokens_cached,
        written: run.tokens_written,
        thought: run.tokens_thought,
    };
    let end = the_end(WHOLE_ENDS_AT, told, (tokens, run.cost_nano_usd));
    let owner = (id, run.tenant);
    let output = open_answer(vault, owner, run.sealed_output.as_deref(), run.output)?;
    let told = before_the_end(id, &run.model, &output).into_iter();
    Ok(told
        .chain([end])
        .filter(|event| event.seq > after)
        .collect())
}

/// A run that has ended just now.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) id: RunId,
    pub(super) door: String,
}

/// Ends runs that have not ended, each with its sealed answer, and returns those.
pub(super) async fn close_all(
    conn: &mut PgConnection,
    endings: &[Answered<'_>],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Closed>> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = endings.iter().map(|(ending, _)| ending.id.0).collect();
    let states: Vec<String> = endings
        .iter()
        .map(|(ending, _)| ending.verdict.state().as_str().to_owned())
        .collect();
    let reasons: Vec<Option<String>> = endings
        .iter()
        .map(|(ending, _)| ending.verdict.reason().map(str::to_owned))
        .collect();
    let outputs: Vec<Option<&[u8]>> = endings.iter().map(|(_, sealed)| *sealed).collect();
    let tokens = |of: fn(Tokens) -> i64| endings.iter().map(move |(end, _)| of(end.tokens));
    let tokens_in: Vec<i64> = tokens(|all| all.input).collect();
    let tokens_out: Vec<i64> = tokens(|all| all.output).collect();
    let costs: Vec<i64> = endings
        .iter()
        .map(|(ending, _)| ending.cost_nano_usd)
        .collect();
    let seqs: Vec<i32> = endings.iter().map(|(ending, _)| ending.seq).collect();
    let models: Vec<String> = endings
        .iter()
        .map(|(ending, _)| ending.model.clone())
        .collect();
    let again: Vec<bool> = endings.iter().map(|(ending, _)| ending.is_cached).collect();
    let cached: Vec<i64> = tokens(|all| all.cached).collect();
    let written_to_cache: Vec<i64> = tokens(|all| all.written).collect();
    let thought: Vec<i64> = tokens(|all| all.thought).collect();
    sqlx::query_as!(
        Closed,
        r#"update gateway.run
           set state = e.state, reason = e.reason, sealed_output = e.output, tokens_in = e.tokens_in, tokens_out = e.tokens_out,
               cost_nano_usd = e.cost_nano_usd, tokens_cached = e.tokens_cached, tokens_written = e.tokens_written,
               tokens_thought = e.tokens_thought, last_event = e.seq, model = e.model, ended_at = $10, is_cached = e.is_cached,
               started_at = case when e.seq > 1 then coalesce(started_at, $10) else started_at end
           from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[],
                    $9::text[], $11::bigint[], $12::boolean[], $13::bigint[], $14::bigint[])
               as e (id, state, reason, output, tokens_in, tokens_out, cost_nano_usd, seq, model, tokens_cached, is_cached, tokens_thought,
                     tokens_written)
           where run.id = e.id and ended_at is null
           returning run.id as "id: RunId", door"#,
        &ids,
        &states,
        &reasons as &[Option<String>],
        &outputs as &[Option<&[u8]>],
        &tokens_in,
        &tokens_out,
        &costs,
        &seqs,
        &models,
        now,
        &cached,
        &again,
        &thought,
        &written_to_cache,
    )
    .fetch_all(conn)
    .await
}

/// Takes the words out of what a run has told.
pub(super) async fn withdraw(conn: &mut PgConnection, id: RunId, why: &str) -> sqlx::Result<()> {
    sqlx::query!("select gateway.withdraw($1, $2)", id as RunId, why)
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn refused_since(
    conn: &mut PgConnection,
    storefront: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<Refused>> {
    sqlx::query_as!(
        Refused,
        r#"select refused_for as "category!", count(*) as "answers!" from gateway.run
           where refused_for is not null and ended_at >= $2 and storefront = $1
           group by refused_for order by 2 desc, 1"#,
        storefront,
        since,
    )
    .fetch_all(conn)
    .await
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
pub(super) async fn durable_output(
    conn: &mut PgConnection,
    vault: &Vault,
    id: RunId,
) -> sqlx::Result<Result<String, Unopened>> {
    let lines = sqlx::query!(
        r#"select seq, tenant_id as "tenant: TenantId", data, sealed from gateway.run_event
           where run_id = $1 and kind = 'delta' order by seq"#,
        id as RunId,
    )
    .fetch_all(conn)
    .await?;
    let texts = lines.into_iter().map(|row| {
        let line = Line {
            seq: row.seq,
            kind: EventKind::Delta,
            data: row.data,
            sealed: row.sealed,
        };
        let said = line.open(vault, id, row.tenant)?;
        let text = said.data.get("text").and_then(Value::as_str);
        Ok(text.unwrap_or_default().to_owned())
    });
    Ok(texts.collect())
}

pub(super) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!("select gateway.forget_tenant($1)", tenant as TenantId)
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn view(conn: &mut PgConnection, id: RunId) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: RunId", state as "state: State", reason, route, model, door,
                  case when state = 'queued' then
                      (select count(*) from gateway.run o
                       where o.tenant_id = run.tenant_id and o.state = 'queued' and o.ended_at is null
                         and (o.created_at, o.id) <= (run.created_at, run.id)
                         and o.created_at > run.created_at - interval '10 minutes') end as queue_position,
                  created_at, started_at, ended_at, tokens_in, tokens_out, tokens_cached, tokens_written, tokens_thought, cost_nano_usd,
                  is_cached, is_stored, text_gone_at, tags, last_event
           from gateway.run where id = $1"#,
        id as RunId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn forget_runs(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!("select gateway.forget_runs($1)", ids)
        .execute(conn)
        .await
        .map(drop)
}

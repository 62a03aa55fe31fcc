use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Anew, Found, Walk};
use crate::RunId;

/// The walk under a key, which begins with this; those under other keys are over.
pub(super) async fn walk(
    conn: &mut PgConnection,
    key: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Walk> {
    sqlx::query!("delete from gateway.text_walk where key <> $1", key)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "insert into gateway.text_walk (key, began_at, past, closed) values ($1, $2, $3, 0) on conflict (key) do nothing",
        key,
        now,
        Uuid::nil(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_as!(
        Walk,
        "select began_at, past, closed, done_at from gateway.text_walk where key = $1",
        key
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn forget(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("delete from gateway.text_walk")
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn note(conn: &mut PgConnection, key: &str, walk: &Walk) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.text_walk set past = $2, closed = $3, done_at = $4 where key = $1",
        key,
        walk.past,
        walk.closed,
        walk.done_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The runs behind one, by their ids, with when they began.
pub(super) async fn runs(
    conn: &mut PgConnection,
    past: Uuid,
    most: i64,
) -> sqlx::Result<Vec<(Uuid, DateTime<Utc>)>> {
    sqlx::query!(
        "select id, created_at from gateway.run where id > $1 order by id limit $2",
        past,
        most,
    )
    .map(|row| (row.id, row.created_at))
    .fetch_all(conn)
    .await
}

/// How many runs a walk has not come to.
pub(super) async fn left(conn: &mut PgConnection, key: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "left!" from gateway.run
           where id > coalesce((select past from gateway.text_walk where key = $1), $2)
             and not exists (select from gateway.text_walk where key = $1 and done_at is not null)"#,
        key,
        Uuid::nil(),
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn answers(
    conn: &mut PgConnection,
    runs: &[Uuid],
    prefix: &[u8],
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"select id as "run: RunId", tenant_id as "tenant: TenantId", 0::integer as "seq!", sealed_output as before,
                  case when sealed_output is null then convert_to(output, 'UTF8') end as plain
           from gateway.run where id = any($1) and (output <> '' or substring(sealed_output from 1 for 12) <> $2)"#,
        runs,
        prefix,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn put_answers(conn: &mut PgConnection, anew: &Anew) -> sqlx::Result<()> {
    if anew.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update gateway.run r set output = '', sealed_output = s.anew
         from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as s (run, before, anew)
         where r.id = s.run and r.sealed_output is not distinct from s.before and (s.before is not null or r.output <> '')",
        &anew.runs,
        &anew.befores as &[Option<Vec<u8>>],
        &anew.sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn asked(
    conn: &mut PgConnection,
    runs: &[Uuid],
    prefix: &[u8],
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"select run_id as "run: RunId", tenant_id as "tenant: TenantId", 0::integer as "seq!", sealed as before,
                  case when sealed is null then convert_to(request::text, 'UTF8') end as plain
           from gateway.run_text where run_id = any($1) and (sealed is null or substring(sealed from 1 for 12) <> $2)"#,
        runs,
        prefix,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn put_asked(conn: &mut PgConnection, anew: &Anew) -> sqlx::Result<()> {
    if anew.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update gateway.run_text t set request = null, sealed = s.anew
         from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as s (run, before, anew)
         where t.run_id = s.run and t.sealed is not distinct from s.before",
        &anew.runs,
        &anew.befores as &[Option<Vec<u8>>],
        &anew.sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn events(
    conn: &mut PgConnection,
    runs: &[Uuid],
    prefix: &[u8],
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"select run_id as "run: RunId", tenant_id as "tenant: TenantId", seq as "seq!", sealed as before,
                  case when sealed is null then convert_to(data::text, 'UTF8') end as plain
           from gateway.run_event where run_id = any($1) and kind = 'delta'
             and (sealed is null and data <> '{"text": ""}' or substring(sealed from 1 for 12) <> $2)"#,
        runs,
        prefix,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn put_events(conn: &mut PgConnection, anew: &Anew) -> sqlx::Result<()> {
    if anew.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "select gateway.seal_events($1, $2, $3, $4)",
        &anew.runs,
        &anew.seqs,
        &anew.befores as &[Option<Vec<u8>>],
        &anew.sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn cards(
    conn: &mut PgConnection,
    runs: &[Uuid],
    prefix: &[u8],
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"select run_id as "run: RunId", tenant_id as "tenant: TenantId", 0::integer as "seq!", sealed_card as before,
                  case when sealed_card is null then convert_to(card::text, 'UTF8') end as plain
           from gateway.response where run_id = any($1) and (sealed_card is null or substring(sealed_card from 1 for 12) <> $2)"#,
        runs,
        prefix,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn put_cards(conn: &mut PgConnection, anew: &Anew) -> sqlx::Result<()> {
    if anew.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update gateway.response r set card = null, sealed_card = s.anew
         from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as s (run, before, anew)
         where r.run_id = s.run and r.sealed_card is not distinct from s.before",
        &anew.runs,
        &anew.befores as &[Option<Vec<u8>>],
        &anew.sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn conversations(
    conn: &mut PgConnection,
    runs: &[Uuid],
    prefix: &[u8],
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"select run_id as "run: RunId", tenant_id as "tenant: TenantId", 0::integer as "seq!", sealed_conversation as before,
                  case when sealed_conversation is null then convert_to(conversation::text, 'UTF8') end as plain
           from gateway.response where run_id = any($1) and (conversation is not null or substring(sealed_conversation from 1 for 12) <> $2)"#,
        runs,
        prefix,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn put_conversations(conn: &mut PgConnection, anew: &Anew) -> sqlx::Result<()> {
    if anew.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update gateway.response r set conversation = null, sealed_conversation = s.anew
         from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as s (run, before, anew)
         where r.run_id = s.run and r.sealed_conversation is not distinct from s.before",
        &anew.runs,
        &anew.befores as &[Option<Vec<u8>>],
        &anew.sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn asks(
    conn: &mut PgConnection,
    runs: &[Uuid],
    prefix: &[u8],
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"select id as "run: RunId", tenant_id as "tenant: TenantId", 0::integer as "seq!", sealed_ask as before,
                  case when sealed_ask is null then convert_to(ask::text, 'UTF8') end as plain
           from gateway.endpoint_job where id = any($1) and (ask is not null or substring(sealed_ask from 1 for 12) <> $2)"#,
        runs,
        prefix,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn put_asks(conn: &mut PgConnection, anew: &Anew) -> sqlx::Result<()> {
    if anew.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update gateway.endpoint_job j set ask = null, sealed_ask = s.anew
         from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as s (run, before, anew)
         where j.id = s.run and j.sealed_ask is not distinct from s.before and (s.before is not null or j.ask is not null)",
        &anew.runs,
        &anew.befores as &[Option<Vec<u8>>],
        &anew.sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

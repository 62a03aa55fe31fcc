use std::collections::HashMap;

use chrono::{DateTime, Utc};
use identity::{Principal, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::RunId;

/// The run that gave an answer, unless what it said is gone.
pub(super) async fn answer(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: &[u8],
    since: DateTime<Utc>,
) -> sqlx::Result<Option<RunId>> {
    sqlx::query_scalar!(
        r#"select run_id as "run: RunId" from gateway.cached_answer a join gateway.run r on r.id = a.run_id
           where a.tenant_id = $1 and a.key = $2 and a.created_at > $3 and r.state = 'completed' and r.text_gone_at is null"#,
        tenant as TenantId,
        key,
        since,
    )
    .fetch_optional(conn)
    .await
}

/// Keeps answers, unless the rule of their key or tenant wants none kept.
pub(super) async fn keep_answers(
    conn: &mut PgConnection,
    answers: &[(RunId, &[u8])],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (runs, keys): (Vec<Uuid>, Vec<&[u8]>) =
        answers.iter().map(|(run, key)| (run.0, *key)).unzip();
    sqlx::query!(
        "insert into gateway.cached_answer (tenant_id, key, run_id, created_at)
         select distinct on (run.tenant_id, a.key) run.tenant_id, a.key, run.id, $3
         from unnest($1::uuid[], $2::bytea[]) as a (run_id, key) join gateway.run on run.id = a.run_id
         where is_stored and text_gone_at is null and gateway.keeps_texts(run.tenant_id, run.key_id)
         order by run.tenant_id, a.key, run.id
         on conflict (tenant_id, key) do update set run_id = excluded.run_id, created_at = excluded.created_at",
        &runs,
        &keys as &[&[u8]],
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Removes what was kept before; returns how much.
pub(super) async fn forget(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<u64> {
    let answers = sqlx::query!(
        "delete from gateway.cached_answer where (tenant_id, key) in
             (select tenant_id, key from gateway.cached_answer where created_at <= $1 order by created_at limit $2 for update skip locked)",
        before,
        most,
    )
    .execute(&mut *conn)
    .await?;
    let vectors = sqlx::query!(
        "delete from gateway.cached_vector where (tenant_id, key) in
             (select tenant_id, key from gateway.cached_vector where created_at <= $1 order by created_at limit $2 for update skip locked)",
        before,
        most,
    )
    .execute(conn)
    .await?;
    Ok(answers.rows_affected() + vectors.rows_affected())
}

/// The vectors that are kept under these keys.
pub(super) async fn vectors(
    conn: &mut PgConnection,
    tenant: TenantId,
    keys: &[Vec<u8>],
    since: DateTime<Utc>,
) -> sqlx::Result<HashMap<Vec<u8>, Vec<u8>>> {
    let rows = sqlx::query!(
        "select key, vector from gateway.cached_vector where tenant_id = $1 and key = any($2) and created_at > $3",
        tenant as TenantId,
        keys,
        since,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.vector)).collect())
}

/// Keeps vectors, unless the rule of the caller's key or tenant wants nothing kept.
pub(super) async fn keep_vectors(
    conn: &mut PgConnection,
    caller: Principal,
    (keys, vectors): (&[Vec<u8>], &[Vec<u8>]),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.cached_vector (tenant_id, key, vector, created_at)
         select distinct on (v.key) $1::uuid, v.key, v.vector, $4 from unnest($2::bytea[], $3::bytea[]) as v (key, vector)
         where octet_length(v.vector) between 4 and 65536
             and gateway.keeps_texts($1, $5)
         order by v.key
         on conflict (tenant_id, key) do update set created_at = excluded.created_at, vector = excluded.vector",
        caller.tenant.0,
        keys,
        vectors,
        now,
        caller.key.map(|key| key.0),
    )
    .execute(conn)
    .await
    .map(drop)
}

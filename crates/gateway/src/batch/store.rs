use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Batch, BatchId, Status};
use crate::{Tokens, file::FileId};

/// Keeps a batch; false when the tenant has as many under way as it may.
pub(super) async fn insert(
    conn: &mut PgConnection,
    batch: &Batch,
    most: i64,
) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        "insert into gateway.batch (id, tenant_id, key_id, user_id, storefront, endpoint, input_file, output_file, error_file,
             status, metadata, keep_seconds, created_at, expires_at)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         where (select count(*) from gateway.batch where tenant_id = $2 and ended_at is null) < $15",
        batch.id as BatchId,
        batch.tenant as TenantId,
        batch.key as Option<KeyId>,
        batch.user as Option<UserId>,
        batch.storefront,
        batch.endpoint,
        batch.input_file as FileId,
        batch.output_file as FileId,
        batch.error_file as FileId,
        batch.status as Status,
        batch.metadata,
        batch.keep_seconds,
        batch.created_at,
        batch.expires_at,
        most,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The newest batches before `before`, or the one that is named.
pub(super) async fn select(
    conn: &mut PgConnection,
    id: Option<BatchId>,
    before: Option<BatchId>,
    most: i64,
) -> sqlx::Result<Vec<Batch>> {
    sqlx::query_as!(
        Batch,
        r#"select id as "id: BatchId", tenant_id as "tenant: TenantId", key_id as "key: KeyId", user_id as "user: UserId",
               storefront, endpoint, input_file as "input_file: FileId", output_file as "output_file: FileId",
               error_file as "error_file: FileId", status as "status: Status", metadata, trouble, total, completed, failed,
               tokens_in, tokens_out, tokens_cached, tokens_thought, keep_seconds, created_at, expires_at, in_progress_at, cancelling_at,
               ended_at
           from gateway.batch
           where ($1::uuid is null or id = $1) and ($2::uuid is null or id < $2)
           order by id desc limit $3"#,
        id as Option<BatchId>,
        before as Option<BatchId>,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn find(conn: &mut PgConnection, id: BatchId) -> sqlx::Result<Option<Batch>> {
    Ok(select(conn, Some(id), None, 1).await?.pop())
}

/// Keeps a batch from being changed by others until the transaction ends, and says where it stands.
pub(super) async fn lock(conn: &mut PgConnection, id: BatchId) -> sqlx::Result<Option<Status>> {
    sqlx::query_scalar!(
        r#"select status as "status: Status" from gateway.batch where id = $1 for update"#,
        id as BatchId,
    )
    .fetch_optional(conn)
    .await
}

/// The last line that was looked at.
pub(super) async fn newest_line(conn: &mut PgConnection, id: BatchId) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"select coalesce(max(line), 0) as "line!" from gateway.batch_line where batch_id = $1"#,
        id as BatchId,
    )
    .fetch_one(conn)
    .await
}

/// Notes lines with their names; those whose name another line has are noted without it and not returned.
pub(super) async fn insert_lines(
    conn: &mut PgConnection,
    (id, tenant): (BatchId, TenantId),
    numbers: &[i32],
    names: &[Option<String>],
) -> sqlx::Result<Vec<i32>> {
    let own = sqlx::query_scalar!(
        "insert into gateway.batch_line (batch_id, tenant_id, line, custom_id)
         select $1, $2, line, name from unnest($3::integer[], $4::text[]) as l (line, name) order by line
         on conflict on constraint batch_line_custom_id_once do nothing returning line",
        id as BatchId,
        tenant as TenantId,
        numbers,
        names as &[Option<String>],
    )
    .fetch_all(&mut *conn)
    .await?;
    let others: Vec<i32> = numbers
        .iter()
        .copied()
        .filter(|line| !own.contains(line))
        .collect();
    sqlx::query!(
        "insert into gateway.batch_line (batch_id, tenant_id, line) select $1, $2, line from unnest($3::integer[]) as l (line)",
        id as BatchId,
        tenant as TenantId,
        &others,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update gateway.batch set total = total + $2 where id = $1",
        id as BatchId,
        i32::try_from(numbers.len()).unwrap_or(i32::MAX),
    )
    .execute(conn)
    .await?;
    Ok(own)
}

/// Begins the work on the lines, unless it was called off.
pub(super) async fn start(
    conn: &mut PgConnection,
    id: BatchId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.batch set status = 'in_progress', in_progress_at = $2 where id = $1 and status = 'validating'",
        id as BatchId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Calls off what has not begun, if it has not ended.
pub(super) async fn call_off(
    conn: &mut PgConnection,
    id: BatchId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.batch set status = 'cancelling', cancelling_at = $2
         where id = $1 and status in ('validating', 'in_progress')",
        id as BatchId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A line that has no end yet.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) line: i32,
    pub(super) custom_id: Option<String>,
    /// What works on it since it was asked.
    pub(super) run: Option<Uuid>,
    pub(super) tries: i32,
}

/// Lines without an end behind line `after`.
pub(super) async fn open_lines(
    conn: &mut PgConnection,
    id: BatchId,
    after: i32,
    most: i64,
) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        "select line, custom_id, run_id as run, tries from gateway.batch_line
         where batch_id = $1 and line > $2 and state <> 'ended' order by line limit $3",
        id as BatchId,
        after,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Notes what works on a line from now on, if `before` still does and the batch was not called off.
pub(super) async fn ask(
    conn: &mut PgConnection,
    id: BatchId,
    line: i32,
    before: Option<Uuid>,
    run: Uuid,
) -> sqlx::Result<bool> {
    let asked = sqlx::query!(
        "update gateway.batch_line set state = 'asked', run_id = $4, tries = tries + 1
         where batch_id = $1 and line = $2 and state <> 'ended' and run_id is not distinct from $3
           and exists (select from gateway.batch where id = $1 and status = 'in_progress')",
        id as BatchId,
        line,
        before,
        run,
    )
    .execute(conn)
    .await?;
    Ok(asked.rows_affected() == 1)
}

/// Ends lines that what is named works on, and returns those that it ended.
pub(super) async fn end_lines(
    conn: &mut PgConnection,
    id: BatchId,
    numbers: &[i32],
    runs: &[Option<Uuid>],
) -> sqlx::Result<Vec<i32>> {
    sqlx::query_scalar!(
        "update gateway.batch_line set state = 'ended'
         from unnest($2::integer[], $3::uuid[]) as e (line, run)
         where batch_id = $1 and batch_line.line = e.line and state <> 'ended' and run_id is not distinct from e.run
         returning batch_line.line",
        id as BatchId,
        numbers,
        runs as &[Option<Uuid>],
    )
    .fetch_all(conn)
    .await
}

/// Counts lines that ended.
pub(super) async fn count(
    conn: &mut PgConnection,
    id: BatchId,
    (completed, failed): (usize, usize),
    tokens: Tokens,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.batch set completed = completed + $2, failed = failed + $3, tokens_in = tokens_in + $4,
             tokens_out = tokens_out + $5, tokens_cached = tokens_cached + $6, tokens_thought = tokens_thought + $7 where id = $1",
        id as BatchId,
        i32::try_from(completed).unwrap_or(i32::MAX),
        i32::try_from(failed).unwrap_or(i32::MAX),
        tokens.input,
        tokens.output,
        tokens.cached,
        tokens.thought,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Ends a batch; what its lines were is in its files by then.
pub(super) async fn end(
    conn: &mut PgConnection,
    id: BatchId,
    status: Status,
    trouble: Option<Value>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.batch set status = $2, trouble = $3, ended_at = $4 where id = $1 and ended_at is null",
        id as BatchId,
        status as Status,
        trouble,
        now,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from gateway.batch_line where batch_id = $1",
        id as BatchId
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.batch where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

/// How much a batch has left so far, in bytes.
pub(super) async fn left_bytes(conn: &mut PgConnection, files: [FileId; 2]) -> sqlx::Result<i64> {
    let [output, error] = files;
    sqlx::query_scalar!(
        r#"select coalesce(sum(bytes), 0)::bigint as "bytes!" from gateway.file where id in ($1, $2)"#,
        output as FileId,
        error as FileId,
    )
    .fetch_one(conn)
    .await
}

use chrono::{DateTime, Utc};
use identity::TenantId;
use seal::Vault;
use sqlx::PgConnection;

use super::{FileCard, FileId, open_line, seal_line};
use crate::Error;

/// Begins a file that is to arrive; false when the tenant has as many as it may.
pub(super) async fn insert(
    conn: &mut PgConnection,
    (id, tenant): (FileId, TenantId),
    (now, abandoned): (DateTime<Utc>, DateTime<Utc>),
    most: i64,
) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        "insert into gateway.file (id, tenant_id, purpose, filename, created_at, expires_at)
         select $1, $2, 'batch', '', $3, $4
         where (select count(*) from gateway.file where tenant_id = $2 and purpose = 'batch') < $5",
        id as FileId,
        tenant as TenantId,
        now,
        abandoned,
        most,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) async fn insert_lines(
    conn: &mut PgConnection,
    vault: &Vault,
    (id, tenant): (FileId, TenantId),
    numbers: &[i32],
    lines: &[Vec<u8>],
) -> Result<(), Error> {
    let sealed = numbers
        .iter()
        .zip(lines)
        .map(|(line, data)| seal_line(vault, (id, tenant), *line, data))
        .collect::<Result<Vec<Vec<u8>>, Error>>()?;
    sqlx::query!(
        "insert into gateway.file_line (file_id, tenant_id, line, data, is_sealed)
         select $1, $2, line, data, true from unnest($3::integer[], $4::bytea[]) as l (line, data)",
        id as FileId,
        tenant as TenantId,
        numbers,
        &sealed,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Shows a file that has arrived whole.
pub(super) async fn finish(
    conn: &mut PgConnection,
    card: &FileCard,
    lines: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.file set filename = $2, bytes = $3, lines = $4, expires_at = $5, is_whole = true where id = $1",
        card.id as FileId,
        card.filename,
        card.bytes,
        lines,
        card.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Adds lines to a file that a batch leaves, which begins with its first.
pub(crate) async fn append(
    conn: &mut PgConnection,
    vault: &Vault,
    (id, tenant): (FileId, TenantId),
    filename: &str,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    (numbers, lines): (&[i32], &[Vec<u8>]),
) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    let bytes: usize = lines.iter().map(Vec::len).sum();
    sqlx::query!(
        "insert into gateway.file as f (id, tenant_id, purpose, filename, bytes, lines, is_whole, created_at, expires_at)
         values ($1, $2, 'batch_output', $3, $4, $5, false, $6, $7)
         on conflict (id) do update
         set bytes = f.bytes + excluded.bytes, lines = f.lines + excluded.lines, expires_at = excluded.expires_at",
        id as FileId,
        tenant as TenantId,
        filename,
        i64::try_from(bytes).unwrap_or(i64::MAX),
        i32::try_from(lines.len()).unwrap_or(i32::MAX),
        now,
        expires_at,
    )
    .execute(&mut *conn)
    .await?;
    insert_lines(conn, vault, (id, tenant), numbers, lines).await
}

/// Shows the files that a batch has left.
pub(crate) async fn show(
    conn: &mut PgConnection,
    files: [FileId; 2],
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let [output, error] = files;
    sqlx::query!(
        "update gateway.file set is_whole = true, expires_at = $3 where id in ($1, $2)",
        output as FileId,
        error as FileId,
        expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(conn: &mut PgConnection, id: FileId) -> sqlx::Result<Option<FileCard>> {
    sqlx::query_as!(
        FileCard,
        r#"select id as "id: FileId", purpose, filename, bytes, created_at, expires_at
           from gateway.file where id = $1 and is_whole"#,
        id as FileId,
    )
    .fetch_optional(conn)
    .await
}

/// What is to be listed.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) purpose: Option<String>,
    pub(super) after: Option<FileId>,
    pub(super) ascending: bool,
    pub(super) most: i64,
}

pub(super) async fn list(conn: &mut PgConnection, wish: &Wish) -> sqlx::Result<Vec<FileCard>> {
    sqlx::query_as!(
        FileCard,
        r#"select id as "id: FileId", purpose, filename, bytes, created_at, expires_at
           from gateway.file
           where is_whole and ($1::text is null or purpose = $1)
             and ($2::uuid is null or case when $3 then id > $2 else id < $2 end)
           order by case when $3 then id end, id desc limit $4"#,
        wish.purpose,
        wish.after as Option<FileId>,
        wish.ascending,
        wish.most,
    )
    .fetch_all(conn)
    .await
}

/// Some lines behind line `after`: those that begin within a megabyte.
pub(crate) async fn lines(
    conn: &mut PgConnection,
    vault: &Vault,
    id: FileId,
    after: i32,
) -> Result<Vec<(i32, Vec<u8>)>, Error> {
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", line, data, is_sealed from (
             select tenant_id, line, data, is_sealed, sum(octet_length(data)) over (order by line) - octet_length(data) as before
             from (select tenant_id, line, data, is_sealed from gateway.file_line where file_id = $1 and line > $2
                   order by line limit 500) l
         ) b where before < 1048576 order by line"#,
        id as FileId,
        after,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let whose = (id, row.tenant);
            let data = open_line(vault, whose, row.line, (row.data, row.is_sealed))?;
            Ok((row.line, data))
        })
        .collect()
}

/// One line; none where there is none.
pub(crate) async fn line(
    conn: &mut PgConnection,
    vault: &Vault,
    id: FileId,
    line: i32,
) -> Result<Option<Vec<u8>>, Error> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", data, is_sealed from gateway.file_line where file_id = $1 and line = $2"#,
        id as FileId,
        line,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| open_line(vault, (id, row.tenant), line, (row.data, row.is_sealed)))
        .transpose()
}

/// Removes a file unless a batch that is under way reads it; false when there is none to be removed.
pub(super) async fn delete(conn: &mut PgConnection, id: FileId) -> sqlx::Result<bool> {
    let deleted = sqlx::query!(
        "delete from gateway.file f where id = $1
         and not exists (select from gateway.batch b where b.input_file = f.id and b.ended_at is null)",
        id as FileId,
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

pub(super) async fn delete_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        "delete from gateway.file where id in (
             select id from gateway.file f where expires_at <= $1
               and not exists (select from gateway.batch b where b.input_file = f.id and b.ended_at is null)
             limit $2 for update skip locked)",
        now,
        most,
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected())
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.file where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A line that is not sealed under the first key.
#[derive(Debug)]
pub(super) struct Otherwise {
    pub(super) file: FileId,
    pub(super) tenant: TenantId,
    pub(super) line: i32,
    pub(super) data: Vec<u8>,
    pub(super) is_sealed: bool,
}

pub(super) async fn otherwise(
    conn: &mut PgConnection,
    prefix: &[u8],
    (file, line): (uuid::Uuid, i32),
    most: i64,
) -> sqlx::Result<Vec<Otherwise>> {
    sqlx::query_as!(
        Otherwise,
        r#"select file_id as "file: FileId", tenant_id as "tenant: TenantId", line, data, is_sealed from gateway.file_line
           where (not is_sealed or substring(data from 1 for 12) <> $1) and (file_id, line) > ($2, $3)
           order by file_id, line limit $4 for update skip locked"#,
        prefix,
        file,
        line,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn reseal(
    conn: &mut PgConnection,
    file: FileId,
    line: i32,
    sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.file_line set data = $3, is_sealed = true where file_id = $1 and line = $2",
        file as FileId,
        line,
        sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

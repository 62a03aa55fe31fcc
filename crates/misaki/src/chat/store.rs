use chrono::{DateTime, Utc};
use gateway::RunId;
use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ChatId, ChatSummary, MessageId, Row};

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: ChatId,
    tenant: TenantId,
    title: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.chat (id, tenant_id, title, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        id as ChatId,
        tenant as TenantId,
        title,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The line in which requests with the same key stand, until the transaction ends.
pub(super) async fn lock_key(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: Uuid,
) -> sqlx::Result<()> {
    let line = format!("misaki:{tenant}:{key}");
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        line
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Locks a chat, so that its messages are numbered in a line.
pub(super) async fn lock(conn: &mut PgConnection, id: ChatId) -> sqlx::Result<Option<ChatId>> {
    sqlx::query_scalar!(
        r#"select id as "id: ChatId" from misaki.chat where id = $1 for update"#,
        id as ChatId
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn touch(
    conn: &mut PgConnection,
    id: ChatId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update misaki.chat set updated_at = $2 where id = $1",
        id as ChatId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn last_seq(conn: &mut PgConnection, chat: ChatId) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"select coalesce(max(seq), 0) as "seq!" from misaki.message where chat_id = $1"#,
        chat as ChatId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert_message(
    conn: &mut PgConnection,
    tenant: TenantId,
    row: &Row,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.message
             (id, tenant_id, chat_id, seq, role, text, phrase_id, phrase_rule, run_id, request_key, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row.id as MessageId,
        tenant as TenantId,
        row.chat as ChatId,
        row.seq,
        row.role,
        row.text,
        row.phrase_id,
        row.phrase_rule,
        row.run as Option<RunId>,
        row.key,
        row.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn by_key(conn: &mut PgConnection, key: Uuid) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: MessageId", chat_id as "chat: ChatId", seq, role, text, phrase_id, phrase_rule,
                  run_id as "run: RunId", request_key as key, created_at
           from misaki.message where request_key = $1 order by seq"#,
        key,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn messages(conn: &mut PgConnection, chat: ChatId) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: MessageId", chat_id as "chat: ChatId", seq, role, text, phrase_id, phrase_rule,
                  run_id as "run: RunId", request_key as key, created_at
           from misaki.message where chat_id = $1 order by seq"#,
        chat as ChatId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn newest_messages(
    conn: &mut PgConnection,
    chat: ChatId,
    most: i64,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: MessageId", chat_id as "chat: ChatId", seq, role, text, phrase_id, phrase_rule,
                  run_id as "run: RunId", request_key as key, created_at
           from misaki.message where chat_id = $1 order by seq desc limit $2"#,
        chat as ChatId,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn find(conn: &mut PgConnection, id: ChatId) -> sqlx::Result<Option<ChatSummary>> {
    sqlx::query_as!(
        ChatSummary,
        r#"select id as "id: ChatId", title, created_at, updated_at from misaki.chat where id = $1"#,
        id as ChatId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    page: &PageRequest,
) -> sqlx::Result<Vec<ChatSummary>> {
    sqlx::query_as!(
        ChatSummary,
        r#"select id as "id: ChatId", title, created_at, updated_at from misaki.chat
           where tenant_id = $1 and ($2::timestamptz is null or (updated_at, id) < ($2, $3))
           order by updated_at desc, id desc limit $4"#,
        tenant as TenantId,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn delete(conn: &mut PgConnection, id: ChatId) -> sqlx::Result<bool> {
    Ok(
        sqlx::query!("delete from misaki.chat where id = $1", id as ChatId)
            .execute(conn)
            .await?
            .rows_affected()
            == 1,
    )
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.chat where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

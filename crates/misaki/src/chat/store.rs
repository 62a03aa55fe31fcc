use chrono::{DateTime, Utc};
use gateway::RunId;
use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Change, ChatId, ChatSummary, MessageId, Row, Speaker, Which,
    tree::{Node, Tree},
};

pub(crate) async fn insert(
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
pub(crate) async fn lock_key(
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

/// Locks a chat, so that its messages are numbered in a line, and tells where it ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    id: ChatId,
) -> sqlx::Result<Option<Option<MessageId>>> {
    sqlx::query_scalar!(
        r#"select leaf_id as "leaf: MessageId" from misaki.chat where id = $1 for update"#,
        id as ChatId
    )
    .fetch_optional(conn)
    .await
}

/// Where a chat ends.
pub(crate) async fn leaf(conn: &mut PgConnection, id: ChatId) -> sqlx::Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"select leaf_id as "leaf: MessageId" from misaki.chat where id = $1"#,
        id as ChatId
    )
    .fetch_optional(conn)
    .await
    .map(Option::flatten)
}

pub(crate) async fn set_leaf(
    conn: &mut PgConnection,
    id: ChatId,
    leaf: Option<MessageId>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update misaki.chat set leaf_id = $2 where id = $1",
        id as ChatId,
        leaf as Option<MessageId>
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn tree(conn: &mut PgConnection, chat: ChatId) -> sqlx::Result<Tree> {
    let rows = sqlx::query!(
        r#"select id as "id: MessageId", parent_id as "parent: MessageId", role
           from misaki.message where chat_id = $1 order by seq"#,
        chat as ChatId
    )
    .fetch_all(conn)
    .await?;
    let nodes = rows.into_iter().map(|row| Node {
        id: row.id,
        parent: row.parent,
        speaker: Speaker::of(&row.role),
    });
    Ok(Tree(nodes.collect()))
}

/// Up to `most` messages that end with this one, oldest first.
pub(crate) async fn branch(
    conn: &mut PgConnection,
    end: MessageId,
    most: i32,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"with recursive back as (
               select id, parent_id, 1 as steps from misaki.message where id = $1
               union all
               select m.id, m.parent_id, back.steps + 1 from misaki.message m join back on m.id = back.parent_id
               where back.steps < $2
           )
           select m.id as "id: MessageId", chat_id as "chat: ChatId", m.parent_id as "parent: MessageId", seq, role, text,
                  phrase_id, phrase_rule, run_id as "run: RunId", request_key as key, created_at
           from back join misaki.message m on m.id = back.id order by back.steps desc"#,
        end as MessageId,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn message(conn: &mut PgConnection, id: MessageId) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: MessageId", chat_id as "chat: ChatId", parent_id as "parent: MessageId", seq, role, text, phrase_id, phrase_rule,
                  run_id as "run: RunId", request_key as key, created_at
           from misaki.message where id = $1"#,
        id as MessageId,
    )
    .fetch_optional(conn)
    .await
}

/// The runs of a chat's messages.
pub(crate) async fn of_chat(
    conn: &mut PgConnection,
    chat: ChatId,
) -> sqlx::Result<Vec<Option<RunId>>> {
    sqlx::query_scalar!(
        r#"select run_id as "run: RunId" from misaki.message where chat_id = $1"#,
        chat as ChatId
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn delete_message(conn: &mut PgConnection, id: MessageId) -> sqlx::Result<()> {
    sqlx::query!("delete from misaki.message where id = $1", id as MessageId)
        .execute(conn)
        .await
        .map(drop)
}

pub(crate) async fn touch(
    conn: &mut PgConnection,
    id: ChatId,
    leaf: MessageId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update misaki.chat set updated_at = $2, leaf_id = $3 where id = $1",
        id as ChatId,
        now,
        leaf as MessageId
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn last_seq(conn: &mut PgConnection, chat: ChatId) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"select coalesce(max(seq), 0) as "seq!" from misaki.message where chat_id = $1"#,
        chat as ChatId
    )
    .fetch_one(conn)
    .await
}

pub(crate) async fn insert_message(
    conn: &mut PgConnection,
    tenant: TenantId,
    row: &Row,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.message
             (id, tenant_id, chat_id, seq, role, text, phrase_id, phrase_rule, run_id, request_key, created_at, parent_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
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
        row.parent as Option<MessageId>,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Writes messages from elsewhere at once.
pub(crate) async fn insert_messages(
    conn: &mut PgConnection,
    tenant: TenantId,
    chat: ChatId,
    rows: &[Row],
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
    let parents: Vec<Option<Uuid>> = rows.iter().map(|row| row.parent.map(|id| id.0)).collect();
    let seqs: Vec<i32> = rows.iter().map(|row| row.seq).collect();
    let roles: Vec<&str> = rows.iter().map(|row| row.role.as_str()).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let keys: Vec<Uuid> = rows.iter().map(|row| row.key).collect();
    let times: Vec<DateTime<Utc>> = rows.iter().map(|row| row.created_at).collect();
    sqlx::query!(
        r#"insert into misaki.message (id, tenant_id, chat_id, parent_id, seq, role, text, request_key, created_at)
           select id, $1, $2, parent, seq, role, text, key, at
           from unnest($3::uuid[], $4::uuid[], $5::integer[], $6::text[], $7::text[], $8::uuid[], $9::timestamptz[])
               as new (id, parent, seq, role, text, key, at)"#,
        tenant as TenantId,
        chat as ChatId,
        &ids,
        &parents as _,
        &seqs,
        &roles as _,
        &texts as _,
        &keys,
        &times,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn by_key(conn: &mut PgConnection, key: Uuid) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: MessageId", chat_id as "chat: ChatId", parent_id as "parent: MessageId", seq, role, text, phrase_id, phrase_rule,
                  run_id as "run: RunId", request_key as key, created_at
           from misaki.message where request_key = $1 order by seq"#,
        key,
    )
    .fetch_all(conn)
    .await
}

/// These messages, in their order.
pub(crate) async fn these(conn: &mut PgConnection, ids: &[MessageId]) -> sqlx::Result<Vec<Row>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Row,
        r#"select id as "id: MessageId", chat_id as "chat: ChatId", parent_id as "parent: MessageId", seq, role, text, phrase_id, phrase_rule,
                  run_id as "run: RunId", request_key as key, created_at
           from misaki.message where id = any ($1) order by seq"#,
        &ids,
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn titles(
    conn: &mut PgConnection,
    ids: &[ChatId],
) -> sqlx::Result<Vec<(ChatId, Option<String>)>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select id as "id: ChatId", title from misaki.chat where id = any ($1)"#,
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.title)).collect())
}

pub(crate) async fn find(conn: &mut PgConnection, id: ChatId) -> sqlx::Result<Option<ChatSummary>> {
    sqlx::query_as!(
        ChatSummary,
        r#"select id as "id: ChatId", title, pinned_at is not null as "pinned!", folder, created_at, updated_at
           from misaki.chat where id = $1"#,
        id as ChatId,
    )
    .fetch_optional(conn)
    .await
}

pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    which: &Which,
    page: &PageRequest,
) -> sqlx::Result<Vec<ChatSummary>> {
    sqlx::query_as!(
        ChatSummary,
        r#"select id as "id: ChatId", title, pinned_at is not null as "pinned!", folder, created_at, updated_at
           from misaki.chat
           where tenant_id = $1 and ($2::timestamptz is null or (updated_at, id) < ($2, $3))
             and ($5::boolean is null or (pinned_at is not null) = $5) and ($6::text is null or folder = $6)
           order by updated_at desc, id desc limit $4"#,
        tenant as TenantId,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
        which.pinned,
        which.folder.as_deref(),
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn update(
    conn: &mut PgConnection,
    id: ChatId,
    change: &Change,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update misaki.chat set title = coalesce($2, title),
             pinned_at = case when $3::boolean is null then pinned_at when $3 then coalesce(pinned_at, $4) end,
             folder = case when $5 then $6 else folder end
         where id = $1",
        id as ChatId,
        change.title.as_deref(),
        change.pinned,
        now,
        change.folder.is_some(),
        change.folder.as_ref().and_then(Option::as_deref),
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn folders(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select distinct folder as "folder!" from misaki.chat
           where tenant_id = $1 and folder is not null order by 1 limit 200"#,
        tenant as TenantId
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn delete(conn: &mut PgConnection, id: ChatId) -> sqlx::Result<bool> {
    Ok(
        sqlx::query!("delete from misaki.chat where id = $1", id as ChatId)
            .execute(conn)
            .await?
            .rows_affected()
            == 1,
    )
}

pub(crate) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.chat where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn count(
    conn: &mut PgConnection,
    tenant: TenantId,
    most: i64,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from (select from misaki.chat where tenant_id = $1 limit $2) chat"#,
        tenant as TenantId,
        most
    )
    .fetch_one(conn)
    .await
}

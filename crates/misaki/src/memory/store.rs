use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::{Kind, MOST, MOST_FACTS, MemoryId, MemoryView};
use crate::{ChatId, MessageId};

type When = Option<DateTime<Utc>>;

pub(super) async fn consents(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<(When, When)> {
    let row = sqlx::query!(
        "select memory_at, training_at from misaki.consent where tenant_id = $1",
        tenant as TenantId
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map_or((None, None), |row| (row.memory_at, row.training_at)))
}

/// Writes down what is agreed to or not; none leaves it. Locks the row.
pub(super) async fn agree(
    conn: &mut PgConnection,
    tenant: TenantId,
    (memory, training): (Option<bool>, Option<bool>),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.consent as c (tenant_id, memory_at, training_at)
         values ($1, case when $2 then $4::timestamptz end, case when $3 then $4::timestamptz end)
         on conflict (tenant_id) do update set
             memory_at = case when $2::boolean is null then c.memory_at when $2 then coalesce(c.memory_at, $4) end,
             training_at = case when $3::boolean is null then c.training_at when $3 then coalesce(c.training_at, $4) end",
        tenant as TenantId,
        memory,
        training,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Whether the tenant agreed to be remembered.
pub(super) async fn is_agreed(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from misaki.consent where tenant_id = $1 and memory_at is not null) as "is!""#,
        tenant as TenantId
    )
    .fetch_one(conn)
    .await
}

/// As [`is_agreed`], and nobody takes it back before the transaction's end.
pub(super) async fn lock_agreed(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<bool> {
    let row = sqlx::query_scalar!(
        "select memory_at from misaki.consent where tenant_id = $1 for update",
        tenant as TenantId
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.flatten().is_some())
}

/// The number up to which a chat was learnt from and when it was last used; none when there is no such chat or nobody agrees.
pub(super) async fn to_learn(
    conn: &mut PgConnection,
    chat: ChatId,
) -> sqlx::Result<Option<(i32, DateTime<Utc>)>> {
    let row = sqlx::query!(
        "select learnt_seq, updated_at from misaki.chat c join misaki.consent a on a.tenant_id = c.tenant_id
         where c.id = $1 and memory_at is not null",
        chat as ChatId
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.learnt_seq, row.updated_at)))
}

/// Counts one more time of learning today, if there may be one.
pub(super) async fn may_learn(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
    most: i32,
) -> sqlx::Result<bool> {
    let counted = sqlx::query!(
        "insert into misaki.learning as l (tenant_id, day, times) values ($1, ($2::timestamptz at time zone 'UTC')::date, 1)
         on conflict (tenant_id, day) do update set times = l.times + 1 where l.times < $3",
        tenant as TenantId,
        now,
        most,
    )
    .execute(conn)
    .await?;
    Ok(counted.rows_affected() == 1)
}

pub(super) async fn note_cost(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
    cost: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update misaki.learning set cost_nano_usd = cost_nano_usd + $3
         where tenant_id = $1 and day = ($2::timestamptz at time zone 'UTC')::date",
        tenant as TenantId,
        now,
        cost,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Notes up to where a chat was learnt from; false when somebody else did meanwhile.
pub(super) async fn move_on(
    conn: &mut PgConnection,
    chat: ChatId,
    (from, to): (i32, i32),
) -> sqlx::Result<bool> {
    let moved = sqlx::query!(
        "update misaki.chat set learnt_seq = $3 where id = $1 and learnt_seq = $2",
        chat as ChatId,
        from,
        to,
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Remembers one thing. A fact that is known stays as it is; the mood and the summary of a chat are replaced unless the
/// person has put them differently. A source that is gone by now leaves nothing.
pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    (id, kind, text): (MemoryId, Kind, &str),
    (chat, message): (ChatId, MessageId),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.memory where chat_id = $1 and kind = $2 and kind <> 'fact' and not edited",
        chat as ChatId,
        kind as Kind,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into misaki.memory (id, tenant_id, kind, text, chat_id, message_id, created_at)
         select $1, $2, $3, $4, $5, m.id, $7 from misaki.message m where m.id = $6 for share
         on conflict do nothing",
        id as MemoryId,
        tenant as TenantId,
        kind as Kind,
        text,
        chat as ChatId,
        message as MessageId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Forgets the oldest of what is too much; what the person has put differently goes last.
pub(super) async fn prune(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.memory where id in (
             select id from (
                 select id, row_number() over (partition by kind = 'fact' order by edited desc, created_at desc, id desc) as place,
                        kind = 'fact' as is_fact
                 from misaki.memory where tenant_id = $1
             ) m where place > case when is_fact then $2::bigint else $3::bigint end
         )",
        tenant as TenantId,
        MOST_FACTS,
        MOST - MOST_FACTS,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<MemoryView>> {
    sqlx::query_as!(
        MemoryView,
        r#"select id as "id: MemoryId", kind as "kind: Kind", text, chat_id as "chat_id: ChatId",
                  message_id as "message_id: MessageId", created_at, edited
           from misaki.memory where tenant_id = $1 order by created_at desc, id desc limit $2"#,
        tenant as TenantId,
        MOST,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn change(
    conn: &mut PgConnection,
    id: MemoryId,
    text: &str,
) -> sqlx::Result<Option<MemoryView>> {
    sqlx::query_as!(
        MemoryView,
        r#"update misaki.memory set text = $2, edited = true where id = $1
           returning id as "id: MemoryId", kind as "kind: Kind", text, chat_id as "chat_id: ChatId",
                     message_id as "message_id: MessageId", created_at, edited"#,
        id as MemoryId,
        text,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn delete(conn: &mut PgConnection, id: MemoryId) -> sqlx::Result<bool> {
    let deleted = sqlx::query!("delete from misaki.memory where id = $1", id as MemoryId)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.memory where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Forgets a tenant that goes.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    delete_all(conn, tenant).await?;
    sqlx::query!(
        "with l as (delete from misaki.learning where tenant_id = $1)
         delete from misaki.consent where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}

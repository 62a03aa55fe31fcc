use gateway::RunId;
use identity::TenantId;
use sqlx::{PgConnection, types::Json};

use super::{Entry, FoundChat, Unread};
use crate::{ChatId, MessageId};

pub(super) async fn unread(
    conn: &mut PgConnection,
    tenant: TenantId,
    after: Option<MessageId>,
    most: i64,
) -> sqlx::Result<Vec<Unread>> {
    sqlx::query_as!(
        Unread,
        r#"select id as "id: MessageId", text, run_id as "run: RunId", created_at as at from misaki.message
           where tenant_id = $1 and not indexed and ($2::uuid is null or id > $2) order by id limit $3"#,
        tenant as TenantId,
        after as Option<MessageId>,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn take_in(
    conn: &mut PgConnection,
    tenant: TenantId,
    entries: &[Entry],
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"with entry as (
               select (e ->> 'id')::uuid as id, (e ->> 'at')::timestamptz as at, e ->> 'folded' as folded,
                      array(select jsonb_array_elements_text(e -> 'grams')::integer) as grams
               from jsonb_array_elements($2) e
           ), put as (
               insert into misaki.found (message_id, tenant_id, at, folded, grams)
               select id, $1, at, folded, grams from entry on conflict (message_id) do nothing
           )
           update misaki.message set indexed = true where id in (select id from entry)"#,
        tenant as TenantId,
        Json(entries) as _,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The newest messages of the transaction's tenant with all terms in them.
pub(super) async fn find(
    conn: &mut PgConnection,
    terms: &[String],
    grams: &[i32],
    most: i32,
) -> sqlx::Result<Vec<MessageId>> {
    sqlx::query_scalar!(
        r#"select id as "id!: MessageId" from unnest(misaki.find($1, $2, $3)) id"#,
        terms,
        grams,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn titles(
    conn: &mut PgConnection,
    tenant: TenantId,
    most: i64,
) -> sqlx::Result<Vec<FoundChat>> {
    sqlx::query_as!(
        FoundChat,
        r#"select id as "id: ChatId", title as "title!" from misaki.chat
           where tenant_id = $1 and title is not null order by updated_at desc limit $2"#,
        tenant as TenantId,
        most,
    )
    .fetch_all(conn)
    .await
}

use identity::TenantId;
use sqlx::PgConnection;

use super::{Audience, Row, ShareId, ShareView};
use crate::{ChatId, MessageId};

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    token_hash: &[u8],
    row: &Row,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.share (id, tenant_id, chat_id, leaf_id, title, token_hash, audience, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.id as ShareId,
        tenant as TenantId,
        row.chat as ChatId,
        row.leaf as MessageId,
        row.title,
        token_hash,
        row.audience as Audience,
        row.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list(conn: &mut PgConnection, chat: ChatId) -> sqlx::Result<Vec<ShareView>> {
    sqlx::query_as!(
        ShareView,
        r#"select id as "id: ShareId", audience as "audience: Audience", created_at from misaki.share
           where chat_id = $1 order by created_at desc, id desc"#,
        chat as ChatId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn find(conn: &mut PgConnection, token_hash: &[u8]) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: ShareId", chat_id as "chat: ChatId", leaf_id as "leaf: MessageId", title,
                  audience as "audience: Audience", created_at
           from misaki.share where token_hash = $1"#,
        token_hash,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn delete(conn: &mut PgConnection, id: ShareId) -> sqlx::Result<bool> {
    Ok(
        sqlx::query!("delete from misaki.share where id = $1", id as ShareId)
            .execute(conn)
            .await?
            .rows_affected()
            == 1,
    )
}

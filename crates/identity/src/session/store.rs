use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Row, Session};
use crate::{Principal, SessionId, TenantId, UserId};

pub(super) async fn insert(conn: &mut PgConnection, row: &Row) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.session (id, token_hash, tenant_id, user_id, user_agent, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        row.id as SessionId,
        row.token_hash,
        row.tenant_id as TenantId,
        row.user_id as Option<UserId>,
        row.user_agent,
        row.created_at,
        row.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find_live(
    conn: &mut PgConnection,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Session>> {
    sqlx::query!(
        r#"select id as "id: SessionId", tenant_id as "tenant: TenantId", user_id as "user: UserId"
           from identity.session
           where token_hash = $1 and revoked_at is null and expires_at > $2"#,
        token_hash,
        now,
    )
    .map(|row| Session {
        id: row.id,
        principal: Principal {
            tenant: row.tenant,
            user: row.user,
        },
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn revoke(
    conn: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.session set revoked_at = $2 where id = $1 and revoked_at is null",
        id as SessionId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

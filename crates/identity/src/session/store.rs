use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Ending, Kind, Row, Session, View};
use crate::{Principal, Role, SessionId, TenantId, UserId};

pub(super) async fn insert(conn: &mut PgConnection, row: &Row) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.session
             (id, token_hash, tenant_id, user_id, user_agent, network, proven_at, proofs, created_at, last_seen_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
        row.id as SessionId,
        row.token_hash,
        row.tenant_id as TenantId,
        row.user_id as Option<UserId>,
        row.user_agent,
        row.network,
        row.proven_at,
        &row.proofs,
        row.created_at,
        row.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The live session of a token with the time it was last seen. A user who is no longer a member of the tenant, or no
/// longer there, has none.
pub(super) async fn find_live(
    conn: &mut PgConnection,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(Session, Option<DateTime<Utc>>)>> {
    sqlx::query!(
        r#"select s.id as "id: SessionId", s.tenant_id as "tenant: TenantId", s.user_id as "user: UserId", s.proven_at,
               s.last_seen_at, m.role as "role?", coalesce(u.operator, false) as "operator!"
           from identity.session s
           left join identity.membership m on m.tenant_id = s.tenant_id and m.user_id = s.user_id
           left join identity.app_user u on u.id = s.user_id
           where s.token_hash = $1 and s.revoked_at is null and s.expires_at > $2
               and (s.user_id is null or (m.role is not null and u.deleted_at is null))"#,
        token_hash,
        now,
    )
    .map(|row| {
        let session = Session {
            id: row.id,
            principal: Principal {
                tenant: row.tenant,
                user: row.user,
                key: None,
            },
            role: row.role.as_deref().map_or(Role::Guest, Role::from_stored),
            operator: row.operator,
            proven_at: row.proven_at,
        };
        (session, row.last_seen_at)
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn seen(
    conn: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.session set last_seen_at = $2 where id = $1",
        id as SessionId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn proofs(conn: &mut PgConnection, id: SessionId) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select proofs from identity.session where id = $1",
        id as SessionId
    )
    .fetch_one(conn)
    .await
}

/// Whether a session is open; waits for whoever is ending it.
pub(super) async fn lock(conn: &mut PgConnection, id: SessionId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select revoked_at is null as "open!" from identity.session where id = $1 for no key update"#,
        id as SessionId,
    )
    .fetch_optional(conn)
    .await
    .map(|open| open.unwrap_or(false))
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

pub(super) async fn revoke_all(
    conn: &mut PgConnection,
    user: UserId,
    which: Ending,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.session set revoked_at = $4
         where user_id = $1 and revoked_at is null and ($2::uuid is null or id <> $2) and ($3::uuid is null or tenant_id = $3)
         returning id",
        user as UserId,
        which.except as Option<SessionId>,
        which.tenant as Option<TenantId>,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn revoke_own(
    conn: &mut PgConnection,
    user: UserId,
    id: SessionId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.session set revoked_at = $3 where id = $1 and user_id = $2 and revoked_at is null",
        id as SessionId,
        user as UserId,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn list(
    conn: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<View>> {
    sqlx::query!(
        r#"select id as "id: SessionId", user_agent, network, created_at, last_seen_at
           from identity.session
           where user_id = $1 and revoked_at is null and expires_at > $2
           order by last_seen_at desc nulls last
           limit 200"#,
        user as UserId,
        now,
    )
    .map(|row| View {
        id: row.id,
        current: false,
        kind: Kind::Browser,
        user_agent: row.user_agent,
        network: row.network,
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
    })
    .fetch_all(conn)
    .await
}

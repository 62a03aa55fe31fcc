use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{SessionId, TenantId, UserId};

pub(super) async fn unconfirmed(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
    after: UserId,
    most: i64,
) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"select u.id as "id: UserId" from identity.app_user u
           where u.email is not null and u.email_verified_at is null and not u.operator
               and u.deletion_at is null and u.deleted_at is null and u.created_at < $1 and u.id > $2
               and not exists (select from identity.subject o where o.user_id = u.id)
               and not exists (select from identity.session s
                   where s.user_id = u.id and coalesce(s.last_seen_at, s.created_at) >= $1)
               and not exists (select from identity.refresh_family f where f.user_id = u.id and f.last_used_at >= $1)
               and not exists (select from identity.membership m join identity.api_key k on k.tenant_id = m.tenant_id
                   where m.user_id = u.id and k.last_used_at >= $1)
           order by u.id limit $3"#,
        since,
        after as UserId,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn idle_guests(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar!(
        r#"select t.id as "id: TenantId" from identity.tenant t
           where t.kind = 'person' and t.deleted_at is null and t.created_at < $1
               and not exists (select from identity.membership m where m.tenant_id = t.id)
               and not exists (select from identity.session s
                   where s.tenant_id = t.id and coalesce(s.last_seen_at, s.created_at) >= $1)
           order by t.created_at limit $2"#,
        since,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Locks a guest's tenant against its becoming an account; says whether it is still nobody's.
pub(super) async fn lock_idle_guest(
    conn: &mut PgConnection,
    tenant: TenantId,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let locked = sqlx::query!(
        "select t.id from identity.tenant t where t.id = $1 and t.deleted_at is null for update",
        tenant as TenantId,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if locked.is_none() {
        return Ok(false);
    }
    // a statement of its own, which sees what those who held the lock have written
    sqlx::query_scalar!(
        r#"select not exists (select from identity.membership where tenant_id = $1)
               and not exists (select from identity.session
                   where tenant_id = $1 and coalesce(last_seen_at, created_at) >= $2) as "idle!""#,
        tenant as TenantId,
        since,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn sessions(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<SessionId>> {
    sqlx::query_scalar!(
        r#"select id as "id: SessionId" from identity.session where tenant_id = $1 and revoked_at is null"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

/// Where from and with what a guest came in.
pub(super) async fn forget_traces(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.session set user_agent = '', network = '' where tenant_id = $1",
        tenant as TenantId,
    )
    .execute(conn)
    .await
    .map(drop)
}

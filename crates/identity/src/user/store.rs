use chrono::{DateTime, Utc};
use kernel::Lang;
use sqlx::PgConnection;

use super::{Credentials, UserView};
use crate::{TenantId, UserId};

pub(super) async fn insert(
    conn: &mut PgConnection,
    user: &UserView,
    password_hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.app_user (id, email, password_hash, display_name, locale, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        user.id as UserId,
        user.email,
        password_hash,
        user.display_name,
        user.locale.as_str(),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_tenant(
    conn: &mut PgConnection,
    id: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.tenant (id, kind, created_at) values ($1, 'person', $2)",
        id as TenantId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_owner(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.membership (tenant_id, user_id, role, created_at) values ($1, $2, 'owner', $3)",
        tenant as TenantId,
        user as UserId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find_credentials(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as!(
        Credentials,
        r#"select u.id as "user: UserId", m.tenant_id as "tenant: TenantId", u.password_hash
           from identity.app_user u
           join identity.membership m on m.user_id = u.id
           join identity.tenant t on t.id = m.tenant_id and t.kind = 'person'
           where u.email = $1
           order by m.created_at
           limit 1"#,
        email,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn find(conn: &mut PgConnection, id: UserId) -> sqlx::Result<Option<UserView>> {
    sqlx::query!(
        r#"select id as "id: UserId", email, display_name, locale from identity.app_user where id = $1"#,
        id as UserId,
    )
    .map(|row| UserView {
        id: row.id,
        email: row.email,
        display_name: row.display_name,
        locale: row.locale.parse::<Lang>().unwrap_or_default(),
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn tenant_kind(
    conn: &mut PgConnection,
    id: TenantId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select kind from identity.tenant where id = $1",
        id as TenantId
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn tenant_zone(
    conn: &mut PgConnection,
    id: TenantId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select zone from identity.tenant where id = $1",
        id as TenantId
    )
    .fetch_optional(conn)
    .await
}

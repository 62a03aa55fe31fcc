use sqlx::PgConnection;

use super::Member;
use crate::{Role, TenantId, UserId};

pub(super) async fn list(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<Member>> {
    select(conn, tenant, None).await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<Option<Member>> {
    let members = select(conn, tenant, Some(user)).await?;
    Ok(members.into_iter().next())
}

/// An address that somebody only claims is not shown: it may be another's.
async fn select(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: Option<UserId>,
) -> sqlx::Result<Vec<Member>> {
    sqlx::query!(
        r#"select u.id as "id: UserId", u.display_name, u.login_name, m.role, m.created_at,
               case when u.email_verified_at is not null then u.email end as email
           from identity.membership m join identity.app_user u on u.id = m.user_id and u.deleted_at is null
           where m.tenant_id = $1 and ($2::uuid is null or m.user_id = $2)
           order by m.created_at, u.id
           limit 2000"#,
        tenant as TenantId,
        user as Option<UserId>,
    )
    .map(|row| Member {
        user: row.id,
        display_name: row.display_name,
        email: row.email,
        login_name: row.login_name,
        role: Role::from_stored(&row.role),
        joined_at: row.created_at,
    })
    .fetch_all(conn)
    .await
}

/// Somebody whose account is about to be deleted is as good as gone.
pub(super) async fn has_another(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    role: Role,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.membership m join identity.app_user u on u.id = m.user_id
               where m.tenant_id = $1 and m.user_id <> $2 and m.role = $3 and u.deleted_at is null and u.deletion_at is null
           ) as "exists!""#,
        tenant as TenantId,
        user as UserId,
        role.as_str(),
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn change_role(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    role: Role,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.membership set role = $3 where tenant_id = $1 and user_id = $2",
        tenant as TenantId,
        user as UserId,
        role.as_str(),
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.membership where tenant_id = $1 and user_id = $2",
        tenant as TenantId,
        user as UserId,
    )
    .execute(conn)
    .await
    .map(drop)
}

use chrono::{DateTime, Utc};
use kernel::Lang;
use sqlx::PgConnection;

use super::{Invitation, Invited};
use crate::{InvitationId, Role, TenantId, UserId, tenant::Kind};

pub(super) async fn insert(
    conn: &mut PgConnection,
    invitation: &Invitation,
    tenant: TenantId,
    by: UserId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.invitation (id, tenant_id, email, role, invited_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        invitation.id as InvitationId,
        tenant as TenantId,
        invitation.email,
        invitation.role.as_str(),
        by as UserId,
        invitation.created_at,
        invitation.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    id: InvitationId,
) -> sqlx::Result<Option<Invited>> {
    let invited = select(conn, Some(id), None, None).await?;
    Ok(invited.into_iter().next())
}

/// Those of a tenant that wait and whose time is not over.
pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Invited>> {
    select(conn, None, Some(tenant), Some(now)).await
}

async fn select(
    conn: &mut PgConnection,
    id: Option<InvitationId>,
    tenant: Option<TenantId>,
    open_at: Option<DateTime<Utc>>,
) -> sqlx::Result<Vec<Invited>> {
    sqlx::query!(
        r#"select i.id as "id: InvitationId", i.email, i.role, i.created_at, i.expires_at,
               i.accepted_at is not null or i.withdrawn_at is not null or t.deleted_at is not null as "closed!",
               t.id as "tenant: TenantId", t.kind, t.name, u.display_name, u.locale,
               m.role as "inviter_role?"
           from identity.invitation i
           join identity.tenant t on t.id = i.tenant_id
           join identity.app_user u on u.id = i.invited_by
           left join identity.membership m on m.tenant_id = i.tenant_id and m.user_id = i.invited_by
           where ($1::uuid is null or i.id = $1) and ($2::uuid is null or i.tenant_id = $2)
               and ($3::timestamptz is null or (i.accepted_at is null and i.withdrawn_at is null and i.expires_at > $3))
           order by i.created_at desc, i.id desc
           limit 200"#,
        id as Option<InvitationId>,
        tenant as Option<TenantId>,
        open_at,
    )
    .map(|row| Invited {
        shown: Invitation {
            id: row.id,
            email: row.email,
            role: Role::from_stored(&row.role),
            created_at: row.created_at,
            expires_at: row.expires_at,
        },
        tenant: row.tenant,
        tenant_kind: Kind::from_stored(&row.kind),
        tenant_name: row.name,
        inviter_name: row.display_name,
        inviter_locale: row.locale.parse::<Lang>().unwrap_or_default(),
        inviter_role: row.inviter_role.as_deref().map(Role::from_stored),
        closed: row.closed,
    })
    .fetch_all(conn)
    .await
}

/// Whether the address, once proven, is one of the tenant's members.
pub(super) async fn is_member(
    conn: &mut PgConnection,
    tenant: TenantId,
    email: &str,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.membership m join identity.app_user u on u.id = m.user_id
               where m.tenant_id = $1 and u.email = $2 and u.email_verified_at is not null
           ) as "exists!""#,
        tenant as TenantId,
        email,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn count_guardians(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity.membership where tenant_id = $1 and role = 'guardian'"#,
        tenant as TenantId,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn count_open(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity.invitation
           where tenant_id = $1 and accepted_at is null and withdrawn_at is null and expires_at > $2"#,
        tenant as TenantId,
        now,
    )
    .fetch_one(conn)
    .await
}

/// Withdraws what an address was invited with before, also when its time is over; there is one at most.
pub(super) async fn withdraw_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    email: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<InvitationId>> {
    sqlx::query_scalar!(
        r#"update identity.invitation set withdrawn_at = $3
           where tenant_id = $1 and email = $2 and accepted_at is null and withdrawn_at is null
           returning id as "id: InvitationId""#,
        tenant as TenantId,
        email,
        now,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn withdraw(
    conn: &mut PgConnection,
    id: InvitationId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.invitation set withdrawn_at = $2 where id = $1",
        id as InvitationId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn accept(
    conn: &mut PgConnection,
    id: InvitationId,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.invitation set accepted_at = $3, accepted_by = $2 where id = $1",
        id as InvitationId,
        user as UserId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The language of whoever proved the address, if it has an account.
pub(super) async fn locale_of(conn: &mut PgConnection, email: &str) -> sqlx::Result<Option<Lang>> {
    sqlx::query_scalar!(
        "select locale from identity.app_user where email = $1 and email_verified_at is not null and deleted_at is null",
        email,
    )
    .fetch_optional(conn)
    .await
    .map(|locale| locale.and_then(|locale| locale.parse().ok()))
}

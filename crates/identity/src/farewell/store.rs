use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{TenantId, UserId};

pub(super) async fn set_deletion(
    conn: &mut PgConnection,
    user: UserId,
    at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set deletion_at = $2 where id = $1 and deleted_at is null",
        user as UserId,
        at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Whether a school or team would have members but no owner.
pub(super) async fn leaves_others_without_owner(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.membership mine
               join identity.tenant t on t.id = mine.tenant_id and t.kind in ('school', 'team') and t.deleted_at is null
               where mine.user_id = $1 and mine.role = 'owner'
                   and exists (select from identity.membership o where o.tenant_id = t.id and o.user_id <> $1)
                   and not exists (select from identity.membership o
                                   join identity.app_user u on u.id = o.user_id and u.deletion_at is null
                                   where o.tenant_id = t.id and o.user_id <> $1 and o.role = 'owner')
           ) as "exists!""#,
        user as UserId,
    )
    .fetch_one(conn)
    .await
}

/// Locks the schools and teams that a user owns against every other change of who belongs to them.
pub(super) async fn lock_owned(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "select t.id from identity.tenant t
         join identity.membership m on m.tenant_id = t.id and m.user_id = $1 and m.role = 'owner'
         order by t.id for no key update of t",
        user as UserId
    )
    .fetch_all(conn)
    .await
    .map(drop)
}

/// The tenants that go on without a user.
pub(super) async fn tenants_that_stay(
    conn: &mut PgConnection,
    user: UserId,
    going: &[Uuid],
) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar!(
        r#"select tenant_id as "tenant: TenantId" from identity.membership
           where user_id = $1 and tenant_id <> all ($2::uuid[])"#,
        user as UserId,
        going,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"select id as "id: UserId" from identity.app_user
           where deletion_at <= $1 and deleted_at is null order by deletion_at limit $2"#,
        now,
        most,
    )
    .fetch_all(conn)
    .await
}

/// The tenants in which nobody but children would be left.
pub(super) async fn tenants_that_go(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar!(
        r#"select m.tenant_id as "tenant: TenantId" from identity.membership m
           where m.user_id = $1 and not exists
               (select from identity.membership o where o.tenant_id = m.tenant_id and o.user_id <> $1 and o.role <> 'child')"#,
        user as UserId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn children(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"select user_id as "user: UserId" from identity.membership where tenant_id = $1 and role = 'child'"#,
        tenant as TenantId
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn forget_tenant(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.tenant set name = '', deleted_at = $2 where id = $1 and deleted_at is null",
        tenant as TenantId,
        now,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update identity.consent set withdrawn_at = $2 where tenant_id = $1 and withdrawn_at is null",
        tenant as TenantId,
        now,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update identity.invitation set email = '', withdrawn_at = coalesce(withdrawn_at, $2) where tenant_id = $1",
        tenant as TenantId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn forget_factors(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.totp where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from identity.recovery_code where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from identity.passkey where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from identity.subject where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from identity.child where user_id = $1",
        user as UserId
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Where from and with what somebody came in, and the addresses that links were sent to.
pub(super) async fn forget_traces(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.session set user_agent = '', network = '' where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update identity.refresh_family set user_agent = '', network = '' where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update identity.link set email = '' where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from identity.letter_wish where user_id = $1",
        user as UserId
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn forget_user(
    conn: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.membership where user_id = $1",
        user as UserId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update identity.app_user
         set email = null, email_verified_at = null, login_name = null, password_hash = null, display_name = '—',
             operator = false, deletion_at = null, deleted_at = $2
         where id = $1",
        user as UserId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn issuers(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Value>> {
    sqlx::query!(
        "select issuer, subject, created_at from identity.subject where user_id = $1 order by created_at",
        user as UserId
    )
    .map(|row| json!({ "issuer": row.issuer, "subject": row.subject, "created_at": row.created_at }))
    .fetch_all(conn)
    .await
}

pub(super) async fn consents(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Value>> {
    sqlx::query!(
        r#"select child_id as "child: UserId", kind, wording, given_at, withdrawn_at from identity.consent
           where given_by = $1 order by given_at"#,
        user as UserId
    )
    .map(|row| {
        json!({ "child": row.child, "kind": row.kind, "wording": row.wording, "given_at": row.given_at,
            "withdrawn_at": row.withdrawn_at })
    })
    .fetch_all(conn)
    .await
}

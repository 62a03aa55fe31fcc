use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Child, Consent};
use crate::{TenantId, UserId};

/// None for a tenant that is no family.
pub(super) async fn code(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select code from identity.tenant where id = $1 and deleted_at is null",
        tenant as TenantId
    )
    .fetch_optional(conn)
    .await
    .map(Option::flatten)
}

pub(super) async fn count(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity.child where tenant_id = $1"#,
        tenant as TenantId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    name: &str,
    birth_year: Option<i16>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.child (user_id, tenant_id, name, birth_year, created_at) values ($1, $2, $3, $4, $5)",
        user as UserId,
        tenant as TenantId,
        name,
        birth_year,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_consent(
    conn: &mut PgConnection,
    tenant: TenantId,
    child: UserId,
    consent: &Consent,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.consent (id, tenant_id, child_id, given_by, kind, wording, given_at)
         values ($1, $2, $3, $4, 'child_account', $5, $6)",
        consent.id,
        tenant as TenantId,
        child as UserId,
        consent.given_by as UserId,
        consent.wording,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<Child>> {
    select(conn, tenant, None).await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    child: UserId,
) -> sqlx::Result<Option<Child>> {
    let children = select(conn, tenant, Some(child)).await?;
    Ok(children.into_iter().next())
}

async fn select(
    conn: &mut PgConnection,
    tenant: TenantId,
    child: Option<UserId>,
) -> sqlx::Result<Vec<Child>> {
    sqlx::query_as!(
        Child,
        r#"select c.user_id as "user: UserId", u.display_name, c.name, c.birth_year, c.created_at, o.given_at as "consent_at!"
           from identity.child c
           join identity.app_user u on u.id = c.user_id
           join lateral (
               select max(o.given_at) as given_at from identity.consent o
               where o.child_id = c.user_id and o.kind = 'child_account' and o.withdrawn_at is null
           ) o on o.given_at is not null
           where c.tenant_id = $1 and ($2::uuid is null or c.user_id = $2)
           order by c.created_at, c.user_id"#,
        tenant as TenantId,
        child as Option<UserId>,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn rename(
    conn: &mut PgConnection,
    child: UserId,
    display_name: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set display_name = coalesce($2, display_name) where id = $1",
        child as UserId,
        display_name,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn withdraw_consents(
    conn: &mut PgConnection,
    tenant: TenantId,
    child: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.consent set withdrawn_at = $3 where tenant_id = $1 and child_id = $2 and withdrawn_at is null",
        tenant as TenantId,
        child as UserId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn forget_device(conn: &mut PgConnection, token_hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.device where token_hash = $1",
        token_hash
    )
    .execute(conn)
    .await
    .map(drop)
}

use chrono::{DateTime, Utc};
use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{GrantId, Kept};

/// False when there is one of this id.
pub(super) async fn insert(conn: &mut PgConnection, grant: &Kept) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into entitlement.one_off_grant (id, tenant_id, unit, amount, reason, given_by, given_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing",
        grant.id as GrantId,
        grant.tenant as TenantId,
        grant.unit,
        grant.amount,
        grant.reason,
        grant.given_by,
        grant.given_at,
        grant.expires_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whoever asks waits for others that do.
pub(super) async fn lock(conn: &mut PgConnection, id: GrantId) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select id as "id: GrantId", tenant_id as "tenant: TenantId", unit, amount, reason, given_by, given_at, expires_at,
                  revoked_at, revoked_by, revoked_reason
           from entitlement.one_off_grant where id = $1 for update"#,
        id as GrantId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn of_tenant(
    conn: &mut PgConnection,
    tenant: TenantId,
    page: &PageRequest,
) -> sqlx::Result<Vec<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select id as "id: GrantId", tenant_id as "tenant: TenantId", unit, amount, reason, given_by, given_at, expires_at,
                  revoked_at, revoked_by, revoked_reason
           from entitlement.one_off_grant
           where tenant_id = $1 and ($2::timestamptz is null or (given_at, id) < ($2, $3))
           order by given_at desc, id desc limit $4"#,
        tenant as TenantId,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await
}

/// All of them in the order of their ids, a page at a time.
pub(super) async fn all_after(
    conn: &mut PgConnection,
    after: Uuid,
    most: i64,
) -> sqlx::Result<Vec<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select id as "id: GrantId", tenant_id as "tenant: TenantId", unit, amount, reason, given_by, given_at, expires_at,
                  revoked_at, revoked_by, revoked_reason
           from entitlement.one_off_grant where id > $1 order by id limit $2"#,
        after,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn revoke(
    conn: &mut PgConnection,
    id: GrantId,
    (at, by, reason): (DateTime<Utc>, &str, &str),
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.one_off_grant set revoked_at = $2, revoked_by = $3, revoked_reason = $4, watched = true where id = $1",
        id as GrantId,
        at,
        by,
        reason,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn watched(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<GrantId>> {
    sqlx::query_scalar!(
        r#"select id as "id: GrantId" from entitlement.one_off_grant where watched order by revoked_at limit $1"#,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn forget(conn: &mut PgConnection, id: GrantId) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.one_off_grant set watched = false where id = $1",
        id as GrantId
    )
    .execute(conn)
    .await
    .map(drop)
}

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Client, NewCode, Written};
use crate::{FamilyId, TenantId, UserId};

pub(super) async fn insert_client(conn: &mut PgConnection, client: &Client) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.oauth_client (id, name, redirect_uris, created_at) values ($1, $2, $3, $4)",
        client.id,
        client.name,
        &client.redirect_uris,
        client.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn clients(conn: &mut PgConnection) -> sqlx::Result<Vec<Client>> {
    sqlx::query_as!(
        Client,
        "select id, name, redirect_uris, created_at, disabled_at from identity.oauth_client order by created_at desc, id"
    )
    .fetch_all(conn)
    .await
}

/// A client that is not disabled.
pub(super) async fn client(conn: &mut PgConnection, id: &str) -> sqlx::Result<Option<Client>> {
    sqlx::query_as!(
        Client,
        "select id, name, redirect_uris, created_at, disabled_at from identity.oauth_client
         where id = $1 and disabled_at is null",
        id,
    )
    .fetch_optional(conn)
    .await
}

/// The same by its id; whoever would disable it waits for this transaction.
pub(super) async fn hold_client(conn: &mut PgConnection, id: &str) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select id from identity.oauth_client where id = $1 and disabled_at is null for share",
        id,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn disable_client(
    conn: &mut PgConnection,
    id: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.oauth_client set disabled_at = $2 where id = $1 and disabled_at is null",
        id,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn insert_code(conn: &mut PgConnection, code: &NewCode<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.oauth_code
             (hash, client_id, tenant_id, user_id, redirect_uri, challenge, nonce, scopes, proofs, proven_at, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        code.hash,
        code.client,
        code.tenant as TenantId,
        code.user as UserId,
        code.redirect_uri,
        code.challenge,
        code.nonce,
        code.scopes,
        code.proofs,
        code.proven_at,
        code.created_at,
        code.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A code, locked until the transaction ends: of several exchanges at once one finds it unused.
pub(super) async fn lock_code(
    conn: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<Written>> {
    sqlx::query_as!(
        Written,
        r#"select client_id as client, tenant_id as "tenant: TenantId", user_id as "user: UserId", redirect_uri, challenge, nonce,
               scopes, proofs, proven_at, expires_at, used_at, family_id as "family: FamilyId"
           from identity.oauth_code where hash = $1 for update"#,
        hash,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn use_code(
    conn: &mut PgConnection,
    hash: &[u8],
    family: FamilyId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.oauth_code set used_at = $3, family_id = $2 where hash = $1",
        hash,
        family as FamilyId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn void_codes(
    conn: &mut PgConnection,
    user: UserId,
    tenant: Option<TenantId>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.oauth_code set used_at = $3
         where user_id = $1 and used_at is null and ($2::uuid is null or tenant_id = $2)",
        user as UserId,
        tenant as Option<TenantId>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.oauth_code where hash in
             (select hash from identity.oauth_code where expires_at < $1 order by expires_at limit $2 for update skip locked)",
        before,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}

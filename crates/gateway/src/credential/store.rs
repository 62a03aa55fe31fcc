use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{CredentialId, CredentialView, Row};
use crate::route::Kind;

/// Makes those who add credentials wait for each other.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended('gateway.credential', 0))::text as "locked""#
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

pub(super) async fn count(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from gateway.credential"#)
        .fetch_one(conn)
        .await
}

pub(super) async fn providers(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!("select distinct provider from gateway.credential")
        .fetch_all(conn)
        .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    new: &CredentialView,
    sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.credential
             (id, provider, kind, base_url, region, secret, suffix, weight, enabled, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        new.id as CredentialId,
        new.provider,
        new.kind.as_str(),
        new.base_url,
        new.region,
        sealed,
        new.suffix,
        new.weight,
        new.enabled,
        new.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The oldest first.
pub(super) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Row>> {
    sqlx::query!(
        r#"select id as "id: CredentialId", provider, kind, base_url, region, secret, suffix, weight, enabled, created_at,
               changed_at, refused_at, refused_status
           from gateway.credential order by created_at, id"#,
    )
    .map(|row| Row {
        view: CredentialView {
            id: row.id,
            provider: row.provider,
            kind: Kind::from_stored(&row.kind),
            base_url: row.base_url,
            region: row.region,
            suffix: row.suffix,
            weight: row.weight,
            enabled: row.enabled,
            created_at: row.created_at,
            changed_at: row.changed_at,
            refused_at: row.refused_at,
            refused_status: row.refused_status,
        },
        sealed: row.secret,
    })
    .fetch_all(conn)
    .await
}

/// One of them, locked.
pub(super) async fn find(
    conn: &mut PgConnection,
    id: CredentialId,
) -> sqlx::Result<Option<CredentialView>> {
    sqlx::query!(
        r#"select id as "id: CredentialId", provider, kind, base_url, region, suffix, weight, enabled, created_at, changed_at,
               refused_at, refused_status
           from gateway.credential where id = $1 for update"#,
        id as CredentialId,
    )
    .map(|row| CredentialView {
        id: row.id,
        provider: row.provider,
        kind: Kind::from_stored(&row.kind),
        base_url: row.base_url,
        region: row.region,
        suffix: row.suffix,
        weight: row.weight,
        enabled: row.enabled,
        created_at: row.created_at,
        changed_at: row.changed_at,
        refused_at: row.refused_at,
        refused_status: row.refused_status,
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn update(conn: &mut PgConnection, view: &CredentialView) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.credential set weight = $2, enabled = $3, changed_at = $4 where id = $1",
        view.id as CredentialId,
        view.weight,
        view.enabled,
        view.changed_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn rotate(
    conn: &mut PgConnection,
    view: &CredentialView,
    sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.credential
         set secret = $2, suffix = $3, changed_at = $4, refused_at = null, refused_status = null
         where id = $1",
        view.id as CredentialId,
        sealed,
        view.suffix,
        view.changed_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn refused(
    conn: &mut PgConnection,
    id: CredentialId,
    status: i16,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.credential set refused_at = $2, refused_status = $3 where id = $1",
        id as CredentialId,
        now,
        status,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(conn: &mut PgConnection, id: CredentialId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.credential where id = $1",
        id as CredentialId
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Secrets that don't begin with `prefix`, locked.
pub(super) async fn sealed_otherwise(
    conn: &mut PgConnection,
    prefix: &[u8],
) -> sqlx::Result<Vec<(CredentialId, Vec<u8>)>> {
    sqlx::query!(
        r#"select id as "id: CredentialId", secret from gateway.credential
           where substring(secret from 1 for length($1::bytea)) <> $1 for update"#,
        prefix,
    )
    .map(|row| (row.id, row.secret))
    .fetch_all(conn)
    .await
}

pub(super) async fn reseal(
    conn: &mut PgConnection,
    id: CredentialId,
    sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gateway.credential set secret = $2 where id = $1",
        id as CredentialId,
        sealed,
    )
    .execute(conn)
    .await
    .map(drop)
}

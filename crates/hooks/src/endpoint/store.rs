use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::{HookId, HookView, OffReason};

/// The columns of an endpoint that its tenant may see.
struct Row {
    id: HookId,
    url: String,
    event_types: Vec<String>,
    description: String,
    off_reason: Option<String>,
    failing_since: Option<DateTime<Utc>>,
    old_until: Option<DateTime<Utc>>,
    for_runs: bool,
    created_at: DateTime<Utc>,
}

impl Row {
    fn view(self, now: DateTime<Utc>) -> HookView {
        HookView {
            id: self.id,
            url: (!self.for_runs).then_some(self.url),
            event_types: self.event_types,
            description: self.description,
            enabled: self.off_reason.is_none(),
            off_reason: self.off_reason.as_deref().map(OffReason::from_stored),
            failing_since: self.failing_since,
            old_secret_until: self.old_until.filter(|until| *until > now),
            created_at: self.created_at,
        }
    }
}

/// Makes those who add endpoints to a tenant wait for each other.
pub(super) async fn lock(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('hooks ' || $1::uuid::text, 0))",
        tenant as TenantId,
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

pub(super) async fn count(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from hooks.endpoint where tenant_id = $1 and not for_runs"#,
        tenant as TenantId,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    new: &HookView,
    sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into hooks.endpoint (id, tenant_id, url, event_types, description, secret, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        new.id as HookId,
        tenant as TenantId,
        new.url.as_deref().unwrap_or_default(),
        &new.event_types,
        new.description,
        sealed,
        new.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Keeps the secret that signs for single runs; one that is there stays.
pub(super) async fn insert_for_runs(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: HookId,
    sealed: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into hooks.endpoint (id, tenant_id, url, event_types, description, secret, for_runs, created_at)
         values ($1, $2, '', '{}', '', $3, true, $4) on conflict (tenant_id) where for_runs do nothing",
        id as HookId,
        tenant as TenantId,
        sealed,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The endpoint whose secret signs for single runs.
pub(super) async fn for_runs(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Option<HookId>> {
    sqlx::query_scalar!(
        r#"select id as "id: HookId" from hooks.endpoint where tenant_id = $1 and for_runs"#,
        tenant as TenantId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<HookView>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: HookId", url, event_types, description, off_reason, failing_since, old_until, for_runs, created_at
           from hooks.endpoint where tenant_id = $1 order by created_at, id"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.view(now)).collect())
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: HookId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<HookView>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: HookId", url, event_types, description, off_reason, failing_since, old_until, for_runs, created_at
           from hooks.endpoint where tenant_id = $1 and id = $2 for update"#,
        tenant as TenantId,
        id as HookId,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.view(now)))
}

pub(super) async fn update(
    conn: &mut PgConnection,
    tenant: TenantId,
    view: &HookView,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update hooks.endpoint
         set url = $3, event_types = $4, description = $5, off_reason = $6, failing_since = $7
         where tenant_id = $1 and id = $2",
        tenant as TenantId,
        view.id as HookId,
        view.url.as_deref().unwrap_or_default(),
        &view.event_types,
        view.description,
        view.off_reason.map(OffReason::as_str),
        view.failing_since,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: HookId,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from hooks.endpoint where tenant_id = $1 and id = $2",
        tenant as TenantId,
        id as HookId,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn roll(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: HookId,
    sealed: &[u8],
    until: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update hooks.endpoint set old_secret = secret, old_until = $4, secret = $3
         where tenant_id = $1 and id = $2",
        tenant as TenantId,
        id as HookId,
        sealed,
        until,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The secrets of an endpoint as they are kept.
pub(super) struct Sealed {
    pub(super) id: HookId,
    pub(super) secret: Vec<u8>,
    pub(super) old_secret: Option<Vec<u8>>,
}

/// Secrets that don't begin with `prefix`, of endpoints behind `after`, locked.
pub(super) async fn sealed_otherwise(
    conn: &mut PgConnection,
    prefix: &[u8],
    after: HookId,
    most: i64,
) -> sqlx::Result<Vec<Sealed>> {
    sqlx::query_as!(
        Sealed,
        r#"select id as "id: HookId", secret, old_secret from hooks.endpoint
           where id > $2 and (substring(secret from 1 for length($1::bytea)) <> $1
               or substring(old_secret from 1 for length($1::bytea)) <> $1)
           order by id limit $3 for update"#,
        prefix,
        after as HookId,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn reseal(
    conn: &mut PgConnection,
    id: HookId,
    secret: &[u8],
    old_secret: Option<&[u8]>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update hooks.endpoint set secret = $2, old_secret = $3 where id = $1",
        id as HookId,
        secret,
        old_secret,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "with gone as (delete from hooks.endpoint where tenant_id = $1)
         delete from hooks.event where tenant_id = $1",
        tenant as TenantId,
    )
    .execute(conn)
    .await
    .map(drop)
}

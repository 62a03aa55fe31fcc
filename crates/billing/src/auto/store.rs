use chrono::{DateTime, Utc};
use entitlement::TopUpVersionId;
use identity::{TenantId, UserId};
use serde_json::Value;
use sqlx::PgConnection;

use super::{Rule, Stopped};
use crate::order::OrderId;

/// What is kept as it was shown.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) id: OrderId,
    pub(crate) tenant: TenantId,
    pub(crate) livemode: bool,
    pub(crate) storefront: &'a str,
    pub(crate) version: TopUpVersionId,
    pub(crate) kind: &'a str,
    pub(crate) wording: i32,
    pub(crate) facts: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn insert_shown(conn: &mut PgConnection, new: &Shown<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.order_shown (id, tenant_id, livemode, storefront, topup_version_id, kind, wording, shown,
             created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        new.id as OrderId,
        new.tenant as TenantId,
        new.livemode,
        new.storefront,
        new.version as TopUpVersionId,
        new.kind,
        new.wording,
        new.facts,
        new.created_at,
        new.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// What a tenant was shown to agree to, and until when it may.
pub(super) async fn find_shown(
    conn: &mut PgConnection,
    id: OrderId,
    tenant: TenantId,
    livemode: bool,
) -> sqlx::Result<Option<(TopUpVersionId, Value, DateTime<Utc>)>> {
    sqlx::query!(
        r#"select topup_version_id as "version!: TopUpVersionId", shown, expires_at
           from billing.order_shown where id = $1 and tenant_id = $2 and livemode = $3 and kind = 'auto'"#,
        id as OrderId,
        tenant as TenantId,
        livemode,
    )
    .map(|row| (row.version, row.shown, row.expires_at))
    .fetch_optional(conn)
    .await
}

/// Writes what a tenant agreed to, in the place of what it agreed to before.
pub(super) async fn write(
    conn: &mut PgConnection,
    rule: &Rule,
    livemode: bool,
    consent: OrderId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.auto_topup (tenant_id, storefront, livemode, topup_version_id, unit, threshold, monthly_yen,
             consent_id, agreed_by, agreed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (tenant_id, storefront, livemode) do update
         set topup_version_id = $4, unit = $5, threshold = $6, monthly_yen = $7, consent_id = $8, agreed_by = $9,
             agreed_at = $10, stopped = null",
        rule.tenant as TenantId,
        rule.storefront,
        livemode,
        rule.version as TopUpVersionId,
        rule.unit,
        rule.threshold,
        rule.monthly_yen,
        consent as OrderId,
        rule.agreed_by as UserId,
        rule.agreed_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Turns a rule off; false when it was not on.
pub(crate) async fn stop(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    livemode: bool,
    why: Stopped,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.auto_topup set stopped = $4
         where tenant_id = $1 and storefront = $2 and livemode = $3 and stopped is null",
        tenant as TenantId,
        storefront,
        livemode,
        why.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn stop_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.auto_topup set stopped = 'off' where tenant_id = $1 and stopped is null",
        tenant as TenantId,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn of_tenant(
    conn: &mut PgConnection,
    tenant: TenantId,
    livemode: bool,
) -> sqlx::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        r#"select tenant_id as "tenant: TenantId", storefront, topup_version_id as "version: TopUpVersionId", unit, threshold,
                  monthly_yen, agreed_by as "agreed_by: UserId", agreed_at, stopped
           from billing.auto_topup where tenant_id = $1 and livemode = $2 order by storefront limit 20"#,
        tenant as TenantId,
        livemode,
    )
    .fetch_all(conn)
    .await
}

/// What was paid since, and what is being paid.
pub(crate) async fn spent(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(amount_yen), 0)::bigint as "spent!" from billing.auto_order
           where tenant_id = $1 and storefront = $2 and created_at >= $3 and state <> 'failed'"#,
        tenant as TenantId,
        storefront,
        since,
    )
    .fetch_one(conn)
    .await
}

/// Closes an order whose payment came, in the transaction that grants its units; any other order is passed over.
pub(crate) async fn paid(
    conn: &mut PgConnection,
    id: OrderId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.auto_order set state = 'paid', closed_at = $2 where id = $1 and state <> 'paid'",
        id as OrderId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

use chrono::{DateTime, Utc};
use entitlement::TopUpVersionId;
use identity::{TenantId, UserId};
use serde_json::Value;
use sqlx::PgConnection;

use super::{Rule, Stopped, buy::Open};
use crate::order::OrderId;

/// What is kept as it was shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) id: OrderId,
    pub(super) tenant: TenantId,
    pub(super) livemode: bool,
    pub(super) storefront: &'a str,
    pub(super) version: TopUpVersionId,
    pub(super) kind: &'a str,
    pub(super) wording: i32,
    pub(super) facts: Value,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

pub(super) async fn insert_shown(conn: &mut PgConnection, new: &Shown<'_>) -> sqlx::Result<()> {
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
pub(super) async fn stop(
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

/// Whether the rule is still as it was read; held so until the transaction ends.
pub(super) async fn is_on(
    conn: &mut PgConnection,
    rule: &Rule,
    livemode: bool,
) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        "select agreed_at from billing.auto_topup
         where tenant_id = $1 and storefront = $2 and livemode = $3 and stopped is null for share",
        rule.tenant as TenantId,
        rule.storefront,
        livemode,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found == Some(rule.agreed_at))
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

/// Rules that are on and have no order open, in the order of their names.
pub(super) async fn on_after(
    conn: &mut PgConnection,
    (tenant, storefront): &(TenantId, String),
    livemode: bool,
    most: i64,
) -> sqlx::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        r#"select tenant_id as "tenant: TenantId", storefront, topup_version_id as "version: TopUpVersionId", unit, threshold,
                  monthly_yen, agreed_by as "agreed_by: UserId", agreed_at, stopped
           from billing.auto_topup t
           where stopped is null and livemode = $3 and (tenant_id, storefront) > ($1, $2)
             and not exists (select from billing.auto_order o
                             where o.tenant_id = t.tenant_id and o.storefront = t.storefront and o.state = 'open')
           order by tenant_id, storefront limit $4"#,
        *tenant as TenantId,
        storefront,
        livemode,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Takes the one place of an open order; false when it is taken.
pub(super) async fn insert(
    conn: &mut PgConnection,
    order: &Shown<'_>,
    amount_yen: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into billing.auto_order (id, tenant_id, storefront, livemode, amount_yen, created_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        order.id as OrderId,
        order.tenant as TenantId,
        order.storefront,
        order.livemode,
        amount_yen,
        order.created_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What was paid since, and what is being paid.
pub(super) async fn spent(
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

/// Orders that are being paid, the oldest first.
pub(super) async fn open(
    conn: &mut PgConnection,
    livemode: bool,
    most: i64,
) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        r#"select id as "id: OrderId", tenant_id as "tenant: TenantId", storefront, invoice, created_at
           from billing.auto_order where state = 'open' and livemode = $1 order by created_at, id limit $2"#,
        livemode,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn set_invoice(
    conn: &mut PgConnection,
    id: OrderId,
    invoice: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.auto_order set invoice = $2 where id = $1 and state = 'open'",
        id as OrderId,
        invoice,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn invoice_of(
    conn: &mut PgConnection,
    id: OrderId,
) -> sqlx::Result<Option<String>> {
    let found = sqlx::query_scalar!(
        "select invoice from billing.auto_order where id = $1",
        id as OrderId,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.flatten())
}

pub(super) async fn is_open(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from billing.auto_order where id = $1 and state = 'open') as "open!""#,
        id as OrderId,
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

/// Closes an order whose payment did not come; false when it was closed before.
pub(super) async fn failed(
    conn: &mut PgConnection,
    id: OrderId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.auto_order set state = 'failed', closed_at = $2 where id = $1 and state = 'open'",
        id as OrderId,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

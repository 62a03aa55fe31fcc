use chrono::{DateTime, Utc};
use entitlement::TopUpVersionId;
use identity::{TenantId, UserId};
use sqlx::PgConnection;

use super::Open;
use crate::{
    auto::{Rule, store::Shown},
    order::OrderId,
};

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

use chrono::{DateTime, Utc};
use identity::TenantId;
use ledger::{Grant, LotId};
use sqlx::PgConnection;

use super::{Due, Granted, New, PaymentId, Row};
use crate::order::OrderId;

/// False when the invoice was written down before, or another one for the same order.
pub(crate) async fn insert(conn: &mut PgConnection, new: &New<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into billing.payment (id, tenant_id, livemode, invoice, payment_intent, subscription, amount, currency,
             paid_at, recorded_at, order_id, rewards_due)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true)
         on conflict do nothing",
        new.id as PaymentId,
        new.tenant as TenantId,
        new.invoice.livemode,
        new.invoice.id,
        new.invoice.payment_intent(),
        new.invoice.subscription(),
        new.money.amount,
        new.money.currency.as_str(),
        new.paid_at,
        new.now,
        new.order as Option<OrderId>,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn insert_grant(
    conn: &mut PgConnection,
    payment: PaymentId,
    lot: LotId,
    grant: &Grant<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.payment_grant (lot_id, payment_id, tenant_id, unit, amount, expires_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (lot_id) do nothing",
        lot as LotId,
        payment as PaymentId,
        grant.tenant as TenantId,
        grant.unit,
        grant.amount,
        grant.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The payment of an invoice, for one transaction at a time.
pub(crate) async fn lock(conn: &mut PgConnection, invoice: &str) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: PaymentId", tenant_id as "tenant: TenantId", amount, currency, refunded, dispute, reading
           from billing.payment where invoice = $1 for update"#,
        invoice,
    )
    .fetch_optional(conn)
    .await
}

pub(crate) async fn given_back(conn: &mut PgConnection, row: &Row) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.payment set refunded = $2, dispute = $3, reading = $4 where id = $1",
        row.id as PaymentId,
        row.refunded,
        row.dispute,
        row.reading,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn grants(
    conn: &mut PgConnection,
    payment: PaymentId,
) -> sqlx::Result<Vec<Granted>> {
    sqlx::query_as!(
        Granted,
        r#"select lot_id as "lot: LotId", tenant_id as "tenant: TenantId", unit, amount, debt, expires_at, taken, again_lot_id as "again: LotId"
           from billing.payment_grant
           where payment_id = $1 order by tenant_id, unit, lot_id"#,
        payment as PaymentId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn set_debt(
    conn: &mut PgConnection,
    grant: &Granted,
    watch_until: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.payment_grant set debt = $2, watch_until = $3, taken = $4, again_lot_id = $5 where lot_id = $1",
        grant.lot as LotId,
        grant.debt,
        watch_until,
        grant.taken,
        grant.again as Option<LotId>,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// As [`set_debt`], and stops watching what can't come back any more.
pub(super) async fn mend_debt(
    conn: &mut PgConnection,
    grant: &Granted,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.payment_grant
         set debt = $2, taken = $3,
             watch_until = case when $2::bigint = 0 or watch_until <= $4 then null else watch_until end
         where lot_id = $1",
        grant.lot as LotId,
        grant.debt,
        grant.taken,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Invoices with units that may come back.
pub(super) async fn watched(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select distinct p.invoice from billing.payment_grant g join billing.payment p on p.id = g.payment_id
           where g.watch_until is not null limit $1"#,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Invoices whose rewards are to be posted, the oldest first.
pub(crate) async fn rewards_due(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select invoice from billing.payment where rewards_due order by recorded_at limit $1",
        most,
    )
    .fetch_all(conn)
    .await
}

/// False when they were posted before.
pub(crate) async fn take_rewards(conn: &mut PgConnection, id: PaymentId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.payment set rewards_due = false where id = $1 and rewards_due",
        id as PaymentId,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Invoices of a subscription whose end was not looked at, the oldest first.
pub(super) async fn not_ended(
    conn: &mut PgConnection,
    subscription: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select invoice from billing.payment where subscription = $1 and end_refund is null order by recorded_at, id",
        subscription,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn set_end_refund(
    conn: &mut PgConnection,
    id: PaymentId,
    amount: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.payment set end_refund = $2, end_refund_due = $2::bigint > 0 where id = $1",
        id as PaymentId,
        amount,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// What ended subscriptions are to give back and Stripe was not asked for yet, the oldest first.
pub(super) async fn end_refunds(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as!(
        Due,
        r#"select id as "id: PaymentId", payment_intent as intent, end_refund as "amount!"
           from billing.payment where end_refund_due order by recorded_at limit $1"#,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn end_refund_asked(conn: &mut PgConnection, id: PaymentId) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.payment set end_refund_due = false where id = $1",
        id as PaymentId,
    )
    .execute(conn)
    .await
    .map(drop)
}

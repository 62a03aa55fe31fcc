use chrono::{DateTime, Utc};
use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;

use super::{Usage, UsageRow};
use crate::{ReservationId, reservation::Closed};

pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: ReservationId,
    closed: &Closed,
    used: &Usage,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.usage
             (reservation_id, tenant_id, storefront, unit, amount, ref, model, tokens_in, tokens_out, cost_nano_usd, outcome, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        id as ReservationId,
        closed.tenant as TenantId,
        closed.storefront,
        closed.unit,
        used.amount,
        closed.reference,
        used.model,
        used.tokens_in,
        used.tokens_out,
        used.cost_nano_usd,
        used.outcome.as_str(),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    page: &PageRequest,
) -> sqlx::Result<Vec<UsageRow>> {
    sqlx::query_as!(
        UsageRow,
        r#"select ref as run_id, at, model, tokens_in, tokens_out, cost_nano_usd, unit, amount, outcome,
                  reservation_id as id
           from entitlement.usage
           where tenant_id = $1 and storefront = $2
             and ($3::timestamptz is null or (at, reservation_id) < ($3, $4))
           order by at desc, reservation_id desc limit $5"#,
        tenant as TenantId,
        storefront,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<UsageRow>> {
    sqlx::query_as!(
        UsageRow,
        r#"select ref as run_id, at, model, tokens_in, tokens_out, cost_nano_usd, unit, amount, outcome,
                  reservation_id as id
           from entitlement.usage
           where tenant_id = $1
           order by at, reservation_id"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

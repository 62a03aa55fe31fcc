use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DueLot, Grant, OpenLot, PeriodStock, RollOver, Stock, Whereabouts};
use crate::LotId;

pub(super) async fn insert(
    conn: &mut PgConnection,
    grant: &Grant<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ledger.lot (id, tenant_id, unit, amount, source, priority, reason, granted_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        grant.id,
        grant.tenant as TenantId,
        grant.unit,
        grant.amount,
        grant.source.as_str(),
        grant.priority,
        grant.reason,
        now,
        grant.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn open_lots(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<OpenLot>> {
    sqlx::query_as!(
        OpenLot,
        r#"select id as "id: LotId", available, expires_at from ledger.lot
           where tenant_id = $1 and unit = $2 and available > 0 and (expires_at is null or expires_at > $3)
           order by priority, expires_at nulls last, granted_at, id"#,
        tenant as TenantId,
        unit,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<DueLot>> {
    sqlx::query_as!(
        DueLot,
        r#"select id as "id: LotId", tenant_id as "tenant: TenantId", unit, reason, source, priority from ledger.lot
           where available > 0 and expires_at <= $1
           order by expires_at limit $2"#,
        now,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn insert_roll_over(
    conn: &mut PgConnection,
    (lot, tenant): (LotId, TenantId),
    roll: RollOver,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ledger.roll_over (lot_id, tenant_id, most, until) values ($1, $2, $3, $4) on conflict do nothing",
        lot as LotId,
        tenant as TenantId,
        roll.most,
        roll.until,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn roll_over_of(
    conn: &mut PgConnection,
    lot: LotId,
) -> sqlx::Result<Option<RollOver>> {
    sqlx::query_as!(
        RollOver,
        "select most, until from ledger.roll_over where lot_id = $1",
        lot as LotId,
    )
    .fetch_optional(conn)
    .await
}

/// What of a unit is kept by roll-over and may still be used.
pub(super) async fn rolled(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(l.available + l.held), 0)::bigint as "kept!"
           from ledger.rolled r join ledger.lot l on l.id = r.lot_id
           where l.tenant_id = $1 and l.unit = $2 and l.expires_at > $3"#,
        tenant as TenantId,
        unit,
        now,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert_rolled(
    conn: &mut PgConnection,
    (lot, tenant): (LotId, TenantId),
    from: LotId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ledger.rolled (lot_id, tenant_id, from_lot_id) values ($1, $2, $3)",
        lot as LotId,
        tenant as TenantId,
        from as LotId,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn available(conn: &mut PgConnection, id: LotId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "select available from ledger.lot where id = $1",
        id as LotId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn exists(conn: &mut PgConnection, id: LotId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from ledger.lot where id = $1) as "exists!""#,
        id as LotId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn stock(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Stock> {
    sqlx::query_as!(
        Stock,
        r#"select coalesce(sum(amount), 0)::bigint as "granted!", coalesce(sum(available), 0)::bigint as "available!",
                  coalesce(sum(held), 0)::bigint as "held!", coalesce(sum(spent), 0)::bigint as "spent!"
           from ledger.lot
           where tenant_id = $1 and unit = $2 and (expires_at is null or expires_at > $3)"#,
        tenant as TenantId,
        unit,
        now,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn period_stocks(
    conn: &mut PgConnection,
    units: &[(TenantId, &str)],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<PeriodStock>> {
    let tenants: Vec<Uuid> = units.iter().map(|(tenant, _)| tenant.0).collect();
    let names: Vec<String> = units.iter().map(|(_, unit)| (*unit).to_owned()).collect();
    sqlx::query_as!(
        PeriodStock,
        r#"select l.tenant_id as "tenant: TenantId", l.unit, sum(l.amount)::bigint as "granted!", sum(l.spent)::bigint as "spent!",
                  min(l.granted_at) as "since!", min(l.expires_at) as "until!"
           from unnest($1::uuid[], $2::text[]) as u (tenant, unit)
           join ledger.lot l on l.tenant_id = u.tenant and l.unit = u.unit and l.expires_at > $3
           group by l.tenant_id, l.unit"#,
        &tenants,
        &names,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn whereabouts(
    conn: &mut PgConnection,
    lots: &[LotId],
) -> sqlx::Result<Vec<Whereabouts>> {
    let ids: Vec<Uuid> = lots.iter().map(|lot| lot.0).collect();
    sqlx::query_as!(
        Whereabouts,
        r#"select id as "id: LotId", tenant_id as "tenant: TenantId", unit, amount, available, held, spent
           from ledger.lot where id = any($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await
}

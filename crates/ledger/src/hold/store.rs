use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::{Hold, NewHold, Part};
use crate::{HoldId, LotId};

pub(super) async fn insert(
    conn: &mut PgConnection,
    new: &NewHold<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ledger.hold (id, tenant_id, unit, amount, ref, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        new.id as HoldId,
        new.tenant as TenantId,
        new.unit,
        new.amount,
        new.reference,
        now,
        new.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(conn: &mut PgConnection, id: HoldId) -> sqlx::Result<Option<Hold>> {
    sqlx::query!(
        r#"select id as "id: HoldId", tenant_id as "tenant: TenantId", unit, amount, ref as reference
           from ledger.hold where id = $1"#,
        id as HoldId,
    )
    .map(|row| Hold { id: row.id, tenant: row.tenant, unit: row.unit, amount: row.amount, reference: row.reference })
    .fetch_optional(conn)
    .await
}

/// Closes an open hold; false when it was closed before.
pub(super) async fn close(
    conn: &mut PgConnection,
    id: HoldId,
    state: &str,
    settled: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update ledger.hold set state = $2, settled = $3, closed_at = $4 where id = $1 and state = 'open'",
        id as HoldId,
        state,
        settled,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What each lot gave to the hold, in the order in which lots are used.
pub(super) async fn parts(
    conn: &mut PgConnection,
    id: HoldId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Part>> {
    sqlx::query_as!(
        Part,
        r#"select l.id as "lot: LotId", e.amount, coalesce(l.expires_at <= $2, false) as "lot_expired!"
           from ledger.entry e
           join ledger.account a on a.id = e.account_id and a.kind = 'held'
           join ledger.lot l on l.id = e.lot_id
           where e.transfer_id = $1
           order by l.priority, l.expires_at nulls last, l.granted_at, l.id"#,
        id as HoldId,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(HoldId, TenantId)>> {
    sqlx::query!(
        r#"select id as "id: HoldId", tenant_id as "tenant: TenantId" from ledger.hold
           where state = 'open' and expires_at <= $1
           order by expires_at limit $2"#,
        now,
        most,
    )
    .map(|row| (row.id, row.tenant))
    .fetch_all(conn)
    .await
}

pub(super) async fn settled_of(
    conn: &mut PgConnection,
    ids: &[HoldId],
) -> sqlx::Result<Vec<(HoldId, i64)>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        r#"select id as "id: HoldId", settled from ledger.hold where id = any($1)"#,
        &ids
    )
    .map(|row| (row.id, row.settled))
    .fetch_all(conn)
    .await
}

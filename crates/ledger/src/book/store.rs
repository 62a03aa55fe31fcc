use chrono::{DateTime, Utc};
use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Balance, Line, Movement, Transfer};
use crate::{LotId, TransferId};

pub(super) async fn insert_transfer(
    conn: &mut PgConnection,
    transfer: &Transfer<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ledger.transfer (id, tenant_id, unit, kind, amount, hold_id, ref, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        transfer.id as TransferId,
        transfer.tenant as TenantId,
        transfer.unit,
        transfer.kind.as_str(),
        transfer.amount,
        transfer.hold,
        transfer.reference,
        transfer.at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// All lines go in one statement, because the trigger checks what one statement adds.
pub(super) async fn insert_lines(
    conn: &mut PgConnection,
    transfer: &Transfer<'_>,
    lines: &[Line],
) -> sqlx::Result<()> {
    let accounts: Vec<Uuid> = lines.iter().map(|line| line.account).collect();
    let lots: Vec<Uuid> = lines.iter().map(|line| line.lot.0).collect();
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount).collect();
    sqlx::query!(
        "insert into ledger.entry (transfer_id, account_id, lot_id, tenant_id, unit, amount, created_at)
         select $1, line.account_id, line.lot_id, $2, $3, line.amount, $4
         from unnest($5::uuid[], $6::uuid[], $7::bigint[]) as line (account_id, lot_id, amount)",
        transfer.id as TransferId,
        transfer.tenant as TenantId,
        transfer.unit,
        transfer.at,
        &accounts,
        &lots,
        &amounts,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn find_transfer(
    conn: &mut PgConnection,
    id: TransferId,
) -> sqlx::Result<Option<(TenantId, String, String, i64)>> {
    sqlx::query!(
        r#"select tenant_id as "tenant_id: TenantId", unit, kind, amount from ledger.transfer where id = $1"#,
        id as TransferId,
    )
    .map(|row| (row.tenant_id, row.unit, row.kind, row.amount))
    .fetch_optional(conn)
    .await
}

pub(super) async fn balances(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Vec<Balance>> {
    sqlx::query_as!(
        Balance,
        r#"select a.kind as account, a.unit, coalesce(sum(e.amount), 0)::bigint as "balance!"
           from ledger.account a left join ledger.entry e on e.account_id = a.id
           where a.tenant_id = $1 and a.unit = $2
           group by a.id
           order by array_position(array['available', 'held', 'spent', 'expired', 'issued'], a.kind)"#,
        tenant as TenantId,
        unit,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn transfers(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    page: &PageRequest,
) -> sqlx::Result<Vec<(TransferId, DateTime<Utc>)>> {
    sqlx::query!(
        r#"select id as "id: TransferId", created_at from ledger.transfer
           where tenant_id = $1 and unit = $2
             and ($3::timestamptz is null or (created_at, id) < ($3, $4))
           order by created_at desc, id desc limit $5"#,
        tenant as TenantId,
        unit,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .map(|row| (row.id, row.created_at))
    .fetch_all(conn)
    .await
}

pub(super) async fn movements(
    conn: &mut PgConnection,
    transfers: &[Uuid],
) -> sqlx::Result<Vec<Movement>> {
    sqlx::query!(
        r#"select t.id as "id: TransferId", t.created_at, t.kind, a.kind as account, e.unit, e.amount,
                  e.lot_id as "lot_id: LotId", t.ref as reference
           from ledger.transfer t
           join ledger.entry e on e.transfer_id = t.id
           join ledger.account a on a.id = e.account_id
           where t.id = any($1)
           order by t.created_at desc, t.id desc, e.amount"#,
        transfers,
    )
    .map(|row| Movement {
        transfer_id: row.id,
        at: row.created_at,
        kind: row.kind,
        account: row.account,
        unit: row.unit,
        amount: row.amount,
        lot_id: row.lot_id,
        r#ref: row.reference,
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn all_movements(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<Movement>> {
    sqlx::query!(
        r#"select t.id as "id: TransferId", t.created_at, t.kind, a.kind as account, e.unit, e.amount,
                  e.lot_id as "lot_id: LotId", t.ref as reference
           from ledger.transfer t
           join ledger.entry e on e.transfer_id = t.id
           join ledger.account a on a.id = e.account_id
           where t.tenant_id = $1
           order by t.created_at, t.id, e.amount"#,
        tenant as TenantId,
    )
    .map(|row| Movement {
        transfer_id: row.id,
        at: row.created_at,
        kind: row.kind,
        account: row.account,
        unit: row.unit,
        amount: row.amount,
        lot_id: row.lot_id,
        r#ref: row.reference,
    })
    .fetch_all(conn)
    .await
}

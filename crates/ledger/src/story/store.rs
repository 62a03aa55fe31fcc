use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{LotMovement, LotView, MovementRow, UnitBalance, split_reason};
use crate::{LotId, TransferId};

pub(super) async fn lots(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    page: &PageRequest,
) -> sqlx::Result<Vec<LotView>> {
    sqlx::query!(
        r#"select id as "id: LotId", source, amount, spent, held, expired, available, reason, granted_at, expires_at,
                  coalesce((select -sum(e.amount) from ledger.entry e
                            join ledger.transfer t on t.id = e.transfer_id and t.kind = 'reverse'
                            join ledger.account a on a.id = e.account_id and a.kind = 'available'
                            where e.lot_id = lot.id), 0)::bigint as "reversed!"
           from ledger.lot
           where tenant_id = $1 and unit = $2 and ($3::timestamptz is null or (granted_at, id) < ($3, $4))
           order by granted_at desc, id desc limit $5"#,
        tenant as TenantId,
        unit,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .map(|row| {
        let (reason, reference) = split_reason(&row.reason);
        LotView {
            id: row.id,
            source: row.source,
            granted: row.amount,
            used: row.spent,
            held: row.held,
            // the account takes both what expired and what was taken back
            expired: row.expired - row.reversed,
            reversed: row.reversed,
            left: row.available,
            reason,
            reference,
            granted_at: row.granted_at,
            expires_at: row.expires_at,
        }
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn has_lot(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    lot: LotId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from ledger.lot where id = $3 and tenant_id = $1 and unit = $2) as "exists!""#,
        tenant as TenantId,
        unit,
        lot as LotId,
    )
    .fetch_one(conn)
    .await
}

/// A grant goes before what the same instant took of it, so that no balance afterwards is below zero.
pub(super) async fn movements(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    lot: Option<LotId>,
    page: &PageRequest,
) -> sqlx::Result<Vec<MovementRow>> {
    sqlx::query!(
        r#"with line as (
               select t.id, e.lot_id, t.created_at, t.kind, t.ref, md5(t.id::text || e.lot_id::text)::uuid as line,
                      coalesce(sum(e.amount) filter (where a.kind = 'available'), 0)::bigint as amount,
                      coalesce(sum(e.amount) filter (where a.kind = 'held'), 0)::bigint as held,
                      coalesce(sum(e.amount) filter (where a.kind = 'spent'), 0)::bigint as used
               from ledger.entry e
               join ledger.transfer t on t.id = e.transfer_id
               join ledger.account a on a.id = e.account_id
               where e.tenant_id = $1 and e.unit = $2 and ($3::uuid is null or e.lot_id = $3)
               group by t.id, e.lot_id
           ), told as (
               select line.*, sum(amount) over (order by created_at, kind <> 'grant', line)::bigint as balance_after from line
           )
           select id as "id!: TransferId", lot_id as "lot_id!: LotId", created_at as "at!", kind as "kind!", ref as "reference!",
                  line as "line!: Uuid", amount as "amount!", held as "held!", used as "used!", balance_after as "balance_after!"
           from told
           where $4::timestamptz is null or (created_at, line) < ($4, $5)
           order by created_at desc, line desc limit $6"#,
        tenant as TenantId,
        unit,
        lot as Option<LotId>,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .map(|row| MovementRow {
        at: row.at,
        line: row.line,
        movement: LotMovement {
            transfer_id: row.id,
            lot_id: row.lot_id,
            at: row.at,
            kind: row.kind,
            amount: row.amount,
            held: row.held,
            used: row.used,
            balance_after: row.balance_after,
            reference: row.reference,
        },
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn units(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<UnitBalance>> {
    sqlx::query_as!(
        UnitBalance,
        r#"select a.unit,
                  coalesce(sum(e.amount) filter (where a.kind = 'available'), 0)::bigint as "available!",
                  coalesce(sum(e.amount) filter (where a.kind = 'held'), 0)::bigint as "held!",
                  coalesce(sum(e.amount) filter (where a.kind = 'spent'), 0)::bigint as "used!",
                  coalesce(sum(e.amount) filter (where a.kind = 'expired'), 0)::bigint as "expired!"
           from ledger.account a left join ledger.entry e on e.account_id = a.id
           where a.tenant_id = $1 group by a.unit order by a.unit"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

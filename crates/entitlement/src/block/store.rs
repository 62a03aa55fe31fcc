use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Block, BlockId, Unsettled};
use crate::lease::LeaseId;

pub(super) async fn insert(
    conn: &mut PgConnection,
    block: &Block,
    amount: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.block (id, tenant_id, storefront, unit, amount, lease_id, usable_until, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        block.id as BlockId,
        block.tenant as TenantId,
        block.storefront,
        block.unit,
        amount,
        block.lease as LeaseId,
        block.usable_until,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Takes the row's lock; none when the block is closed.
pub(super) async fn lock_open(conn: &mut PgConnection, id: BlockId) -> sqlx::Result<Option<Block>> {
    sqlx::query_as!(
        Block,
        r#"select id as "id: BlockId", tenant_id as "tenant: TenantId", storefront, unit, lease_id as "lease: LeaseId", usable_until
           from entitlement.block where id = $1 and state = 'open' for update"#,
        id as BlockId,
    )
    .fetch_optional(conn)
    .await
}

/// Takes the rows' locks in one order, so that two who close several don't wait for each other.
pub(crate) async fn lock_all(conn: &mut PgConnection, ids: &[BlockId]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "select id from entitlement.block where id = any($1) and state = 'open' order by id for update",
        &ids
    )
    .fetch_all(conn)
    .await
    .map(drop)
}

/// What was used of a block, and what is of work under way.
pub(super) async fn sums(conn: &mut PgConnection, id: BlockId) -> sqlx::Result<(i64, i64)> {
    sqlx::query!(
        r#"select (select coalesce(sum(amount), 0) from entitlement.usage where block_id = $1)::bigint as "used!",
                  (select coalesce(sum(amount), 0) from entitlement.reservation where block_id = $1 and state = 'open')::bigint as "open!""#,
        id as BlockId,
    )
    .map(|row| (row.used, row.open))
    .fetch_one(conn)
    .await
}

pub(super) async fn close(
    conn: &mut PgConnection,
    id: BlockId,
    used: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.block set state = 'closed', used = $2, closed_at = $3 where id = $1",
        id as BlockId,
        used,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn move_work(
    conn: &mut PgConnection,
    from: BlockId,
    to: BlockId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.reservation set block_id = $2 where block_id = $1 and state = 'open'",
        from as BlockId,
        to as BlockId,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn is_dead(
    conn: &mut PgConnection,
    id: BlockId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select not exists (select from entitlement.lease l where l.id = b.lease_id and l.lease_until > $2) as "dead!"
           from entitlement.block b where b.id = $1 and b.state = 'open'"#,
        id as BlockId,
        now,
    )
    .fetch_optional(conn)
    .await
    .map(Option::unwrap_or_default)
}

pub(super) async fn dead(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(BlockId, TenantId)>> {
    sqlx::query!(
        r#"select id as "id: BlockId", tenant_id as "tenant: TenantId" from entitlement.block b
           where state = 'open'
             and not exists (select from entitlement.lease l where l.id = b.lease_id and l.lease_until > $1)
             and not exists (select from entitlement.reservation r where r.block_id = b.id and r.state = 'open')
           limit $2"#,
        now,
        most,
    )
    .map(|row| (row.id, row.tenant))
    .fetch_all(conn)
    .await
}

/// The dead blocks of one tenant's unit.
pub(crate) async fn dead_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<BlockId>> {
    sqlx::query_scalar!(
        r#"select id as "id: BlockId" from entitlement.block b
           where state = 'open' and tenant_id = $1 and unit = $2
             and not exists (select from entitlement.lease l where l.id = b.lease_id and l.lease_until > $3)
             and not exists (select from entitlement.reservation r where r.block_id = b.id and r.state = 'open')
           order by id limit 100 for update skip locked"#,
        tenant as TenantId,
        unit,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn unsettled(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Unsettled> {
    sqlx::query!(
        r#"with b as (select id, amount from entitlement.block where state = 'open' and tenant_id = $1 and unit = $2),
                u as (select coalesce(sum(amount), 0)::bigint as n from entitlement.usage where block_id in (select id from b)),
                o as (select coalesce(sum(amount), 0)::bigint as n from entitlement.reservation
                      where state = 'open' and block_id in (select id from b))
           select (select coalesce(sum(amount), 0)::bigint from b) as "held!", u.n as "used!", o.n as "open!" from u, o"#,
        tenant as TenantId,
        unit,
    )
    .map(|row| Unsettled {
        idle: row.held - row.used - row.open,
        used: row.used,
    })
    .fetch_one(conn)
    .await
}

/// Whether others keep units in blocks that nobody uses.
pub(crate) async fn idle_elsewhere(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    except: LeaseId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from entitlement.block b
               where state = 'open' and tenant_id = $1 and unit = $2 and lease_id <> $3
                 and amount > (select coalesce(sum(u.amount), 0) from entitlement.usage u where u.block_id = b.id)
                            + (select coalesce(sum(r.amount), 0) from entitlement.reservation r
                               where r.block_id = b.id and r.state = 'open')) as "idle!""#,
        tenant as TenantId,
        unit,
        except as LeaseId,
    )
    .fetch_one(conn)
    .await
}

/// Open blocks of these leases.
pub(crate) async fn open_of(
    conn: &mut PgConnection,
    leases: &[Uuid],
) -> sqlx::Result<Vec<(BlockId, LeaseId)>> {
    sqlx::query!(
        r#"select id as "id: BlockId", lease_id as "lease: LeaseId" from entitlement.block
           where state = 'open' and lease_id = any($1)"#,
        leases,
    )
    .map(|row| (row.id, row.lease))
    .fetch_all(conn)
    .await
}

/// Closed blocks in the order of their ids, with what they say was used and what their usage rows say.
pub(super) async fn closed_after(
    conn: &mut PgConnection,
    after: Uuid,
    most: i64,
) -> sqlx::Result<Vec<(BlockId, i64, i64)>> {
    sqlx::query!(
        r#"select id as "id: BlockId", used,
                  (select coalesce(sum(u.amount), 0) from entitlement.usage u where u.block_id = b.id)::bigint as "rows!"
           from entitlement.block b where state = 'closed' and id > $1 order by id limit $2"#,
        after,
        most,
    )
    .map(|row| (row.id, row.used, row.rows))
    .fetch_all(conn)
    .await
}

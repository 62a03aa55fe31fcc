use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Closed, ReservationId, Row};
use crate::{Usage, block::BlockId};

/// The line in which all admissions of a key with a cap stand, until the transaction ends.
pub(super) async fn lock_key(conn: &mut PgConnection, key: KeyId) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("entitlement:key:{key}")
    )
    .execute(conn)
    .await
    .map(drop)
}

/// How many pieces of work a key asked for.
pub(super) async fn asked_since(
    conn: &mut PgConnection,
    key: KeyId,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from entitlement.reservation where key_id = $1 and created_at >= $2"#,
        key as KeyId,
        since,
    )
    .fetch_one(conn)
    .await
}

/// Writes admissions whose lease holds and whose block is open, and returns those. The locks on both last until the commit, so
/// whoever gives a lease up for dead or closes a block waits for what is being written and refuses what comes later.
pub(super) async fn insert(
    conn: &mut PgConnection,
    rows: &[&Row],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ReservationId>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let new = Columns::of(rows);
    sqlx::query_scalar!(
        r#"with new as (
               select n.* from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[],
                      $8::timestamptz[], $9::uuid[], $10::uuid[], $11::uuid[])
                   as n (id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id)
           ), lease as (
               select id from entitlement.lease
               where id = any($10) and lease_until > $12 and not stale order by id for key share
           ), block as (
               select id from entitlement.block where id = any($11) and state = 'open' order by id for key share
           )
           insert into entitlement.reservation
               (id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id)
           select new.* from new join lease on lease.id = new.lease_id join block on block.id = new.block_id
           returning id as "id: ReservationId""#,
        &new.ids,
        &new.tenants,
        &new.storefronts,
        &new.units,
        &new.amounts,
        &new.references,
        &new.leases_until,
        &new.created,
        &new.keys as &[Option<Uuid>],
        &new.leases,
        &new.blocks,
        now,
    )
    .fetch_all(conn)
    .await
}

/// As [`insert`], of work that is over: its reservation is written as closed, with its usage row.
pub(super) async fn insert_closed(
    conn: &mut PgConnection,
    rows: &[&Row],
    used: &[&Usage],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Closed>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let new = Columns::of(rows);
    let used = Used::of(used);
    sqlx::query_as!(
        Closed,
        r#"with new as (
               select n.* from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[],
                      $8::timestamptz[], $9::uuid[], $10::uuid[], $11::uuid[], $13::bigint[], $14::text[], $15::bigint[],
                      $16::bigint[], $17::bigint[], $18::text[])
                   as n (id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id, used,
                      model, tokens_in, tokens_out, cost_nano_usd, outcome)
           ), lease as (
               select id from entitlement.lease
               where id = any($10) and lease_until > $12 and not stale order by id for key share
           ), block as (
               select id from entitlement.block where id = any($11) and state = 'open' order by id for key share
           ), closed as (
               insert into entitlement.reservation
                   (id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id, state, closed_at)
               select new.id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id,
                      case when used > 0 then 'settled' else 'released' end, $12
               from new join lease on lease.id = new.lease_id join block on block.id = new.block_id
               returning id
           ), written as (
               insert into entitlement.usage
                   (reservation_id, tenant_id, storefront, unit, amount, ref, model, tokens_in, tokens_out, cost_nano_usd, outcome,
                    at, block_id)
               select id, tenant_id, storefront, unit, used, ref, model, tokens_in, tokens_out, cost_nano_usd, outcome, $12, block_id
               from new join closed using (id)
           )
           select id as "id!: ReservationId", tenant_id as "tenant!: TenantId", unit as "unit!", block_id as "block!: BlockId"
           from new join closed using (id)"#,
        &new.ids,
        &new.tenants,
        &new.storefronts,
        &new.units,
        &new.amounts,
        &new.references,
        &new.leases_until,
        &new.created,
        &new.keys as &[Option<Uuid>],
        &new.leases,
        &new.blocks,
        now,
        &used.amounts,
        &used.models,
        &used.tokens_in,
        &used.tokens_out,
        &used.costs,
        &used.outcomes,
    )
    .fetch_all(conn)
    .await
}

/// Reservations as Postgres takes many of them.
struct Columns {
    ids: Vec<Uuid>,
    tenants: Vec<Uuid>,
    storefronts: Vec<String>,
    units: Vec<String>,
    amounts: Vec<i64>,
    references: Vec<String>,
    leases_until: Vec<DateTime<Utc>>,
    created: Vec<DateTime<Utc>>,
    keys: Vec<Option<Uuid>>,
    leases: Vec<Uuid>,
    blocks: Vec<Uuid>,
}

impl Columns {
    fn of(rows: &[&Row]) -> Self {
        Self {
            ids: rows.iter().map(|row| row.id.0).collect(),
            tenants: rows.iter().map(|row| row.tenant.0).collect(),
            storefronts: rows.iter().map(|row| row.storefront.clone()).collect(),
            units: rows.iter().map(|row| row.unit.clone()).collect(),
            amounts: rows.iter().map(|row| row.amount).collect(),
            references: rows.iter().map(|row| row.reference.clone()).collect(),
            leases_until: rows.iter().map(|row| row.lease_until).collect(),
            created: rows.iter().map(|row| row.created_at).collect(),
            keys: rows.iter().map(|row| row.key.map(|key| key.0)).collect(),
            leases: rows.iter().map(|row| row.lease.0).collect(),
            blocks: rows.iter().map(|row| row.block.0).collect(),
        }
    }
}

/// What pieces of work used, as Postgres takes many of them.
struct Used {
    amounts: Vec<i64>,
    models: Vec<String>,
    tokens_in: Vec<i64>,
    tokens_out: Vec<i64>,
    costs: Vec<i64>,
    outcomes: Vec<String>,
}

impl Used {
    fn of(rows: &[&Usage]) -> Self {
        Self {
            amounts: rows.iter().map(|used| used.amount).collect(),
            models: rows.iter().map(|used| used.model.clone()).collect(),
            tokens_in: rows.iter().map(|used| used.tokens_in).collect(),
            tokens_out: rows.iter().map(|used| used.tokens_out).collect(),
            costs: rows.iter().map(|used| used.cost_nano_usd).collect(),
            outcomes: rows
                .iter()
                .map(|used| used.outcome.as_str().to_owned())
                .collect(),
        }
    }
}

/// Closes open reservations and writes their usage rows; returns those that were open.
pub(super) async fn close(
    conn: &mut PgConnection,
    endings: &[(ReservationId, Usage)],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Closed>> {
    let ids: Vec<Uuid> = endings.iter().map(|(id, _)| id.0).collect();
    let used = Used::of(&endings.iter().map(|(_, used)| used).collect::<Vec<_>>());
    sqlx::query_as!(
        Closed,
        r#"with ending as (
               select e.* from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
                   as e (id, amount, model, tokens_in, tokens_out, cost_nano_usd, outcome)
           ), closed as (
               update entitlement.reservation r
               set state = case when e.amount > 0 then 'settled' else 'released' end, closed_at = $8
               from ending e where r.id = e.id and r.state = 'open'
               returning r.id, r.tenant_id, r.storefront, r.unit, r.ref, r.block_id
           ), written as (
               insert into entitlement.usage
                   (reservation_id, tenant_id, storefront, unit, amount, ref, model, tokens_in, tokens_out, cost_nano_usd, outcome,
                    at, block_id)
               select c.id, c.tenant_id, c.storefront, c.unit, e.amount, c.ref, e.model, e.tokens_in, e.tokens_out,
                      e.cost_nano_usd, e.outcome, $8, c.block_id
               from closed c join ending e on e.id = c.id
           )
           select id as "id!: ReservationId", tenant_id as "tenant!: TenantId", unit as "unit!", block_id as "block!: BlockId"
           from closed"#,
        &ids,
        &used.amounts,
        &used.models,
        &used.tokens_in,
        &used.tokens_out,
        &used.costs,
        &used.outcomes,
        now,
    )
    .fetch_all(conn)
    .await
}

/// Closes an open reservation whose work died; none when it was closed before.
pub(super) async fn lapse(
    conn: &mut PgConnection,
    id: ReservationId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<BlockId>> {
    sqlx::query_scalar!(
        r#"update entitlement.reservation set state = 'lapsed', closed_at = $2 where id = $1 and state = 'open'
           returning block_id as "block!: BlockId""#,
        id as ReservationId,
        now,
    )
    .fetch_optional(conn)
    .await
}

/// Says that pieces of work are alive.
pub(crate) async fn renew(
    conn: &mut PgConnection,
    ids: &[Uuid],
    lease_until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.reservation set lease_until = $2
         where id in (select id from entitlement.reservation where id = any($1) and state = 'open' for update skip locked)",
        ids,
        lease_until,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Makes sure that an admission of which nobody knows whether it was written is either there or can never be.
pub(crate) async fn forestall(
    conn: &mut PgConnection,
    id: ReservationId,
    tenant: TenantId,
    storefront: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.reservation (id, tenant_id, storefront, unit, amount, ref, created_at, lease_until, state, closed_at)
         values ($1, $2, $3, 'none', 1, 'never begun', 'epoch', 'epoch', 'released', $4)
         on conflict (id) do nothing",
        id as ReservationId,
        tenant as TenantId,
        storefront,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Which of these are open.
pub(crate) async fn open_among(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<Vec<ReservationId>> {
    sqlx::query_scalar!(
        r#"select id as "id: ReservationId" from entitlement.reservation where id = any($1) and state = 'open'"#,
        ids,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn due(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(ReservationId, TenantId)>> {
    sqlx::query!(
        r#"select id as "id: ReservationId", tenant_id as "tenant: TenantId" from entitlement.reservation
           where state = 'open' and lease_until <= $1
           order by lease_until limit $2"#,
        before,
        most,
    )
    .map(|row| (row.id, row.tenant))
    .fetch_all(conn)
    .await
}

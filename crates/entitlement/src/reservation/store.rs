use std::collections::BTreeSet;

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

/// How many pieces of work a key asked for: what is over, what is under way, and what died.
pub(super) async fn asked_since(
    conn: &mut PgConnection,
    key: KeyId,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select (select count(*) from entitlement.usage where key_id = $1 and created_at >= $2)
                + (select count(*) from entitlement.reservation
                   where key_id = $1 and created_at >= $2 and state in ('open', 'lapsed')) as "count!""#,
        key as KeyId,
        since,
    )
    .fetch_one(conn)
    .await
}

/// What is written of every admission, column by column.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    tenants: Vec<Uuid>,
    storefronts: Vec<&'a str>,
    units: Vec<&'a str>,
    references: Vec<&'a str>,
    created: Vec<DateTime<Utc>>,
    keys: Vec<Option<Uuid>>,
    members: Vec<Option<Uuid>>,
    leases: Vec<Uuid>,
    blocks: Vec<Uuid>,
}

impl<'a> Columns<'a> {
    fn of(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut of = Self::default();
        for row in rows {
            of.ids.push(row.id.0);
            of.tenants.push(row.tenant.0);
            of.storefronts.push(&row.storefront);
            of.units.push(&row.unit);
            of.references.push(&row.reference);
            of.created.push(row.created_at);
            of.keys.push(row.key.map(|key| key.0));
            of.members.push(row.member.map(|user| user.0));
            of.leases.push(row.lease.0);
            of.blocks.push(row.block.0);
        }
        of
    }

    /// The leases and blocks, each once: most of what is written together has the same.
    fn distinct(&self) -> (Vec<Uuid>, Vec<Uuid>) {
        let distinct = |ids: &[Uuid]| {
            let ids: BTreeSet<Uuid> = ids.iter().copied().collect();
            ids.into_iter().collect()
        };
        (distinct(&self.leases), distinct(&self.blocks))
    }
}

/// Writes admissions of work under way whose lease holds and whose block is open, and returns those. The locks on lease and block
/// last until the commit, so whoever gives a lease up for dead or closes a block waits for what is being written and refuses what
/// comes later.
pub(super) async fn insert(
    conn: &mut PgConnection,
    rows: &[&Row],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ReservationId>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let of = Columns::of(rows.iter().copied());
    let amounts: Vec<i64> = rows.iter().map(|row| row.amount).collect();
    let (leases, blocks) = of.distinct();
    let leases_until: Vec<DateTime<Utc>> = rows.iter().map(|row| row.lease_until).collect();
    sqlx::query_scalar!(
        r#"with new as (
               select n.* from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[],
                      $8::timestamptz[], $9::uuid[], $10::uuid[], $11::uuid[], $13::uuid[])
                   as n (id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id, member_id)
           ), lease as (
               select id from entitlement.lease
               where id = any($14) and lease_until > $12 and not stale order by id for key share
           ), block as (
               select id, tenant_id from entitlement.block where id = any($15) and state = 'open' order by id for key share
           )
           insert into entitlement.reservation
               (id, tenant_id, storefront, unit, amount, ref, lease_until, created_at, key_id, lease_id, block_id, member_id)
           select new.id, new.tenant_id, new.storefront, new.unit, new.amount, new.ref, new.lease_until, new.created_at,
                  new.key_id, new.lease_id, new.block_id, new.member_id
           from new join lease on lease.id = new.lease_id
                    join block on block.id = new.block_id and block.tenant_id = new.tenant_id
           returning id as "id: ReservationId""#,
        &of.ids,
        &of.tenants,
        &of.storefronts as &[&str],
        &of.units as &[&str],
        &amounts,
        &of.references as &[&str],
        &leases_until,
        &of.created,
        &of.keys as &[Option<Uuid>],
        &of.leases,
        &of.blocks,
        now,
        &of.members as &[Option<Uuid>],
        &leases,
        &blocks,
    )
    .fetch_all(conn)
    .await
}

/// As [`insert`], for work that is over already: its usage row says all that a reservation would.
pub(super) async fn insert_over(
    conn: &mut PgConnection,
    rows: &[(&Row, &Usage)],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ReservationId>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let of = Columns::of(rows.iter().map(|(row, _)| *row));
    let amounts: Vec<i64> = rows.iter().map(|(_, used)| used.amount).collect();
    let (leases, blocks) = of.distinct();
    let models: Vec<&str> = rows.iter().map(|(_, used)| used.model.as_str()).collect();
    let tokens_in: Vec<i64> = rows.iter().map(|(_, used)| used.tokens_in).collect();
    let tokens_out: Vec<i64> = rows.iter().map(|(_, used)| used.tokens_out).collect();
    let costs: Vec<i64> = rows.iter().map(|(_, used)| used.cost_nano_usd).collect();
    let outcomes: Vec<&str> = rows.iter().map(|(_, used)| used.outcome.as_str()).collect();
    sqlx::query_scalar!(
        r#"with new as (
               select unnest($1::uuid[]) as id, unnest($2::uuid[]) as tenant_id, unnest($3::text[]) as storefront,
                      unnest($4::text[]) as unit, unnest($5::bigint[]) as used, unnest($6::text[]) as ref,
                      unnest($7::timestamptz[]) as created_at, unnest($8::uuid[]) as key_id, unnest($9::uuid[]) as member_id,
                      unnest($10::uuid[]) as lease_id, unnest($11::uuid[]) as block_id, unnest($13::text[]) as model,
                      unnest($14::bigint[]) as tokens_in, unnest($15::bigint[]) as tokens_out, unnest($16::bigint[]) as cost_nano_usd,
                      unnest($17::text[]) as outcome
           ), lease as (
               select id from entitlement.lease
               where id = any($18) and lease_until > $12 and not stale order by id for key share
           ), block as (
               select id, tenant_id from entitlement.block where id = any($19) and state = 'open' order by id for key share
           )
           insert into entitlement.usage
               (reservation_id, tenant_id, storefront, unit, amount, ref, model, tokens_in, tokens_out, cost_nano_usd, outcome, at,
                block_id, lease_id, key_id, member_id, created_at)
           select new.id, new.tenant_id, new.storefront, new.unit, new.used, new.ref, new.model, new.tokens_in, new.tokens_out,
                  new.cost_nano_usd, new.outcome, $12, new.block_id, new.lease_id, new.key_id, new.member_id, new.created_at
           from new join lease on lease.id = new.lease_id
                    join block on block.id = new.block_id and block.tenant_id = new.tenant_id
           returning reservation_id as "id: ReservationId""#,
        &of.ids,
        &of.tenants,
        &of.storefronts as &[&str],
        &of.units as &[&str],
        &amounts,
        &of.references as &[&str],
        &of.created,
        &of.keys as &[Option<Uuid>],
        &of.members as &[Option<Uuid>],
        &of.leases,
        &of.blocks,
        now,
        &models as &[&str],
        &tokens_in,
        &tokens_out,
        &costs,
        &outcomes as &[&str],
        &leases,
        &blocks,
    )
    .fetch_all(conn)
    .await
}

/// Closes open reservations and writes their usage rows; returns those that were open.
pub(super) async fn close(
    conn: &mut PgConnection,
    endings: &[(ReservationId, Usage)],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Closed>> {
    let ids: Vec<Uuid> = endings.iter().map(|(id, _)| id.0).collect();
    let amounts: Vec<i64> = endings.iter().map(|(_, used)| used.amount).collect();
    let models: Vec<String> = endings.iter().map(|(_, used)| used.model.clone()).collect();
    let tokens_in: Vec<i64> = endings.iter().map(|(_, used)| used.tokens_in).collect();
    let tokens_out: Vec<i64> = endings.iter().map(|(_, used)| used.tokens_out).collect();
    let costs: Vec<i64> = endings.iter().map(|(_, used)| used.cost_nano_usd).collect();
    let outcomes: Vec<String> = endings
        .iter()
        .map(|(_, used)| used.outcome.as_str().to_owned())
        .collect();
    sqlx::query_as!(
        Closed,
        r#"with ending as (
               select e.* from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
                   as e (id, amount, model, tokens_in, tokens_out, cost_nano_usd, outcome)
           ), closed as (
               update entitlement.reservation r
               set state = case when e.amount > 0 then 'settled' else 'released' end, closed_at = $8
               from ending e where r.id = e.id and r.state = 'open'
               returning r.id, r.tenant_id, r.storefront, r.unit, r.ref, r.block_id, r.lease_id, r.key_id, r.member_id, r.created_at
           ), written as (
               insert into entitlement.usage
                   (reservation_id, tenant_id, storefront, unit, amount, ref, model, tokens_in, tokens_out, cost_nano_usd, outcome,
                    at, block_id, lease_id, key_id, member_id, created_at)
               select c.id, c.tenant_id, c.storefront, c.unit, e.amount, c.ref, e.model, e.tokens_in, e.tokens_out,
                      e.cost_nano_usd, e.outcome, $8, c.block_id, c.lease_id, c.key_id, c.member_id, c.created_at
               from closed c join ending e on e.id = c.id
           )
           select c.id as "id!: ReservationId", c.tenant_id as "tenant!: TenantId", c.unit as "unit!",
                  c.block_id as "block!: BlockId", e.amount as "used!"
           from closed c join ending e on e.id = c.id"#,
        &ids,
        &amounts,
        &models,
        &tokens_in,
        &tokens_out,
        &costs,
        &outcomes,
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

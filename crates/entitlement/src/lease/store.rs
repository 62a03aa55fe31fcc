use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{LeaseId, Load, MINUTE, Totals};

/// The line in which all who take of a tenant's limits stand, and all who change its plan, until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("entitlement:{tenant}:{storefront}")
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Lets go of leases that are over: this process's own are removed, those of others once what they may have begun without
/// writing it down is older than a minute. It waits for admissions under them that are being written, so that from then on each
/// is seen or will never be.
pub(crate) async fn let_go(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    node: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with over as (
             select id from entitlement.lease where tenant_id = $1 and storefront = $2 and lease_until <= $3 order by id for update
         )
         delete from entitlement.lease l using over
         where l.id = over.id and (l.node_id = $4 or l.lease_until <= $5)",
        tenant as TenantId,
        storefront,
        now,
        node,
        now - MINUTE,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Removes leases that were over before, whosever they are.
pub(crate) async fn delete_all_over(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from entitlement.lease where id in
             (select id from entitlement.lease where lease_until <= $1 order by lease_until limit $2 for update skip locked)",
        before,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn delete(conn: &mut PgConnection, id: LeaseId) -> sqlx::Result<()> {
    sqlx::query!("delete from entitlement.lease where id = $1", id as LeaseId)
        .execute(conn)
        .await
        .map(drop)
}

/// All leases of a tenant at a storefront, and the work of those that are no more. A process that died may have begun one more
/// piece of work in each of its places than it wrote down: those count for a minute from the end of its lease.
pub(crate) async fn loads(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Load>> {
    sqlx::query_as!(
        Load,
        r#"with recent as (
               select lease_id, count(*) as n, min(created_at) as oldest from (
                   select lease_id, created_at from entitlement.usage
                   where tenant_id = $1 and storefront = $2 and at > $4 and created_at > $4
                   union all
                   select lease_id, created_at from entitlement.reservation
                   where tenant_id = $1 and storefront = $2 and created_at > $4 and state in ('open', 'lapsed')
               ) as admitted group by lease_id
           ), open as (
               select lease_id, count(*) as n from entitlement.reservation
               where tenant_id = $1 and storefront = $2 and state = 'open' and lease_until > $3 group by lease_id
           ), lease as (
               select l.id, case when lease_until > $3 then node_id end as node_id, rate_slots, places,
                      case when lease_until > $3 then 0
                           else least(places, greatest(rate_slots - coalesce(n, 0), 0)) end as unwritten,
                      case when lease_until <= $3 then lease_until end as over_at
               from entitlement.lease l left join recent on recent.lease_id = l.id
               where tenant_id = $1 and storefront = $2
           )
           select coalesce(lease.id, recent.lease_id, open.lease_id, '00000000-0000-0000-0000-000000000000') as "lease!: LeaseId",
                  lease.node_id as "node?", coalesce(lease.rate_slots, 0)::bigint as "rate_slots!",
                  coalesce(lease.places, 0)::bigint as "places!",
                  coalesce(recent.n, 0) + coalesce(lease.unwritten, 0) as "recent!", coalesce(open.n, 0) as "open!",
                  coalesce(recent.oldest, case when lease.unwritten > 0 then lease.over_at end) as "oldest?"
           from lease full join recent on recent.lease_id = lease.id
                full join open on open.lease_id = coalesce(lease.id, recent.lease_id)"#,
        tenant as TenantId,
        storefront,
        now,
        now - MINUTE,
    )
    .fetch_all(conn)
    .await
}

/// What a lease is written with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLease<'a> {
    pub(crate) id: LeaseId,
    pub(crate) tenant: TenantId,
    pub(crate) storefront: &'a str,
    pub(crate) node: Uuid,
    pub(crate) totals: Totals,
    pub(crate) until: DateTime<Utc>,
}

/// Writes what a process holds, whatever was written before.
pub(crate) async fn write(conn: &mut PgConnection, lease: &NewLease<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.lease (id, tenant_id, storefront, node_id, rate_slots, places, lease_until)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (id) do update
         set rate_slots = $5, places = $6, lease_until = $7, recalled = false, stale = false",
        lease.id as LeaseId,
        lease.tenant as TenantId,
        lease.storefront,
        lease.node,
        i32::try_from(lease.totals.slots).unwrap_or(i32::MAX),
        i32::try_from(lease.totals.places).unwrap_or(i32::MAX),
        lease.until,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Writes that a process holds less.
pub(crate) async fn shrink(
    conn: &mut PgConnection,
    id: LeaseId,
    totals: Totals,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.lease set rate_slots = $2, places = $3, recalled = false where id = $1",
        id as LeaseId,
        i32::try_from(totals.slots).unwrap_or(i32::MAX),
        i32::try_from(totals.places).unwrap_or(i32::MAX),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Asks the others to give back what they don't use.
pub(crate) async fn recall(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    node: Uuid,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.lease set recalled = true where tenant_id = $1 and storefront = $2 and node_id <> $3",
        tenant as TenantId,
        storefront,
        node,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Says that nothing more is to be admitted by what was known of the plan.
pub(crate) async fn invalidate(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.lease set stale = true where tenant_id = $1 and storefront = $2",
        tenant as TenantId,
        storefront,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Wakes those who hold leases of the tenant.
pub(crate) async fn notify(
    conn: &mut PgConnection,
    channel: &str,
    tenant: TenantId,
) -> sqlx::Result<()> {
    sqlx::query!("select pg_notify($1, $2)", channel, tenant.0.to_string())
        .execute(conn)
        .await
        .map(drop)
}

/// The leases of a process that others want something of: recalled, stale.
pub(crate) async fn wanted(
    conn: &mut PgConnection,
    node: Uuid,
) -> sqlx::Result<Vec<(LeaseId, bool, bool)>> {
    sqlx::query!(
        r#"select id as "id: LeaseId", recalled, stale from entitlement.lease where node_id = $1 and (recalled or stale)"#,
        node
    )
    .map(|row| (row.id, row.recalled, row.stale))
    .fetch_all(conn)
    .await
}

/// Renews leases that are not over yet; returns those.
pub(crate) async fn renew(
    conn: &mut PgConnection,
    ids: &[Uuid],
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<LeaseId>> {
    sqlx::query_scalar!(
        r#"update entitlement.lease set lease_until = $2 where id = any($1) and lease_until > $3 returning id as "id: LeaseId""#,
        ids,
        until,
        now,
    )
    .fetch_all(conn)
    .await
}

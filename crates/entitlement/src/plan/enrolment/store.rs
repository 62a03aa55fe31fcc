use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::{
    Behind, Customers, Enrolled, EnrolmentRow, Following, PlanVersionId, Status, StoredPlan,
};

pub(super) async fn enrol(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    version: PlanVersionId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.enrolment (tenant_id, storefront, plan_version_id, since) values ($1, $2, $3, $4)
         on conflict (tenant_id, storefront) do update
         set plan_version_id = $3, since = $4, status = 'active', expires_at = null, ends_at = null, reference = null",
        tenant as TenantId,
        storefront,
        version as PlanVersionId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A subscription that does not hold writes over what followed it, and nothing else.
pub(super) async fn follow(
    conn: &mut PgConnection,
    following: &Following<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.enrolment as e
             (tenant_id, storefront, plan_version_id, since, status, expires_at, ends_at, reference)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (tenant_id, storefront) do update
         set plan_version_id = $3, status = $5, expires_at = $6, ends_at = $7, reference = $8,
             since = case when e.plan_version_id = $3 then e.since else $4 end
         where $9 or e.reference is not null",
        following.tenant as TenantId,
        following.storefront,
        following.version as PlanVersionId,
        now,
        following.status.as_str(),
        following.expires_at,
        following.ends_at,
        following.reference,
        following.status.holds(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// What a tenant is enrolled in at a storefront.
pub(crate) async fn enrolled(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<Option<Enrolled>> {
    sqlx::query!(
        r#"select v.id as "id: PlanVersionId", v.storefront, v.plan, v.version, v.terms, e.status, e.expires_at, e.ends_at
           from entitlement.enrolment e join entitlement.plan_version v on v.id = e.plan_version_id
           where e.tenant_id = $1 and e.storefront = $2"#,
        tenant as TenantId,
        storefront,
    )
    .map(|row| Enrolled {
        plan: StoredPlan {
            id: row.id,
            storefront: row.storefront,
            plan: row.plan,
            version: row.version,
            terms: row.terms,
        },
        status: row.status,
        expires_at: row.expires_at,
        ends_at: row.ends_at,
    })
    .fetch_optional(conn)
    .await
}

pub(crate) async fn customers(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Customers>> {
    sqlx::query_as!(
        Customers,
        r#"select v.storefront, v.plan, v.version, count(*) as "customers!"
           from entitlement.enrolment e join entitlement.plan_version v on v.id = e.plan_version_id
           where e.status in ('active', 'grace', 'canceled') and (e.ends_at is null or e.ends_at > $1)
           group by v.storefront, v.plan, v.version order by 1, 2, 3"#,
        now,
    )
    .fetch_all(conn)
    .await
}

/// Those on older versions, locked, so that what they pay with does not change meanwhile.
pub(crate) async fn behind(
    conn: &mut PgConnection,
    storefront: &str,
    plan: &str,
    newest: i32,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Behind>> {
    sqlx::query_as!(
        Behind,
        r#"select e.tenant_id as "tenant: TenantId", v.id as "version: PlanVersionId", e.reference is not null as "subscribed!"
           from entitlement.enrolment e join entitlement.plan_version v on v.id = e.plan_version_id
           where v.storefront = $1 and v.plan = $2 and v.version < $3
             and e.status in ('active', 'grace', 'canceled') and (e.ends_at is null or e.ends_at > $4)
           order by e.tenant_id for update of e"#,
        storefront,
        plan,
        newest,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn move_to(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    version: PlanVersionId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.enrolment set plan_version_id = $3, since = $4 where tenant_id = $1 and storefront = $2",
        tenant as TenantId,
        storefront,
        version as PlanVersionId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn enrolments(
    conn: &mut PgConnection,
    tenants: &[uuid::Uuid],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<EnrolmentRow>> {
    sqlx::query!(
        r#"select e.tenant_id as "tenant: TenantId", e.storefront, v.plan, v.version, e.status, e.ends_at
           from entitlement.enrolment e join entitlement.plan_version v on v.id = e.plan_version_id
           where e.tenant_id = any($1)"#,
        tenants,
    )
    .map(|row| EnrolmentRow {
        tenant: row.tenant,
        storefront: row.storefront,
        plan: row.plan,
        version: row.version,
        status: Status::from_stored(&row.status).at(now, row.ends_at),
    })
    .fetch_all(conn)
    .await
}

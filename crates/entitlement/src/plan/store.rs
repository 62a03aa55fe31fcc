use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use super::{Plan, PlanVersionId, StoredPlan, Terms};

/// Keeps two nodes from making the same version at once.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('entitlement:plans', 0))")
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<Vec<StoredPlan>> {
    let mut rows = sqlx::query_as!(
        StoredPlan,
        r#"select distinct on (storefront, plan) id as "id: PlanVersionId", storefront, plan, version, terms
           from entitlement.plan_version
           order by storefront, plan, version desc"#,
    )
    .fetch_all(conn)
    .await?;
    rows.sort_by_key(|row| {
        row.terms
            .get("price_yen")
            .and_then(serde_json::Value::as_u64)
    });
    Ok(rows)
}

pub(super) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<(StoredPlan, DateTime<Utc>)>> {
    sqlx::query!(
        r#"select id as "id: PlanVersionId", storefront, plan, version, terms, created_at
           from entitlement.plan_version order by storefront, plan, version"#,
    )
    .map(|row| {
        let plan = StoredPlan {
            id: row.id,
            storefront: row.storefront,
            plan: row.plan,
            version: row.version,
            terms: row.terms,
        };
        (plan, row.created_at)
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    plan: &Plan,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.plan_version (id, storefront, plan, version, terms, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        plan.version_id as PlanVersionId,
        plan.storefront,
        plan.id,
        plan.version,
        Json(&plan.terms) as Json<&Terms>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn by_price(
    conn: &mut PgConnection,
    price: &str,
) -> sqlx::Result<Option<StoredPlan>> {
    sqlx::query_as!(
        StoredPlan,
        r#"select id as "id: PlanVersionId", storefront, plan, version, terms
           from entitlement.plan_version where terms ->> 'stripe_price' = $1
           order by created_at desc, version desc, id limit 1"#,
        price,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn version(
    conn: &mut PgConnection,
    id: PlanVersionId,
) -> sqlx::Result<Option<StoredPlan>> {
    sqlx::query_as!(
        StoredPlan,
        r#"select id as "id: PlanVersionId", storefront, plan, version, terms
           from entitlement.plan_version where id = $1"#,
        id as PlanVersionId,
    )
    .fetch_optional(conn)
    .await
}

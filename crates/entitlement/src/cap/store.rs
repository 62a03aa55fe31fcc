use identity::TenantId;
use sqlx::PgConnection;

use super::Cap;

pub(super) async fn list(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<Cap>> {
    sqlx::query_as!(
        Cap,
        r#"select unit, monthly, 0::bigint as "used!", set_by, set_at from entitlement.cap
           where tenant_id = $1 order by unit limit 100"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select monthly from entitlement.cap where tenant_id = $1 and unit = $2",
        tenant as TenantId,
        unit,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn write(
    conn: &mut PgConnection,
    tenant: TenantId,
    cap: &Cap,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.cap (tenant_id, unit, monthly, set_by, set_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, unit) do update set monthly = $3, set_by = $4, set_at = $5",
        tenant as TenantId,
        cap.unit,
        cap.monthly,
        cap.set_by,
        cap.set_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from entitlement.cap where tenant_id = $1 and unit = $2",
        tenant as TenantId,
        unit,
    )
    .execute(conn)
    .await
    .map(drop)
}

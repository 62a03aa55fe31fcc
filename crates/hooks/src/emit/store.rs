use chrono::{DateTime, Utc};
use identity::TenantId;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DeliveryId, EventId, EventType, HookId};

/// The endpoints that want to hear of it.
pub(super) async fn listeners(
    conn: &mut PgConnection,
    tenant: TenantId,
    event: &str,
) -> sqlx::Result<Vec<HookId>> {
    sqlx::query_scalar!(
        r#"select id as "id: HookId" from hooks.endpoint
           where tenant_id = $1 and off_reason is null and not for_runs and (event_types = '{}' or $2 = any(event_types))"#,
        tenant as TenantId,
        event,
    )
    .fetch_all(conn)
    .await
}

/// The endpoints that want to hear of any of these, each beside what it wants.
pub(super) async fn listeners_of(
    conn: &mut PgConnection,
    kinds: &[(TenantId, EventType)],
) -> sqlx::Result<Vec<((TenantId, EventType), HookId)>> {
    let tenants: Vec<Uuid> = kinds.iter().map(|(tenant, _)| tenant.0).collect();
    let events: Vec<&str> = kinds.iter().map(|(_, event)| event.as_str()).collect();
    let found = sqlx::query!(
        r#"select f.n - 1 as "place!", e.id as "id: HookId"
           from unnest($1::uuid[], $2::text[]) with ordinality as f (tenant, event, n)
           join hooks.endpoint e on e.tenant_id = f.tenant and e.off_reason is null and not e.for_runs
               and (e.event_types = '{}' or f.event = any(e.event_types))"#,
        &tenants,
        &events as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(found
        .into_iter()
        .filter_map(|row| {
            let kind = kinds.get(usize::try_from(row.place).ok()?)?;
            Some((*kind, row.id))
        })
        .collect())
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: EventId,
    tenant: TenantId,
    event: &str,
    payload: &Value,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into hooks.event (id, tenant_id, type, payload, created_at) values ($1, $2, $3, $4, $5)",
        id as EventId,
        tenant as TenantId,
        event,
        payload,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_delivery(
    conn: &mut PgConnection,
    id: DeliveryId,
    tenant: TenantId,
    event: EventId,
    endpoint: HookId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into hooks.delivery (id, tenant_id, event_id, endpoint_id, created_at) values ($1, $2, $3, $4, $5)",
        id as DeliveryId,
        tenant as TenantId,
        event as EventId,
        endpoint as HookId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A delivery to an address that a run named, if the tenant has a secret to sign it with.
pub(super) async fn insert_delivery_of_run(
    conn: &mut PgConnection,
    id: DeliveryId,
    tenant: TenantId,
    event: EventId,
    (run, url): (Uuid, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into hooks.delivery (id, tenant_id, event_id, endpoint_id, created_at, url, run_id)
         select $1, $2, $3, id, $4, $5, $6 from hooks.endpoint where tenant_id = $2 and for_runs",
        id as DeliveryId,
        tenant as TenantId,
        event as EventId,
        now,
        url,
        run,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

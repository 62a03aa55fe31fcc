mod store;

use std::collections::HashSet;

use db::Ctx;
use identity::{Principal, TenantId};
use jobs::Job;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DeliverHook, DeliveryId, Error, EventId, EventType, HookId, Hooks, endpoint};

/// Says in the caller's transaction that something happened in `tenant`, be it the tenant's own transaction or the house's.
/// Every endpoint of the tenant that asked for it is told once that commits, and never when it does not. The payload is
/// of at most 64 kB.
///
/// # Errors
/// The database's own.
pub async fn emit(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    event: EventType,
    payload: &Value,
) -> sqlx::Result<()> {
    let endpoints = store::listeners(conn, tenant, event.as_str()).await?;
    if endpoints.is_empty() {
        return Ok(());
    }
    tell(conn, cx, tenant, event, payload, &endpoints)
        .await
        .map(drop)
}

/// [`emit`] for many facts of the house's or one tenant's transaction: one query finds who wants to hear of which, and only
/// for those is anything made.
///
/// # Errors
/// The database's own.
pub async fn emit_all<T: Sync>(
    conn: &mut PgConnection,
    cx: &Ctx,
    facts: &[(TenantId, EventType, T)],
    payload: impl Fn(&T) -> Value + Send,
) -> sqlx::Result<()> {
    let kinds: HashSet<(TenantId, EventType)> = facts
        .iter()
        .map(|(tenant, event, _)| (*tenant, *event))
        .collect();
    if kinds.is_empty() {
        return Ok(());
    }
    let kinds: Vec<_> = kinds.into_iter().collect();
    let wanted = store::listeners_of(conn, &kinds).await?;
    for (tenant, event, fact) in facts {
        let endpoints: Vec<HookId> = wanted
            .iter()
            .filter(|(kind, _)| *kind == (*tenant, *event))
            .map(|(_, endpoint)| *endpoint)
            .collect();
        if !endpoints.is_empty() {
            tell(conn, cx, *tenant, *event, &payload(fact), &endpoints).await?;
        }
    }
    Ok(())
}

/// Tells the end of one run at the address that it named, signed with the secret that the tenant has for that; once the caller's
/// transaction commits, and never when it does not.
///
/// # Errors
/// The database's own.
pub async fn tell_run(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    event: EventType,
    payload: &Value,
    (run, url): (Uuid, &str),
) -> sqlx::Result<()> {
    let (id, now): (EventId, _) = (cx.ids.new_id(), cx.clock.now());
    store::insert(conn, id, tenant, event.as_str(), payload, now).await?;
    let delivery: DeliveryId = cx.ids.new_id();
    if store::insert_delivery_of_run(conn, delivery, tenant, id, (run, url), now).await? {
        DeliverHook { delivery }.enqueue(conn, cx).await?;
    }
    Ok(())
}

/// Writes the event and a delivery for each endpoint, and puts these in line.
async fn tell(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    event: EventType,
    payload: &Value,
    endpoints: &[HookId],
) -> sqlx::Result<Vec<DeliveryId>> {
    let (id, now) = (cx.ids.new_id(), cx.clock.now());
    store::insert(conn, id, tenant, event.as_str(), payload, now).await?;
    let mut deliveries = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let delivery: DeliveryId = cx.ids.new_id();
        store::insert_delivery(conn, delivery, tenant, id, *endpoint, now).await?;
        DeliverHook { delivery }.enqueue(conn, cx).await?;
        deliveries.push(delivery);
    }
    Ok(deliveries)
}

/// Tells one endpoint `test.ping`, whether it asked for it or not.
pub(crate) async fn test_ping(
    room: &Hooks,
    by: Principal,
    id: HookId,
) -> Result<DeliveryId, Error> {
    let mut tx = endpoint::begin(room).await?;
    let view = endpoint::find(&mut tx, by.tenant, id, room.cx.clock.now())
        .await?
        .ok_or(Error::NotFound)?;
    if view.url.is_none() {
        return Err(Error::BadUrl("it has no address of its own"));
    }
    if !view.enabled {
        return Err(Error::Off);
    }
    let payload = json!({ "hook": id });
    let told = tell(
        &mut tx,
        &room.cx,
        by.tenant,
        EventType::TestPing,
        &payload,
        &[id],
    )
    .await?;
    tx.commit().await?;
    told.first().copied().ok_or(Error::NotFound)
}

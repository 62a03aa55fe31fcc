mod store;

use chrono::{DateTime, Utc};
use db::Ctx;
use identity::TenantId;
use jobs::Job;
use kernel::Text;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DeliverHook, DeliveryId, HookId};

kernel::id!(
    /// Something that happened, as it is told; the `webhook-id` of every try to tell it.
    EventId, "evt"
);

/// What can be told. A name is never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    UsageThresholdReached,
    SubscriptionChanged,
    PaymentSucceeded,
    PaymentFailed,
    RunCompleted,
    RunFailed,
    TestPing,
}

impl EventType {
    pub const ALL: [Self; 7] = [
        Self::UsageThresholdReached,
        Self::SubscriptionChanged,
        Self::PaymentSucceeded,
        Self::PaymentFailed,
        Self::RunCompleted,
        Self::RunFailed,
        Self::TestPing,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsageThresholdReached => "usage.threshold_reached",
            Self::SubscriptionChanged => "subscription.changed",
            Self::PaymentSucceeded => "payment.succeeded",
            Self::PaymentFailed => "payment.failed",
            Self::RunCompleted => "run.completed",
            Self::RunFailed => "run.failed",
            Self::TestPing => "test.ping",
        }
    }

    /// What it means, for people.
    pub const fn text(self) -> Text {
        match self {
            Self::UsageThresholdReached => Text::new(
                "利用量が設定した割合に達しました。",
                "Usage has reached a set share of its limit.",
            ),
            Self::SubscriptionChanged => {
                Text::new("ご契約が変わりました。", "A subscription has changed.")
            }
            Self::PaymentSucceeded => {
                Text::new("お支払いが完了しました。", "A payment has come in.")
            }
            Self::PaymentFailed => {
                Text::new("お支払いができませんでした。", "A payment has failed.")
            }
            Self::RunCompleted => Text::new("生成が完了しました。", "A run is complete."),
            Self::RunFailed => Text::new("生成が失敗しました。", "A run has failed."),
            Self::TestPing => Text::new("送信の確認です。", "A test of this endpoint."),
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// The body that is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    pub(crate) r#type: &'a str,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) data: &'a Value,
}

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
    if facts.is_empty() {
        return Ok(());
    }
    let wanted = store::listeners_of(conn, facts).await?;
    for (index, (tenant, event, fact)) in facts.iter().enumerate() {
        let endpoints: Vec<HookId> = wanted
            .iter()
            .filter(|(of, _)| usize::try_from(*of) == Ok(index))
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
pub(crate) async fn tell(
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

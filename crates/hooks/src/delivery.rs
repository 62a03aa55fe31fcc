mod store;

use std::time::Duration as Wait;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use identity::{Principal, TenantId};
use jobs::{Attempt, Job, JobError};
use kernel::{Cursor, Fault, Page, PageRequest};
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, EventId, HookId, Hooks, OffReason, dial::Tried, event::Body, sign};

kernel::id!(
    /// One event on its way to one endpoint.
    DeliveryId, "dlv"
);

/// What a delivery waits after its first failed try, its second, and so on (as Standard Webhooks proposes); after one more
/// it is dead.
const WAITS: [Wait; 7] = [
    Wait::from_secs(5),
    Wait::from_mins(5),
    Wait::from_mins(30),
    Wait::from_hours(2),
    Wait::from_hours(5),
    Wait::from_hours(10),
    Wait::from_hours(10),
];
const TRIES: u16 = 8;
/// An endpoint whose every try failed for this long is switched off.
const PATIENCE: Duration = Duration::days(5);
/// The most deliveries of one statement.
const MOST: i64 = 1_000;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// For its first try, or the next.
    Waiting,
    Delivered,
    /// It was given up; it can be replayed.
    Dead,
}

impl DeliveryState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn from_stored(text: &str) -> Self {
        match text {
            "delivered" => Self::Delivered,
            "dead" => Self::Dead,
            _ => Self::Waiting,
        }
    }
}

/// One try to deliver.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttemptView {
    /// From 1.
    pub number: i32,
    pub at: DateTime<Utc>,
    pub milliseconds: i32,
    /// The status of the answer.
    #[schema(required)]
    pub status: Option<i32>,
    /// Why there was no answer.
    #[schema(required)]
    pub error: Option<String>,
    /// The first 500 bytes of the answer.
    #[schema(required)]
    pub answer: Option<String>,
}

/// A delivery with its tries.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct DeliveryView {
    pub id: DeliveryId,
    pub event: EventId,
    pub event_type: String,
    /// The address that a run named; none: the endpoint's.
    #[schema(required)]
    pub url: Option<String>,
    pub state: DeliveryState,
    pub created_at: DateTime<Utc>,
    pub attempts: Vec<AttemptView>,
}

/// A delivery as it is to be sent.
#[derive(Debug)]
struct Due {
    event: EventId,
    event_type: String,
    payload: Value,
    happened_at: DateTime<Utc>,
    endpoint: HookId,
    url: String,
    /// The address is a run's own: how it fares says nothing of the endpoint.
    is_of_run: bool,
    secret: Vec<u8>,
    old_secret: Option<Vec<u8>>,
    off: bool,
}

/// Sends one event to one endpoint. What was delivered is left alone.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliverHook {
    pub(crate) delivery: DeliveryId,
}

impl Job for DeliverHook {
    const NAME: &'static str = "hooks.deliver";
    const ATTEMPTS: u16 = TRIES;
    const LIMIT: Wait = Wait::from_secs(25);
    type Room = Hooks;

    fn key(&self) -> Option<String> {
        Some(self.delivery.to_string())
    }

    fn wait_after(attempt: u16) -> Wait {
        let place = usize::from(attempt.saturating_sub(1)).min(WAITS.len() - 1);
        WAITS.get(place).copied().unwrap_or(Wait::from_hours(10))
    }

    async fn run(&self, room: &Hooks, attempt: &Attempt) -> Result<(), JobError> {
        let now = room.cx.clock.now();
        let mut tx = room.cx.db.begin(Scope::House("a delivery")).await?;
        let due = store::due(&mut tx, self.delivery, now).await?;
        tx.commit().await?;
        let Some(due) = due else {
            return Ok(()); // delivered, or gone with its endpoint
        };
        let tried = send(room, &due, now).await?;
        self.record(room, attempt, &due, &tried, now).await?;
        if tried.is_success() || due.off {
            return Ok(());
        }
        let why = match (tried.status, tried.error) {
            (Some(status), _) => format!("the endpoint answered {status}"),
            (None, error) => error.unwrap_or_default(),
        };
        Err(if tried.status == Some(410) {
            JobError::Fail(why)
        } else {
            JobError::Retry(why)
        })
    }
}

impl DeliverHook {
    /// Writes down how a try went, if this node still has the job.
    async fn record(
        &self,
        room: &Hooks,
        attempt: &Attempt,
        due: &Due,
        tried: &Tried,
        began: DateTime<Utc>,
    ) -> Result<(), JobError> {
        let now = room.cx.clock.now();
        let (success, gone) = (tried.is_success(), tried.status == Some(410));
        let last = attempt.number >= attempt.last || gone || due.off;
        let state = match (success, last) {
            (true, _) => DeliveryState::Delivered,
            (false, true) => DeliveryState::Dead,
            (false, false) => DeliveryState::Waiting,
        };
        let mut tx = room.cx.db.begin(Scope::House("a delivery's end")).await?;
        attempt.hold(&mut tx).await?;
        store::tried(&mut tx, self.delivery, tried, began).await?;
        store::end(&mut tx, self.delivery, state, now).await?;
        let failing_since = if due.is_of_run {
            None
        } else if success {
            store::works(&mut tx, due.endpoint).await?;
            None
        } else {
            Some(
                store::fails(&mut tx, due.endpoint, now)
                    .await?
                    .unwrap_or(now),
            )
        };
        let off = match failing_since {
            _ if gone && !due.is_of_run => Some(OffReason::Gone),
            Some(since) if now - since >= PATIENCE => Some(OffReason::Failing),
            _ => None,
        };
        if let Some(reason) = off
            && store::switch_off(&mut tx, due.endpoint, reason).await?
        {
            tracing::warn!(hook = %due.endpoint, ?reason, "an endpoint is switched off");
        }
        tx.commit().await?;
        let outcome = if success { "delivered" } else { "failed" };
        metrics::counter!("hooks_tried_total", "outcome" => outcome).increment(1);
        Ok(())
    }
}

/// Signs and sends; an endpoint that was switched off meanwhile is told nothing.
async fn send(room: &Hooks, due: &Due, now: DateTime<Utc>) -> Result<Tried, Fault> {
    if due.off {
        return Ok(Tried {
            took: Wait::ZERO,
            status: None,
            error: Some("the endpoint is off".to_owned()),
            answer: None,
        });
    }
    let secrets = [Some(&due.secret), due.old_secret.as_ref()]
        .into_iter()
        .flatten()
        .map(|sealed| room.sealer.open(due.endpoint, sealed))
        .collect::<Result<Vec<SecretSlice<u8>>, seal::Error>>()?;
    let body = serde_json::to_string(&Body {
        r#type: &due.event_type,
        timestamp: due.happened_at,
        data: &due.payload,
    })
    .map_err(|error| Fault::internal("an event can't be written as JSON", error))?;
    let (id, timestamp) = (due.event.to_string(), now.timestamp());
    let signature = sign::signatures(&secrets, &id, timestamp, &body)?;
    let headers = vec![
        ("webhook-id", id),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    Ok(room.dialler.send(&due.url, headers, body).await)
}

/// Ends deliveries that wait although their job is in line no more: its nodes died each time, or the operator called it off.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndLostDeliveries {}

impl Job for EndLostDeliveries {
    const NAME: &'static str = "hooks.end_lost";
    type Room = Ctx;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, cx: &Ctx, _: &Attempt) -> Result<(), JobError> {
        let mut after = DeliveryId(Uuid::nil());
        loop {
            let mut tx = cx.db.begin(Scope::House("lost deliveries")).await?;
            // locked, so that none is replayed before its job is looked for
            let waiting = store::waiting_after(&mut tx, after, MOST).await?;
            let Some(last) = waiting.last() else {
                return Ok(());
            };
            after = *last;
            let keys: Vec<String> = waiting.iter().map(DeliveryId::to_string).collect();
            let in_line = jobs::in_line(&mut tx, DeliverHook::NAME, &keys).await?;
            let orphans: Vec<DeliveryId> = waiting
                .into_iter()
                .filter(|id| !in_line.contains(&id.to_string()))
                .collect();
            store::give_up(&mut tx, &orphans, cx.clock.now()).await?;
            tx.commit().await?;
            for delivery in orphans {
                tracing::warn!(%delivery, "a delivery is given up: its job is in line no more");
            }
        }
    }
}

/// The deliveries to an endpoint, newest first.
pub(crate) async fn list(
    room: &Hooks,
    by: Principal,
    hook: HookId,
    request: &PageRequest,
) -> Result<Page<DeliveryView>, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    if !store::has_endpoint(&mut tx, by.tenant, hook).await? {
        return Err(Error::NotFound);
    }
    let rows = store::list(&mut tx, by.tenant, hook, request).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, request, |row| Cursor {
        at: row.created_at,
        id: row.id.0,
    }))
}

/// What was told of one run at the address that it named, newest first.
///
/// # Errors
/// The database's own.
pub async fn of_run(
    conn: &mut PgConnection,
    tenant: TenantId,
    run: Uuid,
) -> sqlx::Result<Vec<DeliveryView>> {
    store::of_run(conn, tenant, run).await
}

/// Puts an ended delivery in line again, with all its tries.
pub(crate) async fn replay(room: &Hooks, by: Principal, id: DeliveryId) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(Scope::House("a replay")).await?;
    let (state, off) = store::standing(&mut tx, by.tenant, id)
        .await?
        .ok_or(Error::NotFound)?;
    if off {
        return Err(Error::Off);
    }
    if DeliveryState::from_stored(&state) == DeliveryState::Waiting {
        return Err(Error::InLine);
    }
    store::reopen(&mut tx, id).await?;
    DeliverHook { delivery: id }
        .enqueue(&mut tx, &room.cx)
        .await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_eight_times_over_more_than_a_day() {
        let waits: Vec<_> = (1..TRIES)
            .map(|n| DeliverHook::wait_after(n).as_secs())
            .collect();
        assert_eq!(waits, [5, 300, 1800, 7200, 18000, 36000, 36000]);
    }
}

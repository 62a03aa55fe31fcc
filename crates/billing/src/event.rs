//! Events as Stripe sent them: each kept once for ever. What comes of them is decided later, outside of the request.

mod store;

use chrono::{DateTime, Utc};
use db::{Batch, Ctx, Scope};
use kernel::{Fault, FaultKind};
use sqlx::PgConnection;

use crate::{
    Billing, Error, Shop,
    stripe::{Event, instant},
};

/// An event that was given up.
#[derive(Clone, Debug)]
pub struct DeadEvent {
    pub id: String,
    pub kind: String,
    pub attempts: i32,
    /// What happened last.
    pub note: String,
    pub received_at: DateTime<Utc>,
}

/// Takes an event in: once for ever, and only with a signature over these very bytes. It is kept when this returns; what
/// comes of it is decided later, outside of the request.
pub(crate) async fn receive(
    room: &Billing,
    header: Option<&str>,
    body: &[u8],
) -> Result<(), Error> {
    let shop = room.shop()?;
    let now = room.cx.clock.now();
    if !header.is_some_and(|header| shop.secrets.accept(header, body, now)) {
        metrics::counter!("billing_events_refused_total").increment(1);
        return Err(Error::BadSignature);
    }
    let event: Event = serde_json::from_slice(body).map_err(|_| Error::BadEvent)?;
    let (received, is_new) = room.intake.write(Received::new(shop, event)?).await?;
    if is_new {
        metrics::counter!("billing_events_received_total").increment(1);
        if received.note.is_none() {
            room.arrival.notify_one();
        }
    }
    Ok(())
}

/// An event as it came in.
#[derive(Debug)]
pub(crate) struct Received {
    event: Event,
    created: DateTime<Utc>,
    /// Why it will never have an effect.
    note: Option<&'static str>,
}

impl Received {
    fn new(shop: &Shop, event: Event) -> Result<Self, Error> {
        if event.id.is_empty() || event.id.len() > 255 {
            return Err(Error::BadEvent);
        }
        let note = if event.livemode != shop.livemode {
            Some("the event's mode is not our key's")
        } else if event.object_id().is_empty() {
            Some("it only announces something")
        } else if !concerns_us(event.object_type()) {
            Some("events of this type have no effect")
        } else {
            None
        };
        Ok(Self {
            created: instant(event.created).ok_or(Error::BadEvent)?,
            note,
            event,
        })
    }
}

/// Takes events in, many in one transaction.
#[derive(Debug)]
pub(crate) struct Intake(pub(crate) Ctx);

impl Batch for Intake {
    type Job = Received;
    /// Whether it was new.
    type Answer = bool;
    type Error = Error;

    const NAME: &'static str = "events of Stripe";

    async fn write(&self, events: &[Received]) -> Result<Vec<bool>, Error> {
        let Self(cx) = self;
        let mut tx = begin(cx).await?;
        let mut new = store::insert_all(&mut tx, events, cx.clock.now()).await?;
        tx.commit().await?;
        // of two that came together one is new
        let mut is_new = |one: &Received| {
            let at = new.iter().position(|id| *id == one.event.id);
            at.map(|at| new.swap_remove(at)).is_some()
        };
        Ok(events.iter().map(&mut is_new).collect())
    }

    fn is_away(error: &Error) -> bool {
        matches!(error, Error::Fault(fault) if fault.kind == FaultKind::Unavailable)
    }
}

/// Keeps events that were read from Stripe, in the caller's transaction, and returns the ids of those that were missed.
pub(crate) async fn keep_all(
    conn: &mut PgConnection,
    room: &Billing,
    shop: &Shop,
    events: Vec<Event>,
) -> Result<Vec<String>, Error> {
    let received: Result<Vec<Received>, Error> = events
        .into_iter()
        .map(|event| Received::new(shop, event))
        .collect();
    Ok(store::insert_all(conn, &received?, room.cx.clock.now()).await?)
}

fn concerns_us(object_type: &str) -> bool {
    matches!(
        object_type,
        "subscription"
            | "invoice"
            | "checkout.session"
            | "charge"
            | "refund"
            | "dispute"
            | "customer"
    )
}

/// Waits until an event came in at this node.
pub async fn arrived(room: &Billing) {
    room.arrival.notified().await;
}

/// Tells whoever waits at this node that there is something to work on.
pub(crate) fn ring(room: &Billing) {
    room.arrival.notify_one();
}

/// Puts the events back in line that waited for a customer.
pub(crate) async fn wake_waiting(
    conn: &mut PgConnection,
    customer: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    store::wake(conn, customer, now).await
}

/// The newest events that were given up, at most `most`; for the operator.
///
/// # Errors
/// When the database is away.
pub async fn list_dead(cx: &Ctx, most: i64) -> Result<Vec<DeadEvent>, Fault> {
    let mut tx = begin(cx).await.map_err(db::fault)?;
    let dead = store::list_dead(&mut tx, most).await.map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(dead)
}

/// Puts an event back in line with all its tries, whatever came of it before; false when there is none or it is worked on.
/// Since an event is only a reason to read again, doing so is always safe.
///
/// # Errors
/// When the database is away.
pub async fn replay(cx: &Ctx, id: &str) -> Result<bool, Fault> {
    let mut tx = begin(cx).await.map_err(db::fault)?;
    let revived = store::revive(&mut tx, id, cx.clock.now())
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(revived)
}

pub(crate) async fn begin(cx: &Ctx) -> sqlx::Result<db::Tx> {
    cx.db.begin(Scope::House("events of Stripe's")).await
}

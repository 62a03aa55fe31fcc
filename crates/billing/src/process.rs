//! Events are worked on: each under a lease, its object read again.

mod store;

use std::time::Duration as Wait;

use chrono::Duration;
use db::Ctx;
use futures::future::join_all;
use kernel::{Fault, FaultKind};
use uuid::Uuid;

use crate::{
    Billing, Error, Shop, checkout, customer, earning,
    event::begin,
    payment,
    reading::{self, Outcome},
    stripe::{CheckoutSession, Dispute, Refund},
};

/// A node that works longer than this on one event is dead, and another takes it.
const LEASE: Duration = Duration::seconds(90);
/// So a node gives up before.
const PATIENCE: Wait = Wait::from_secs(75);
/// What an event waits after its first failed try, its second, and so on; after one more it is dead.
const WAITS: [Duration; 7] = [
    Duration::seconds(2),
    Duration::seconds(15),
    Duration::minutes(1),
    Duration::minutes(5),
    Duration::minutes(30),
    Duration::hours(2),
    Duration::hours(8),
];

const TRIES: i32 = 8;
/// How many events a node works on at once.
const AT_ONCE: i64 = 8;

/// An event that this node has to work on now.
#[derive(Debug)]
struct Claimed {
    id: String,
    kind: String,
    object_type: String,
    object_id: String,
    customer: Option<String>,
    /// This try counted.
    attempts: i32,
}

/// How a try ended.
#[derive(Debug)]
enum End {
    Over(Outcome),
    Again(String),
    Dead(String),
}

/// Works on what is due, at most `most` events, and returns how many are over. Any node may do so at any time: each event
/// is taken under a lease, its object read from Stripe outside of any transaction, and its end counts only under that lease.
///
/// # Errors
/// When the database is away; events that were taken are tried again when their lease has run out.
pub async fn process_due(room: &Billing, most: i64) -> Result<usize, Fault> {
    let Some(shop) = &room.shop else {
        return Ok(0);
    };
    measure(&room.cx).await?;
    let (mut left, mut over) = (most, 0);
    while left > 0 {
        let lease: Uuid = room.cx.ids.new_id();
        let claimed = claim(&room.cx, lease, left.min(AT_ONCE)).await?;
        if claimed.is_empty() {
            break;
        }
        left -= i64::try_from(claimed.len()).unwrap_or(left);
        let under_way = claimed
            .into_iter()
            .map(|event| work(room, shop, lease, event));
        // all of them end before a fault of one is told
        for ended in join_all(under_way).await {
            over += usize::from(ended?);
        }
    }
    if over > 0
        && let Err(error) = earning::settle_rewards(room, most).await
    {
        tracing::warn!(%error, "rewards can't be posted; the next round tries again");
    }
    if over > 0
        && let Err(error) = payment::refund_ends(room, most).await
    {
        tracing::warn!(%error, "refunds can't be asked for; the next round tries again");
    }
    Ok(over)
}

async fn measure(cx: &Ctx) -> Result<(), Fault> {
    let mut tx = begin(cx).await.map_err(db::fault)?;
    let (open, oldest) = store::open(&mut tx).await.map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    let count = u32::try_from(open).unwrap_or(u32::MAX);
    metrics::gauge!("billing_events_open").set(f64::from(count));
    let age = oldest.map_or(0, |at| (cx.clock.now() - at).num_seconds().max(0));
    let age = u32::try_from(age).unwrap_or(u32::MAX);
    metrics::gauge!("billing_oldest_event_seconds").set(f64::from(age));
    Ok(())
}

async fn claim(cx: &Ctx, lease: Uuid, most: i64) -> Result<Vec<Claimed>, Fault> {
    let now = cx.clock.now();
    let mut tx = begin(cx).await.map_err(db::fault)?;
    let buried = store::bury_lost(&mut tx, now, TRIES)
        .await
        .map_err(db::fault)?;
    let claimed = store::claim(&mut tx, lease, now, now + LEASE, most)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    for (id, kind) in buried {
        tracing::error!(
            event = id,
            kind,
            "an event is dead: each node that worked on it died"
        );
    }
    Ok(claimed)
}

/// Works on one event; says whether it is over.
async fn work(room: &Billing, shop: &Shop, lease: Uuid, event: Claimed) -> Result<bool, Fault> {
    let end = match tokio::time::timeout(PATIENCE, handle(room, shop, &event)).await {
        Err(_) => End::Again("it took too long".to_owned()),
        Ok(Ok(outcome)) => End::Over(outcome),
        Ok(Err(error)) if may_pass(&error) => End::Again(said(&error)),
        Ok(Err(error)) => End::Dead(said(&error)),
    };
    let end = match end {
        End::Again(why) if wait_after(event.attempts).is_none() => End::Dead(why),
        end => end,
    };
    let counted = record(&room.cx, lease, &event, &end).await?;
    if !counted {
        tracing::warn!(
            event = event.id,
            "a result came after its lease and does not count"
        );
        return Ok(false);
    }
    tell(&event, &end);
    Ok(matches!(end, End::Over(_)))
}

fn may_pass(error: &Error) -> bool {
    match error {
        Error::Stripe(error) => error.may_pass(),
        Error::Fault(fault)
        | Error::Entitlement(entitlement::Error::Fault(fault))
        | Error::Ledger(ledger::Error::Fault(fault)) => fault.kind == FaultKind::Unavailable,
        _ => false,
    }
}

/// The error with its causes, for the operator.
fn said(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let text = std::iter::successors(first.source(), |cause| cause.source())
        .fold(error.to_string(), |all, cause| format!("{all}: {cause}"));
    text.chars().take(500).collect()
}

/// Reads again what an event is about, and brings our side to it.
async fn handle(room: &Billing, shop: &Shop, event: &Claimed) -> Result<Outcome, Error> {
    let id = &event.object_id;
    match event.object_type.as_str() {
        "subscription" => reading::subscription(room, shop, id).await,
        "invoice" => reading::invoice(room, shop, id).await,
        "checkout.session" => {
            let path = format!("/v1/checkout/sessions/{id}");
            let session: CheckoutSession = shop.stripe.get(&path, &[]).await?;
            checkout::over(room, &session).await?;
            match session.subscription() {
                Some(subscription) => reading::subscription(room, shop, subscription).await,
                None => match session.invoice() {
                    Some(invoice) => reading::invoice(room, shop, invoice).await,
                    None => Ok(Outcome::Done),
                },
            }
        }
        "charge" => reading::charge(room, shop, id).await,
        "refund" => {
            let refund: Refund = shop.stripe.get(&format!("/v1/refunds/{id}"), &[]).await?;
            charge_of(room, shop, refund.charge()).await
        }
        "dispute" => {
            let dispute: Dispute = shop.stripe.get(&format!("/v1/disputes/{id}"), &[]).await?;
            charge_of(room, shop, dispute.charge()).await
        }
        "customer" => match customer::tenant_of(&room.cx, shop, id).await? {
            Some(_) => Ok(Outcome::Done),
            None => Ok(Outcome::Waiting(id.clone())),
        },
        _ => Ok(Outcome::Ignored("events of this type have no effect")),
    }
}

async fn charge_of(room: &Billing, shop: &Shop, charge: Option<&str>) -> Result<Outcome, Error> {
    match charge {
        Some(charge) => reading::charge(room, shop, charge).await,
        None => Ok(Outcome::Ignored("no charge is concerned")),
    }
}

fn wait_after(attempts: i32) -> Option<Duration> {
    let tried = usize::try_from(attempts).ok()?;
    WAITS.get(tried.checked_sub(1)?).copied()
}

/// Writes down how a try ended; false when the lease was lost.
async fn record(cx: &Ctx, lease: Uuid, event: &Claimed, end: &End) -> Result<bool, Fault> {
    let now = cx.clock.now();
    let mut tx = begin(cx).await.map_err(db::fault)?;
    let id = event.id.as_str();
    let counted = match end {
        End::Over(Outcome::Done) => store::close(&mut tx, id, lease, "done", None, now).await,
        End::Over(Outcome::Ignored(why)) => {
            store::close(&mut tx, id, lease, "ignored", Some(why), now).await
        }
        End::Over(Outcome::Waiting(customer)) => store::wait(&mut tx, id, lease, customer).await,
        End::Again(why) => {
            let at = now + wait_after(event.attempts).unwrap_or(LEASE);
            store::again(&mut tx, id, lease, at, why).await
        }
        End::Dead(why) => store::dead(&mut tx, id, lease, why).await,
    }
    .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(counted)
}

fn tell(event: &Claimed, end: &End) {
    let Claimed {
        id, kind, attempts, ..
    } = event;
    let outcome = match end {
        End::Over(Outcome::Done) => {
            tracing::info!(event = id, kind, attempts, "an event is done");
            "done"
        }
        End::Over(Outcome::Ignored(why)) => {
            tracing::info!(event = id, kind, why, "an event has no effect");
            "ignored"
        }
        End::Over(Outcome::Waiting(_)) => {
            let customer = &event.customer;
            tracing::warn!(
                event = id,
                kind,
                ?customer,
                "an event's customer is not known"
            );
            "waiting"
        }
        End::Again(why) => {
            tracing::warn!(event = id, kind, attempts, why, "an event is tried again");
            "again"
        }
        End::Dead(why) => {
            tracing::error!(event = id, kind, attempts, why, "an event is dead");
            "dead"
        }
    };
    metrics::counter!("billing_events_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_tried_eight_times_over_ten_hours() {
        let waits: Vec<_> = (0..=TRIES)
            .map(|n| wait_after(n).map(|wait| wait.num_seconds()))
            .collect();
        assert_eq!(
            waits,
            [
                None,
                Some(2),
                Some(15),
                Some(60),
                Some(300),
                Some(1800),
                Some(7200),
                Some(28800),
                None
            ]
        );
    }
}

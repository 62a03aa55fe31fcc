use chrono::Duration;
use db::Scope;
use serde::Serialize;

use crate::{
    Billing, Error, Shop, event,
    reading::{self, Outcome},
    stripe::{Event, List, Subscription},
    subscription,
};

/// The most pages of a list that one run reads.
const PAGES: usize = 100;

/// What a reconciliation found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = BillingReport)]
pub struct Report {
    /// Events at Stripe that were looked at.
    pub events: usize,
    /// Of those, what never came to us; they are in line now.
    pub missed: Vec<String>,
    /// Subscriptions at Stripe that were looked at.
    pub subscriptions: usize,
    /// Of those, what was not here as it is there, and is now.
    pub repaired: Vec<Repair>,
}

/// A subscription that was not as Stripe has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = BillingRepair)]
pub struct Repair {
    pub subscription: String,
    /// None: it was not known at all.
    #[schema(required)]
    pub before: Option<String>,
    pub after: String,
}

/// Compares what Stripe tells of the last `back` with what we have, and repairs it: events that never came are put in line,
/// and subscriptions that differ are read again.
///
/// # Errors
/// When Stripe or the database is away.
pub async fn reconcile(room: &Billing, back: Duration) -> Result<Report, Error> {
    let shop = room.shop()?;
    let mut report = Report::default();
    missed_events(room, shop, back, &mut report).await?;
    drifted_subscriptions(room, shop, &mut report).await?;
    let found = report.missed.len() + report.repaired.len();
    metrics::counter!("billing_drift_total").increment(u64::try_from(found).unwrap_or(u64::MAX));
    if found > 0 {
        tracing::warn!(missed = ?report.missed, repaired = ?report.repaired, "what Stripe has was not here");
    }
    Ok(report)
}

async fn missed_events(
    room: &Billing,
    shop: &Shop,
    back: Duration,
    report: &mut Report,
) -> Result<(), Error> {
    let since = (room.cx.clock.now() - back).timestamp().to_string();
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let mut query = vec![("limit", "100"), ("created[gte]", since.as_str())];
        if let Some(after) = &after {
            query.push(("starting_after", after));
        }
        let page: List<Event> = shop.stripe.get("/v1/events", &query).await?;
        let mut tx = room.cx.db.begin(Scope::House("reconciliation")).await?;
        report.events += page.data.len();
        after = page.data.last().map(|event| event.id.clone());
        let missed = event::keep_all(&mut tx, room, shop, page.data).await?;
        tx.commit().await?;
        report.missed.extend(missed);
        if !page.has_more || after.is_none() {
            break;
        }
    }
    Ok(())
}

async fn drifted_subscriptions(
    room: &Billing,
    shop: &Shop,
    report: &mut Report,
) -> Result<(), Error> {
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let mut query = vec![("limit", "100"), ("status", "all")];
        if let Some(after) = &after {
            query.push(("starting_after", after));
        }
        let page: List<Subscription> = shop.stripe.get("/v1/subscriptions", &query).await?;
        for said in &page.data {
            report.subscriptions += 1;
            repair(room, shop, said, report).await?;
        }
        after = page.data.last().map(|said| said.id.clone());
        if !page.has_more || after.is_none() {
            break;
        }
    }
    Ok(())
}

async fn repair(
    room: &Billing,
    shop: &Shop,
    said: &Subscription,
    report: &mut Report,
) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(Scope::House("reconciliation")).await?;
    let ours = subscription::store::find(&mut tx, &said.id).await?;
    tx.commit().await?;
    let same = ours.as_ref().is_some_and(|ours| {
        ours.status == said.status
            && Some(ours.price.as_str()) == said.price()
            && ours.period_end == said.period_end()
            && ours.cancel_at == said.cancel_at()
    });
    if same || reading::subscription(room, shop, &said.id).await? != Outcome::Done {
        return Ok(());
    }
    report.repaired.push(Repair {
        subscription: said.id.clone(),
        before: ours.map(|ours| ours.status),
        after: said.status.clone(),
    });
    Ok(())
}

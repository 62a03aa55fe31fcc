use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{farewell, house::House};

/// How often each node looks for what was left behind.
const EVERY: Duration = Duration::from_secs(2);
/// The most rows of a kind in one look.
const MOST: i64 = 200;

/// Ends what died and gives back what it kept, until `stop`. Every node does this all the time: whatever is swept is
/// taken under a lock or by compare-and-set, so it is swept once.
pub(crate) async fn sweep(house: House, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = once(&house).await {
            tracing::warn!(%error, "a sweep failed; the next one tries again");
        }
    }
}

async fn once(house: &House) -> anyhow::Result<()> {
    let cx = &house.identity.cx;
    // letters first: somebody is waiting for them
    identity::write_letters(&house.identity, MOST).await?;
    mail::deliver_due(&house.mail, MOST).await?;
    gateway::rescue(&house.gateway, MOST).await?;
    // a run has its lease again to be ended in its own words before its reservation lapses
    entitlement::lapse_due(cx, gateway::LEASE, MOST).await?;
    ledger::lapse_due(cx, MOST).await?;
    ledger::expire_due(cx, MOST).await?;
    identity::note_key_use(&house.identity).await?;
    identity::tidy_up(&house.identity, MOST).await?;
    mail::clear_due(cx, MOST).await?;
    farewell::see_off(house, MOST).await?;
    Ok(())
}

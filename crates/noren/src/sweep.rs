use std::time::Duration;

use gateway::Judges;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{farewell, house::House, idempotency};

/// How often each node looks for what was left behind.
const EVERY: Duration = Duration::from_secs(2);
/// How often each node looks for letters: somebody is waiting for theirs.
const POST_EVERY: Duration = Duration::from_millis(500);
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
        once(&house).await;
    }
}

/// Writes the letters that are wished for and brings them to the mail server, until `stop`. Apart from the sweep, which must
/// not wait for a slow mail server.
pub(crate) async fn post(house: House, stop: CancellationToken) {
    let mut ticks = interval(POST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = identity::write_letters(&house.identity, MOST).await {
            tracing::warn!(%error, "letters can't be written; the next round tries again");
        }
        if let Err(error) = mail::deliver_due(&house.mail, MOST).await {
            tracing::warn!(%error, "letters can't be delivered; the next round tries again");
        }
    }
}

/// One round. A part that fails is told and keeps no other from its work.
async fn once(house: &House) {
    let cx = &house.identity.cx;
    // without them what has to be judged waits
    let judge = misaki::judge_of_the_house(&house.misaki).await;
    let judges: Judges = judge.map_or_else(
        |error| {
            tell::<(), _>("judges", Err(error));
            Judges::new()
        },
        |judge| Judges::from([(misaki::STOREFRONT, judge)]),
    );
    let rescued = gateway::rescue(&house.gateway, &judges, MOST).await;
    tell("runs", rescued);
    // a run has its lease again to be ended in its own words before its reservation lapses
    let lapsed = entitlement::lapse_due(cx, gateway::LEASE, MOST).await;
    tell("reservations", lapsed);
    tell("holds", ledger::lapse_due(cx, MOST).await);
    let noted = entitlement::note_thresholds(cx, &house.urls.account, MOST).await;
    tell("thresholds", noted);
    let noted = entitlement::note_budgets(cx, &house.urls.account, MOST).await;
    tell("budgets", noted);
    let ordered = billing::top_up_due(&house.billing, MOST).await;
    tell("automatic top-ups", ordered);
    tell("taken back", entitlement::take_revoked(cx, MOST).await);
    tell("debts", billing::mend_debts(&house.billing, MOST).await);
    let settled = billing::settle_rewards(&house.billing, MOST).await;
    tell("rewards", settled);
    let asked = billing::refund_ends(&house.billing, MOST).await;
    tell("refunds", asked);
    tell("expiry", ledger::expire_due(cx, MOST).await);
    tell("use of keys", identity::note_key_use(&house.identity).await);
    tell("identity", identity::tidy_up(&house.identity, MOST).await);
    tell("letters", mail::clear_due(cx, MOST).await);
    tell("answers", idempotency::clear_due(cx, MOST).await);
    let forgotten = gateway::retention::forget_due(&house.gateway, genai::STOREFRONT, MOST).await;
    tell("texts", forgotten);
    let forgotten = gateway::forget_cached(&house.gateway, MOST).await;
    tell("cache", forgotten);
    tell("files", gateway::forget_files(&house.gateway, MOST).await);
    let gone = farewell::see_off(&house.identity, &house.billing, MOST).await;
    tell("leavers", gone);
}

fn tell<T, E: std::fmt::Display>(what: &str, done: Result<T, E>) {
    if let Err(error) = done {
        metrics::counter!("sweeps_failed_total", "what" => what.to_owned()).increment(1);
        tracing::warn!(%error, what, "a sweep failed; the next one tries again");
    }
}

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::Duration;
use db::Scope;
use futures::{StreamExt, stream};
use identity::TenantId;
use llm::Usage;
use sqlx::PgConnection;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Event,
    end::{end, lost},
    rest::{Rest, SoFar, rest},
    store::{self, Ending, Orphan},
    words::Line,
};
use crate::{
    Error, Gateway, LEASE,
    guard::Judge,
    provider::runpod::queue::{Became, Remote, became},
    remote,
    state::Verdict,
};

/// When a run is looked at again whose job goes on at a provider.
const AGAIN: Duration = Duration::seconds(2);

/// Who judges the words of a storefront's runs, by its name.
pub type Judges = HashMap<&'static str, Arc<dyn Judge>>;

/// Ends the runs whose node has been silent for longer than its lease, at most `most` of them; returns how many it did.
/// Every node does this all the time; each run is ended by one of them, with the reason `node_lost` and its units back. A run whose
/// job goes on at a provider with a queue lives as long as that, and what it said is its answer (decision 0059). Jobs that an
/// ended run left behind are cancelled.
///
/// # Errors
/// When the database is away.
pub async fn rescue(room: &Gateway, judges: &Judges, most: i64) -> Result<usize, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("rescue of runs")).await?;
    let mut orphans = store::orphans(&mut tx, cx.clock.now(), most).await?;
    let ids: Vec<Uuid> = orphans.iter().map(|orphan| orphan.id.0).collect();
    let mut jobs = remote::store::newest_of(&mut tx, &ids).await?;
    tx.commit().await?;
    jobs.retain(|job| job.price.is_some());
    let of = |orphan: &Orphan| jobs.iter().find(|job| job.run == orphan.id);
    let at_work: Vec<(Orphan, &Remote)> = orphans
        .extract_if(.., |orphan| of(orphan).is_some())
        .filter_map(|orphan| of(&orphan).map(|job| (orphan, job)))
        .collect();
    let mut rescued = 0;
    for orphan in &orphans {
        rescued += usize::from(end_lost(room, orphan).await?);
    }
    rescued += follow_up(room, judges, at_work).await;
    remote::end_leftovers(room, most).await?;
    if rescued > 0 {
        tracing::warn!(rescued, "runs of a lost node were ended");
        metrics::counter!("gateway_runs_rescued_total")
            .increment(u64::try_from(rescued).unwrap_or_default());
    }
    Ok(rescued)
}

fn scope(tenant: TenantId) -> Scope {
    Scope::Tenant {
        tenant: tenant.0,
        user: None,
    }
}

/// Ends a run that nobody works on; says whether it was still to be ended.
async fn end_lost(room: &Gateway, orphan: &Orphan) -> Result<bool, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(scope(orphan.tenant)).await?;
    // asked again under the row's lock: its node may have come back and renewed the lease, or ended it
    let locked = store::lock_orphan(&mut tx, orphan.id, cx.clock.now()).await?;
    let Some(last_event) = locked else {
        return Ok(false);
    };
    let mut ending = lost(orphan.id, orphan.tenant, last_event, &orphan.model);
    // what does not open stays in its events, and its run ends all the same
    let said = store::durable_output(&mut tx, room.identity.vault(), orphan.id).await?;
    ending.output = said.unwrap_or_default();
    let ended = end(&mut tx, room, orphan.reservation, &ending).await?;
    tx.commit().await?;
    if let Some(ended) = ended {
        ended.done();
    }
    Ok(true)
}

/// Asks what the jobs have become, several at a time, and ends the runs of those that are over; says how many.
async fn follow_up(room: &Gateway, judges: &Judges, runs: Vec<(Orphan, &Remote)>) -> usize {
    let ended = AtomicUsize::new(0);
    let following = stream::iter(runs).for_each_concurrent(remote::AT_ONCE, async |(orphan, job)| {
        let keys = job.keys(room);
        let asked = timeout(remote::LONGEST, became(room, job, &keys)).await;
        let found = asked.unwrap_or(Became::Unknown);
        match conclude(room, judges, &orphan, job, found).await {
            Ok(true) => drop(ended.fetch_add(1, Ordering::Relaxed)),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(run = %orphan.id, %error, "a run can't be followed up yet; the next round tries again");
            }
        }
    });
    following.await;
    ended.into_inner()
}

/// Ends a run by what its job has become, or leaves it for later; says whether it ended. Its node may come back until then, and
/// then this does nothing.
async fn conclude(
    room: &Gateway,
    judges: &Judges,
    orphan: &Orphan,
    job: &Remote,
    found: Became,
) -> Result<bool, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let mut tx = cx
        .db
        .begin(Scope::House("a run whose node is gone"))
        .await?;
    let Some(last_event) = store::lock_orphan(&mut tx, orphan.id, now).await? else {
        return Ok(false);
    };
    let standing = remote::store::standing(&mut tx, orphan.id).await?;
    let judge = judges.get(standing.storefront.as_str());
    let judge = judge.map(AsRef::as_ref).filter(|_| job.is_judged);
    let found = match found {
        // what nobody can judge is not said yet
        Became::Done(_) if job.is_judged && judge.is_none() => Became::Unknown,
        found => found,
    };
    let verdict = match &found {
        _ if standing.is_to_stop => Verdict::Stopped,
        Became::Done(_) => Verdict::Completed,
        Became::Failed(trouble) => Verdict::of(trouble.meaning()),
        Became::Gone => Verdict::NodeLost,
        Became::UnderWay | Became::Unknown if now >= job.wanted_until => Verdict::Deadline,
        Became::UnderWay | Became::Unknown => {
            remote::store::postpone(&mut tx, orphan.id, now + AGAIN).await?;
            entitlement::outlives(&mut tx, orphan.reservation, now + LEASE).await?;
            tx.commit().await?;
            return Ok(false);
        }
    };
    let is_over = !matches!(found, Became::UnderWay | Became::Unknown);
    let so_far = match store::events(&mut tx, room.identity.vault(), orphan.id, 0).await {
        Ok(events) => Some(SoFar::of(&events)),
        // nobody could say what the whole would be
        Err(Error::TextClosed) => None,
        Err(error) => return Err(error),
    };
    let verdict = so_far.as_ref().map_or(Verdict::NodeLost, |_| verdict);
    let so_far = so_far.unwrap_or_default();
    let mut ending = lost(orphan.id, orphan.tenant, last_event, &job.endpoint);
    ending.verdict = verdict;
    ending.was_shown = !so_far.text.is_empty();
    ending.output.clone_from(&so_far.text);
    if let (Became::Done(said), Verdict::Completed) = (found, verdict) {
        match rest(job, &so_far, said, judge) {
            Some(rest) => tell_rest(&mut tx, room, &mut ending, job, rest).await?,
            None => ending.verdict = Verdict::NodeLost,
        }
    } else if verdict == Verdict::Stopped && ending.was_shown {
        bill(&mut ending, job, so_far.estimate(job));
    }
    let ended = end(&mut tx, room, orphan.reservation, &ending).await?;
    if is_over {
        remote::store::close(&mut tx, orphan.id, &job.job, now).await?;
    }
    tx.commit().await?;
    if let Some(ended) = ended {
        ended.done();
    }
    Ok(true)
}

/// Tells what is left of an answer, and has the run end with it.
async fn tell_rest(
    conn: &mut PgConnection,
    room: &Gateway,
    ending: &mut Ending,
    job: &Remote,
    rest: Rest,
) -> Result<(), Error> {
    if let Some(why) = rest.refused_for {
        store::withdraw(conn, ending.id, why).await?;
    }
    let first = ending.seq;
    let whose = (ending.id, ending.tenant);
    let lines = (first..)
        .zip(rest.events)
        .map(|(seq, (kind, data))| Event { seq, kind, data })
        .map(|event| Line::of(room.identity.vault(), whose, &event))
        .collect::<Result<Vec<Line>, Error>>()?;
    let rows: Vec<_> = lines
        .iter()
        .map(|line| (ending.id, ending.tenant, line))
        .collect();
    store::insert_all_events(conn, &rows).await?;
    ending.seq = first.saturating_add(i32::try_from(lines.len()).unwrap_or(i32::MAX));
    ending.verdict = rest.verdict;
    ending.output = rest.output;
    ending.refused_for = rest.refused_for;
    bill(ending, job, rest.usage);
    Ok(())
}

/// Reckons what the run has cost, by the price that it was admitted with.
fn bill(ending: &mut Ending, job: &Remote, usage: Usage) {
    ending.tokens = usage.into();
    ending.cost_nano_usd = job.price.unwrap_or_default().of(usage).0;
}

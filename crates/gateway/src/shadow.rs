//! Shadow traffic: a share of what a model has answered is asked once more of another, whose answer nobody sees and nobody pays.
//! What it would have said is compared and counted, so that a newer model is known before it takes its first call.

mod store;

use std::{collections::BTreeSet, time::Duration};

use db::Scope;
use futures::StreamExt;
use identity::{KeyId, TenantId};
use llm::{ChatRequest, StreamEvent, Usage, tokens};
use tokio::time::{Instant, timeout};

use crate::{
    Gateway, RunId, Shadow, choose, documents,
    places::{Guest, Priority},
    provider::{self, Asker, Trouble},
    pulse::ShadowTally,
};

/// How many a process asks at once; what would be more is left out.
pub(crate) const AT_ONCE: usize = 4;
/// How long one may take in all.
const PATIENCE: Duration = Duration::from_mins(2);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 256 * 1024;

/// An answer that was given, and what it is known by.
pub(crate) struct Given {
    pub(crate) tenant: TenantId,
    pub(crate) key: Option<KeyId>,
    pub(crate) route: String,
    pub(crate) request: ChatRequest,
    pub(crate) text: String,
    pub(crate) seed: u64,
}

/// Whether a call is among the share, told again the same by its number.
pub(crate) fn is_chosen(percent: u32, seed: u64) -> bool {
    // another lot than that which chooses targets
    choose::throw(seed ^ 0x5ad0) % 100 < u64::from(percent)
}

/// Asks the other model what was just answered, in the background; whoever asked has their answer already.
pub(crate) fn follow(room: &Gateway, given: Given) {
    let Some(mut shadow) = room.routes.shadow(&given.route) else {
        return;
    };
    let targets = &mut shadow.targets;
    targets.retain(|target| documents::can_read(target, &given.request));
    if targets.is_empty() {
        return;
    }
    if !is_chosen(shadow.percent, given.seed) {
        return;
    }
    let labels = [
        ("model", given.route.clone()),
        ("shadow", shadow.model.clone()),
    ];
    let Ok(place) = room.node.shadows.clone().try_acquire_owned() else {
        metrics::counter!("gateway_shadow_left_out_total", &labels).increment(1);
        let found = ShadowTally {
            left_out: 1,
            ..ShadowTally::default()
        };
        room.node.found.add(&given.route, &shadow.model, found);
        return;
    };
    let tasks = room.node.tasks.clone();
    let room = room.clone();
    tasks.spawn(async move {
        if !may_be_told(&room, &given).await.unwrap_or(false) {
            return;
        }
        let begun = Instant::now();
        let asked = tokio::select! {
            asked = timeout(PATIENCE, ask(&room, &shadow, &given)) => asked.unwrap_or(Err(Trouble::Silent)),
            () = room.node.abandon.cancelled() => return,
        };
        drop(place);
        let mut found = ShadowTally::default();
        let outcome = match asked {
            Ok((text, usage)) => {
                let agreed = agreement(&given.text, &text);
                found.answered = 1;
                found.agreement = i64::try_from(agreed).unwrap_or(0);
                found.tokens = i64::try_from(usage.output).unwrap_or(i64::MAX);
                metrics::counter!("gateway_shadow_tokens_total", &labels).increment(usage.output);
                metrics::histogram!("gateway_shadow_seconds", &labels).record(begun.elapsed());
                metrics::counter!("gateway_shadow_agreement_percent_sum", &labels)
                    .increment(agreed);
                "answered"
            }
            Err(trouble) => {
                found.failed = 1;
                trouble.meaning().reason()
            }
        };
        room.node.found.add(&given.route, &shadow.model, found);
        metrics::counter!("gateway_shadow_calls_total", "model" => given.route, "shadow" => shadow.model, "outcome" => outcome)
            .increment(1);
    });
}

/// Whether the rules of the tenant and of the key that asked allow that what was asked is kept; else nobody else hears of it.
async fn may_be_told(room: &Gateway, given: &Given) -> sqlx::Result<bool> {
    let scope = Scope::Tenant {
        tenant: given.tenant.0,
        user: None,
    };
    let mut tx = room.cx.db.begin(scope).await?;
    let keeps = store::keeps_texts(&mut tx, given.tenant, given.key).await?;
    tx.commit().await?;
    Ok(keeps)
}

async fn ask(room: &Gateway, shadow: &Shadow, given: &Given) -> Result<(String, Usage), Trouble> {
    let health = &room.node.health;
    let order = health.order(&shadow.targets, &[], given.seed, |_| false);
    let target = order.first().and_then(|&at| shadow.targets.get(at));
    let target = target.ok_or(Trouble::Silent)?;
    let id: RunId = room.cx.ids.new_id();
    let guest = Guest {
        run: id.0,
        tenant: given.tenant,
        priority: Priority::Low,
    };
    let place = room.node.places.take(target, guest, PATIENCE).await;
    let _place = place.map_err(|_| Trouble::Silent)?;
    let request = ChatRequest {
        model: target.model.clone(),
        stream: target.streams,
        ..given.request.clone()
    };
    let key = choose::key(&target.keys, given.seed, &[]).and_then(|at| target.keys.get(at));
    let asker = Asker::new(id, given.tenant);
    let mut events = provider::open(room, &asker, target, key, &request)
        .await?
        .events;
    let (mut text, mut usage) = (String::new(), None);
    while let Some(event) = events.next().await {
        match event? {
            StreamEvent::Text(piece) => text.push_str(&piece),
            StreamEvent::Usage(counted) => usage = Some(counted),
            StreamEvent::Done => break,
            StreamEvent::Read(_)
            | StreamEvent::Alive
            | StreamEvent::Thought(_)
            | StreamEvent::Logprobs(_)
            | StreamEvent::Tool(_)
            | StreamEvent::Finish(_) => {}
        }
        if text.len() > LONGEST {
            break;
        }
    }
    let usage = usage.unwrap_or_else(|| Usage {
        input: tokens::estimate_request(&request),
        output: tokens::estimate(&text),
        ..Usage::default()
    });
    Ok((text, usage))
}

/// How much two answers say the same, of a hundred: the share of their pairs of letters that both have.
fn agreement(one: &str, other: &str) -> u64 {
    let pairs = |text: &str| -> BTreeSet<(char, char)> {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        let letters: Vec<char> = letters.flat_map(char::to_lowercase).collect();
        letters
            .iter()
            .copied()
            .zip(letters.iter().copied().skip(1))
            .collect()
    };
    let (one, other) = (pairs(one), pairs(other));
    let all = one.union(&other).count();
    if all == 0 {
        return 100;
    }
    let both = one.intersection(&other).count();
    u64::try_from(both * 100 / all).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share_and_the_same_call_is_chosen_again() {
        let chosen = |percent| (0..10_000).filter(|&seed| is_chosen(percent, seed)).count();
        assert_eq!((chosen(0), chosen(100)), (0, 10_000));
        assert!((1_800..=2_200).contains(&chosen(20)), "{}", chosen(20));
        assert_eq!(is_chosen(50, 7), is_chosen(50, 7));
    }

    #[test]
    fn answers_agree_by_what_they_have_in_common() {
        assert_eq!(agreement("こんばんは。", "こんばんは！"), 100);
        assert_eq!(agreement("", "?"), 100);
        assert_eq!(agreement("abc", "xyz"), 0);
        assert_eq!(agreement("abc", "abd"), 33);
    }
}

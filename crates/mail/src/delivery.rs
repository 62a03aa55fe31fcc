mod store;

use std::time::Duration as Wait;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use futures::future::join_all;
use kernel::{Fault, FaultKind, Lang};
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::{
    LetterId, Mail, Template, Topic,
    message::{self, Headers, Wire},
    suppression,
    template::Surroundings,
    transport::{SendError, Transport},
};

/// A node that says nothing for this long is dead, and its letters are sent by another.
const LEASE: Duration = Duration::seconds(60);
/// What a letter waits after its first failed try, its second, and so on; after one more it is dead.
const WAITS: [Duration; 6] = [
    Duration::seconds(5),
    Duration::minutes(1),
    Duration::minutes(5),
    Duration::minutes(30),
    Duration::hours(2),
    Duration::hours(8),
];
const TRIES: i32 = 7;
/// How long a dead letter's payload is kept, for another try by hand.
const DEAD_KEPT: Duration = Duration::days(7);
/// How many letters a node sends at once.
const AT_ONCE: i64 = 8;
/// How often the end of a try is written down when the database is away: a letter that went and is not known to have
/// gone goes again.
const RECORD_TRIES: u32 = 60;
const RECORD_PAUSE: Wait = Wait::from_millis(500);

/// A letter that this node has to send now.
#[derive(Debug)]
struct Claimed {
    id: LetterId,
    to: String,
    lang: String,
    template: String,
    data: Value,
    /// This try counted.
    attempts: i32,
    created_at: DateTime<Utc>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Sent,
    Suppressed,
    Again(String),
    Dead(String),
}

/// What one letter's try came to.
#[derive(Debug)]
struct Tried {
    sent: bool,
    /// Nobody was there to take it, nor will be for the next one.
    unreachable: bool,
}

/// Sends what is due, at most `most` letters, and returns how many went. Any node may do so at any time: each letter is
/// taken under a lease, sent outside of any transaction, and its end counts only under that lease.
///
/// # Errors
/// When the database is away; letters that were taken are tried again when their lease has run out.
pub async fn deliver_due(room: &Mail, most: i64) -> Result<usize, Fault> {
    count_waiting(&room.cx).await?;
    if matches!(room.transport, Transport::Nowhere) {
        return Ok(0);
    }
    let (mut left, mut sent) = (most, 0);
    while left > 0 {
        let lease: Uuid = room.cx.ids.new_id();
        let claimed = claim(&room.cx, lease, left.min(AT_ONCE)).await?;
        if claimed.is_empty() {
            break;
        }
        left -= i64::try_from(claimed.len()).unwrap_or(left);
        let under_way = claimed
            .into_iter()
            .map(|letter| deliver(room, lease, letter));
        let mut reached = false;
        // all of them end before a fault of one is told
        for tried in join_all(under_way).await {
            let tried = tried?;
            sent += usize::from(tried.sent);
            reached |= !tried.unreachable;
        }
        if !reached {
            break;
        }
    }
    Ok(sent)
}

/// Clears the payload of letters that died seven days ago, at most `most` of them; returns how many.
pub async fn clear_due(cx: &Ctx, most: i64) -> Result<usize, Fault> {
    let mut tx = begin(cx).await?;
    let cleared = store::clear(&mut tx, cx.clock.now(), most)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(usize::try_from(cleared).unwrap_or(usize::MAX))
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Fault> {
    cx.db
        .begin(Scope::House("delivery of letters"))
        .await
        .map_err(db::fault)
}

async fn count_waiting(cx: &Ctx) -> Result<(), Fault> {
    let mut tx = begin(cx).await?;
    let waiting = store::waiting(&mut tx).await.map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    metrics::gauge!("letters_waiting").set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
    Ok(())
}

async fn claim(cx: &Ctx, lease: Uuid, most: i64) -> Result<Vec<Claimed>, Fault> {
    let now = cx.clock.now();
    let mut tx = begin(cx).await?;
    let buried = store::bury_lost(&mut tx, now, now + DEAD_KEPT, TRIES)
        .await
        .map_err(db::fault)?;
    let claimed = store::claim(&mut tx, lease, now, now + LEASE, most)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    for (id, template) in buried {
        tracing::error!(letter = %id, template, "a letter is dead: each node that sent it died");
        metrics::counter!("letters_dead_total", "template" => template).increment(1);
    }
    Ok(claimed)
}

async fn deliver(room: &Mail, lease: Uuid, letter: Claimed) -> Result<Tried, Fault> {
    let (end, unreachable) = match write(room, &letter).await? {
        Ok(wire) => match send(room, lease, &wire).await {
            Some(Ok(())) => (End::Sent, false),
            Some(Err(SendError::Unreachable(why))) => (End::Again(why), true),
            Some(Err(SendError::Later(why))) => (End::Again(why), false),
            Some(Err(SendError::Never(why))) => (End::Dead(why), false),
            None => {
                tracing::warn!(letter = %letter.id, "a lease was lost while the letter was on its way");
                return Ok(Tried {
                    sent: false,
                    unreachable: false,
                });
            }
        },
        Err(end) => (end, false),
    };
    let end = after(end, letter.attempts);
    let counted = record_patiently(&room.cx, lease, &letter, &end).await?;
    if counted {
        tell(&letter, &end);
    } else {
        tracing::warn!(letter = %letter.id, "a result came after its lease and does not count");
    }
    Ok(Tried {
        sent: counted && end == End::Sent,
        unreachable,
    })
}

/// Puts a letter on paper, or says how it ends without being sent.
async fn write(room: &Mail, letter: &Claimed) -> Result<Result<Wire, End>, Fault> {
    let (Some(template), Ok(lang)) = (
        Template::named(&letter.template),
        letter.lang.parse::<Lang>(),
    ) else {
        // a newer version of the house posted it, and a node of that version can send it
        return Ok(Err(End::Again("the template is not known here".to_owned())));
    };
    let unsubscribe = match template.topic() {
        Topic::Account => None,
        topic @ Topic::News => {
            if suppression::is_suppressed(room, &letter.to, topic).await? {
                return Ok(Err(End::Suppressed));
            }
            Some(suppression::link(room, &letter.to, topic))
        }
    };
    let around = Surroundings {
        home: &room.account_url,
        unsubscribe: unsubscribe.as_deref(),
    };
    let headers = Headers {
        id: letter.id,
        from: &room.from,
        to: &letter.to,
        lang,
        at: letter.created_at,
        unsubscribe: unsubscribe.as_deref(),
    };
    let wire = room
        .templates
        .render(template, lang, &letter.data, around)
        .map_err(|error| error.to_string())
        .and_then(|words| message::build(headers, words).map_err(|error| error.to_string()));
    Ok(wire.map_err(End::Dead))
}

/// Sends while saying that we live; `None` when another node has the letter by now.
async fn send(room: &Mail, lease: Uuid, wire: &Wire) -> Option<Result<(), SendError>> {
    let keep = async {
        let mut ticks = interval(room.renew_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match renew(&room.cx, lease, wire.id).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, letter = %wire.id, "a lease could not be renewed");
                }
            }
        }
    };
    tokio::select! {
        biased;
        sent = room.transport.send(wire) => Some(sent),
        () = keep => None,
    }
}

async fn renew(cx: &Ctx, lease: Uuid, id: LetterId) -> Result<bool, Fault> {
    let mut tx = begin(cx).await?;
    let kept = store::renew(&mut tx, id, lease, cx.clock.now() + LEASE)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(kept)
}

/// A try that failed once too often is the last.
fn after(end: End, attempts: i32) -> End {
    match end {
        End::Again(why) if wait_after(attempts).is_none() => End::Dead(why),
        end => end,
    }
}

fn wait_after(attempts: i32) -> Option<Duration> {
    let tried = usize::try_from(attempts).ok()?;
    WAITS.get(tried.checked_sub(1)?).copied()
}

async fn record_patiently(
    cx: &Ctx,
    lease: Uuid,
    letter: &Claimed,
    end: &End,
) -> Result<bool, Fault> {
    let mut tries = 0;
    loop {
        match record(cx, lease, letter, end).await {
            Err(fault) if fault.kind == FaultKind::Unavailable && tries < RECORD_TRIES => {
                tries += 1;
                tokio::time::sleep(RECORD_PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Writes down how a try ended; false when the lease was lost.
async fn record(cx: &Ctx, lease: Uuid, letter: &Claimed, end: &End) -> Result<bool, Fault> {
    let now = cx.clock.now();
    let mut tx = begin(cx).await?;
    let id = letter.id;
    let counted = match end {
        End::Sent => store::sent(&mut tx, id, lease, now).await,
        End::Suppressed => store::suppressed(&mut tx, id, lease).await,
        End::Again(why) => {
            let at = now + wait_after(letter.attempts).unwrap_or(LEASE);
            store::again(&mut tx, id, lease, at, why).await
        }
        End::Dead(why) => store::dead(&mut tx, id, lease, now + DEAD_KEPT, why).await,
    }
    .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(counted)
}

fn tell(letter: &Claimed, end: &End) {
    let Claimed {
        id,
        template,
        attempts,
        ..
    } = letter;
    match end {
        End::Sent => {
            tracing::info!(letter = %id, template, attempts, "a letter went out");
            metrics::counter!("letters_sent_total", "template" => template.clone()).increment(1);
        }
        End::Suppressed => {
            tracing::info!(letter = %id, template, "a letter was not wanted");
        }
        End::Again(why) => {
            tracing::warn!(letter = %id, template, attempts, why, "a letter did not go; it is tried again");
        }
        End::Dead(why) => {
            tracing::error!(letter = %id, template, attempts, why, "a letter is dead");
            metrics::counter!("letters_dead_total", "template" => template.clone()).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_tried_seven_times_over_ten_hours() {
        let waits: Vec<_> = (1..=TRIES)
            .map(|n| wait_after(n).map(|wait| wait.num_seconds()))
            .collect();
        assert_eq!(
            waits,
            [
                Some(5),
                Some(60),
                Some(300),
                Some(1800),
                Some(7200),
                Some(28800),
                None
            ]
        );
        let again = || End::Again("smtp 451".to_owned());
        assert_eq!(after(again(), 6), again());
        assert_eq!(after(again(), 7), End::Dead("smtp 451".to_owned()));
        assert_eq!(after(End::Sent, 7), End::Sent);
        assert_eq!(wait_after(0), None);
    }
}

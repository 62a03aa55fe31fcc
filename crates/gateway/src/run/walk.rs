//! Seals the words of runs under the first key: those that are sealed under another, and those from before there was sealing.
//! It goes from run to run, a few at a time, and goes on where it was.

mod store;

use std::time::Duration;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope, Tx};
use identity::TenantId;
use seal::{Resealed, Vault};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use uuid::Uuid;

use super::words::{Part, Place};
use crate::{Error, RunId, file};

/// Runs that are looked at in one transaction, and lines of files.
const AT_ONCE: i64 = 100;
/// What a run that began this long ago says is written.
const LATE: chrono::Duration = chrono::Duration::hours(1);
/// By then every process seals under a key that became the first.
const SETTLED: chrono::Duration = chrono::Duration::days(1);

/// What a walk has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    pub resealed: Resealed,
    /// Whether it came to the newest run.
    pub is_at_end: bool,
}

/// Whether a walk goes on where the one before stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkFrom {
    Where,
    /// Once more from the first run.
    First,
}

/// Where a walk is.
#[derive(Debug)]
struct Walk {
    began_at: DateTime<Utc>,
    past: Uuid,
    closed: i64,
    done_at: Option<DateTime<Utc>>,
}

/// Words that are not sealed under the first key.
#[derive(Debug)]
struct Found {
    run: RunId,
    tenant: TenantId,
    /// Of an event.
    seq: i32,
    /// As they are sealed.
    before: Option<Vec<u8>>,
    /// As they are, where they are not sealed.
    plain: Option<Vec<u8>>,
}

/// The same words under the first key.
#[derive(Debug, Default)]
struct Anew {
    runs: Vec<Uuid>,
    seqs: Vec<i32>,
    befores: Vec<Option<Vec<u8>>>,
    sealed: Vec<Vec<u8>>,
}

/// Seals under the first key what is not, for as long as it may take.
///
/// # Errors
/// When there is no key, or the database is away; what was done stays done.
pub async fn reseal_texts(
    cx: &Ctx,
    vault: &Vault,
    from: WalkFrom,
    longest: Duration,
) -> Result<Walked, Error> {
    let prefix = vault.prefix()?;
    let key = vault.ids().first().map(ToString::to_string);
    let key = key.unwrap_or_default();
    let until = Instant::now() + longest;
    let now = cx.clock.now();
    let mut tx = begin(cx).await?;
    if from == WalkFrom::First {
        store::forget(&mut tx).await?;
    }
    let mut walk = store::walk(&mut tx, &key, now).await?;
    tx.commit().await?;
    let mut walked = Walked::default();
    let mut past = walk.past;
    while walk.done_at.is_none() && Instant::now() < until {
        let mut tx = begin(cx).await?;
        let runs = store::runs(&mut tx, past, AT_ONCE).await?;
        let ids: Vec<Uuid> = runs.iter().map(|(id, _)| *id).collect();
        let some = reseal(&mut tx, vault, &prefix, &ids).await?;
        walked.resealed += some;
        walk.closed += i64::try_from(some.closed).unwrap_or(i64::MAX);
        past = ids.last().copied().unwrap_or(past);
        // those that are younger are looked at again
        let settled = runs.iter().rfind(|(_, began)| *began < now - LATE);
        walk.past = settled.map_or(walk.past, |(id, _)| *id);
        store::note(&mut tx, &key, &walk).await?;
        tx.commit().await?;
        if i64::try_from(runs.len()).unwrap_or(i64::MAX) < AT_ONCE {
            walked.is_at_end = true;
            walked.resealed += reseal_files(cx, vault, &prefix).await?;
            if walk.began_at + SETTLED <= now {
                walk.done_at = Some(now);
                let mut tx = begin(cx).await?;
                store::note(&mut tx, &key, &walk).await?;
                tx.commit().await?;
            }
            break;
        }
    }
    walked.is_at_end |= walk.done_at.is_some();
    walked.resealed.closed = u64::try_from(walk.closed).unwrap_or_default();
    Ok(walked)
}

/// How many runs were not looked at since the first key became that.
///
/// # Errors
/// When the database is away.
pub async fn texts_left(cx: &Ctx, vault: &Vault) -> Result<i64, Error> {
    let key = vault.ids().first().map(ToString::to_string);
    let mut tx = begin(cx).await?;
    let left = store::left(&mut tx, &key.unwrap_or_default()).await?;
    tx.commit().await?;
    Ok(left)
}

async fn begin(cx: &Ctx) -> Result<Tx, Error> {
    Ok(cx
        .db
        .begin(Scope::House("words of runs are sealed"))
        .await?)
}

async fn reseal(
    conn: &mut sqlx::PgConnection,
    vault: &Vault,
    prefix: &[u8],
    runs: &[Uuid],
) -> Result<Resealed, Error> {
    let mut all = Resealed::default();
    let found = store::answers(conn, runs, prefix).await?;
    let (anew, some) = anew(vault, found, |_| Part::Answered)?;
    store::put_answers(conn, &anew).await?;
    all += some;
    let found = store::asked(conn, runs, prefix).await?;
    let (anew, some) = self::anew(vault, found, |_| Part::Asked)?;
    store::put_asked(conn, &anew).await?;
    all += some;
    let found = store::events(conn, runs, prefix).await?;
    let (anew, some) = self::anew(vault, found, |found| Part::Event(found.seq))?;
    store::put_events(conn, &anew).await?;
    all += some;
    let found = store::cards(conn, runs, prefix).await?;
    let (anew, some) = self::anew(vault, found, |_| Part::Card)?;
    store::put_cards(conn, &anew).await?;
    all += some;
    let found = store::conversations(conn, runs, prefix).await?;
    let (anew, some) = self::anew(vault, found, |_| Part::Conversation)?;
    store::put_conversations(conn, &anew).await?;
    all += some;
    let found = store::asks(conn, runs, prefix).await?;
    let (anew, some) = self::anew(vault, found, |_| Part::Again)?;
    store::put_asks(conn, &anew).await?;
    all += some;
    Ok(all)
}

fn anew(
    vault: &Vault,
    found: Vec<Found>,
    part: impl Fn(&Found) -> Part,
) -> Result<(Anew, Resealed), Error> {
    let (mut anew, mut resealed) = (Anew::default(), Resealed::default());
    for one in found {
        let place = Place::new(one.tenant, one.run, part(&one)).to_string();
        let sealed = match (&one.before, &one.plain) {
            (Some(before), _) => vault
                .open(&place, before)
                .and_then(|words| vault.seal(&place, words.expose_secret())),
            (None, plain) => vault.seal(&place, plain.as_deref().unwrap_or_default()),
        };
        match sealed {
            Ok(sealed) => {
                anew.runs.push(one.run.0);
                anew.seqs.push(one.seq);
                anew.befores.push(one.before);
                anew.sealed.push(sealed);
                resealed.done += 1;
            }
            Err(error) if error.lacks_key() => resealed.closed += 1,
            // one that was changed keeps no other from its seal
            Err(seal::Error::Broken) => {
                tracing::error!(run = %one.run, "words of a run were changed, and don't open");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((anew, resealed))
}

/// Lines of files; there are never many, and none older than thirty days.
async fn reseal_files(cx: &Ctx, vault: &Vault, prefix: &[u8]) -> Result<Resealed, Error> {
    let mut resealed = Resealed::default();
    let mut after = (Uuid::nil(), 0);
    loop {
        let mut tx = begin(cx).await?;
        let some = file::reseal_lines(&mut tx, vault, prefix, after, AT_ONCE).await?;
        tx.commit().await?;
        resealed += some.resealed;
        match some.last {
            Some(last) => after = last,
            None => return Ok(resealed),
        }
    }
}

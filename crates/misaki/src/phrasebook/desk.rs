//! The operator's desk: what is edited, tried, published and taken back.

use db::Scope;
use identity::{AuditAction, Principal, RequestMeta};
use jobs::Job;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::{FIRST, PhrasesVersionView, Published, current, near, store};
use crate::{
    Error, Misaki,
    phrase::{Matcher, Phrase, PhraseError, PhraseSet, Rule, Scene, fold},
};

/// The most phrases of a set, and the most texts of one.
const MOST: usize = 2_000;
const MOST_TEXTS: usize = 300;
/// The largest set as the browser gets it, in bytes.
const LARGEST: usize = 1024 * 1024;
/// The most phrases that are named as near.
const CANDIDATES: usize = 5;

/// What is being worked on.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PhraseBook {
    /// The number of the set in force.
    pub(crate) version: i32,
    /// Counts the changes of the draft; a change names the one that it was made on.
    pub(crate) revision: i32,
    /// Whether the draft differs from what is in force.
    pub(crate) changed: bool,
    /// Whether what means the same is matched too: a model for vectors is configured.
    pub(crate) semantic: bool,
    /// The draft.
    pub(crate) phrases: Vec<Phrase>,
}

/// The draft and the number of its last change.
struct Draft {
    revision: i32,
    phrases: Vec<Phrase>,
}

async fn draft(conn: &mut PgConnection, published: &Published) -> Result<Draft, Error> {
    Ok(match store::draft(conn).await? {
        Some((revision, phrases)) => Draft {
            revision,
            phrases: super::with_guards(phrases)?,
        },
        None => Draft {
            revision: 0,
            phrases: published.phrases.clone(),
        },
    })
}

/// What is being worked on.
pub(super) async fn get(room: &Misaki) -> Result<PhraseBook, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator's phrases"))
        .await?;
    let book = book(&mut tx, room).await?;
    tx.commit().await?;
    Ok(book)
}

async fn book(conn: &mut PgConnection, room: &Misaki) -> Result<PhraseBook, Error> {
    let published = current(conn, room).await?;
    let draft = draft(conn, &published).await?;
    Ok(PhraseBook {
        version: published.version,
        revision: draft.revision,
        changed: draft.phrases != published.phrases,
        semantic: near::is_on(room),
        phrases: draft.phrases,
    })
}

/// A change of the draft.
pub(super) enum Edit {
    /// Puts a phrase in the place of the one with this name, or at the end.
    Put(String, Box<Phrase>),
    Delete(String),
    Replace(Vec<Phrase>),
}

/// Changes the draft that the caller has seen.
pub(super) async fn edit(room: &Misaki, seen: i32, edit: Edit) -> Result<PhraseBook, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator edits phrases"))
        .await?;
    store::lock(&mut tx).await?;
    let published = current(&mut tx, room).await?;
    let Draft {
        revision,
        mut phrases,
    } = draft(&mut tx, &published).await?;
    if revision != seen {
        return Err(Error::PhrasesChanged);
    }
    match edit {
        Edit::Put(id, phrase) => match phrases.iter_mut().find(|phrase| phrase.id == id) {
            Some(place) => *place = *phrase,
            None => phrases.push(*phrase),
        },
        Edit::Delete(id) => phrases.retain(|phrase| phrase.id != id),
        Edit::Replace(all) => phrases = all,
    }
    check(&phrases)?;
    store::put_draft(&mut tx, revision + 1, &phrases, room.cx.clock.now()).await?;
    let book = book(&mut tx, room).await?;
    tx.commit().await?;
    Ok(book)
}

/// Checks a set by the rules of the file, and that it is not too large.
pub(super) fn check(phrases: &[Phrase]) -> Result<(), PhraseError> {
    let texts = |phrase: &Phrase| {
        phrase.matches.len() + phrase.patterns.len() + phrase.replies.len() + phrase.unless.len()
    };
    if phrases.len() > MOST {
        return Err(PhraseError::TooMuch(MOST));
    }
    if let Some(phrase) = phrases.iter().find(|phrase| texts(phrase) > MOST_TEXTS) {
        return Err(PhraseError::TooLong(phrase.id.clone()));
    }
    let json = serde_json::to_string(&json!({ "version": 1, "phrases": phrases }))?;
    if json.len() > LARGEST || json.contains("\\u0000") {
        return Err(PhraseError::TooMuch(MOST));
    }
    PhraseSet::parse(&json).map(drop)
}

/// Publishes the draft that the caller has seen; it answers from the next message on.
pub(super) async fn publish(
    room: &Misaki,
    by: (Principal, &RequestMeta),
    (seen, note): (i32, Option<&str>),
) -> Result<PhraseBook, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator publishes phrases"))
        .await?;
    store::lock(&mut tx).await?;
    let published = current(&mut tx, room).await?;
    let draft = draft(&mut tx, &published).await?;
    if draft.revision != seen {
        return Err(Error::PhrasesChanged);
    }
    put(&mut tx, room, by, (&draft, note)).await?;
    let book = book(&mut tx, room).await?;
    tx.commit().await?;
    Ok(book)
}

/// Publishes a set of before as the next one, and makes it the draft.
pub(super) async fn roll_back(
    room: &Misaki,
    by: (Principal, &RequestMeta),
    to: i32,
) -> Result<PhraseBook, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator goes back to phrases of before"))
        .await?;
    store::lock(&mut tx).await?;
    let published = current(&mut tx, room).await?;
    let draft = Draft {
        revision: draft(&mut tx, &published).await?.revision + 1,
        phrases: super::version(&mut tx, to).await?,
    };
    store::put_draft(&mut tx, draft.revision, &draft.phrases, room.cx.clock.now()).await?;
    put(&mut tx, room, by, (&draft, Some(&format!("← {to}")))).await?;
    let book = book(&mut tx, room).await?;
    tx.commit().await?;
    Ok(book)
}

async fn put(
    conn: &mut PgConnection,
    room: &Misaki,
    (by, meta): (Principal, &RequestMeta),
    (draft, note): (&Draft, Option<&str>),
) -> Result<(), Error> {
    check(&draft.phrases)?;
    // a person in danger is answered whatever the operator edits
    let first = Published::first()?;
    let is_there = |wanted: &Phrase| {
        draft
            .phrases
            .iter()
            .any(|phrase| phrase.safety && phrase.id == wanted.id)
    };
    if !first.phrases.iter().filter(|p| p.safety).all(is_there) {
        return Err(Error::PhrasesWithoutSafety);
    }
    let version = store::newest(conn).await? + 1;
    let now = room.cx.clock.now();
    store::publish(conn, (version, &draft.phrases), note, now).await?;
    AuditAction::new("phrases.publish", version)
        .after(json!({ "version": version, "phrases": draft.phrases.len() }))
        .record(conn, &room.cx, meta, by)
        .await?;
    near::EmbedPhrases {}.enqueue(conn, &room.cx).await?;
    Ok(())
}

/// The published sets, newest first.
pub(super) async fn versions(room: &Misaki) -> Result<Vec<PhrasesVersionView>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("sets of phrases")).await?;
    let mut versions = store::versions(&mut tx).await?;
    tx.commit().await?;
    let first = Published::first()?.phrases.len();
    versions.push(PhrasesVersionView {
        version: FIRST,
        note: None,
        published_at: None,
        phrases: i32::try_from(first).unwrap_or(i32::MAX),
    });
    Ok(versions)
}

/// Which set is meant.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum From {
    #[default]
    Draft,
    Published,
}

/// The phrases of the draft or of the set in force.
pub(super) async fn phrases(room: &Misaki, from: From) -> Result<Vec<Phrase>, Error> {
    match from {
        From::Draft => Ok(get(room).await?.phrases),
        From::Published => Ok(super::in_force(room).await?.phrases.clone()),
    }
}

/// What a text would be answered, and why.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Trial {
    #[schema(required)]
    pub(crate) hit: Option<TrialHit>,
    /// What is nearest, whether or not it answers; at most five.
    pub(crate) candidates: Vec<Candidate>,
}

/// The phrase that answers.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TrialHit {
    pub(crate) id: String,
    pub(crate) rule: Rule,
    pub(crate) reply: String,
    /// The entry or pattern that it matched by.
    #[schema(required)]
    pub(crate) entry: Option<String>,
}

/// A phrase that is near.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Candidate {
    pub(crate) id: String,
    pub(crate) entry: String,
    /// From 0, nothing in common, to 1, the same letters.
    pub(crate) score: f64,
}

/// Tries a text on a set.
pub(super) async fn test(
    room: &Misaki,
    from: From,
    (text, is_answer): (&str, bool),
    scene: &Scene<'_>,
) -> Result<Trial, Error> {
    let phrases = phrases(room, from).await?;
    let set = PhraseSet {
        version: 1,
        phrases,
    };
    let matcher = Matcher::new(&set);
    if is_answer {
        let hit = matcher.guard_of(text, scene).map(|hit| TrialHit {
            entry: None,
            id: hit.id,
            rule: hit.rule,
            reply: hit.reply,
        });
        let candidates = Vec::new();
        return Ok(Trial { hit, candidates });
    }
    let found = if let Some(found) = matcher.find(text) {
        Some(found)
    } else {
        let near = near::nearest(room, &set.phrases, text).await?;
        near.and_then(|id| matcher.find_by(&id))
    };
    let hit = found.and_then(|found| matcher.say(&found, scene));
    let candidates = candidates(&set.phrases, text);
    let hit = hit.map(|hit| TrialHit {
        entry: entry_of(&set.phrases, &hit.id, text),
        id: hit.id,
        rule: hit.rule,
        reply: hit.reply,
    });
    Ok(Trial { hit, candidates })
}

/// The entry of a phrase that lies nearest to a text, in letters.
fn entry_of(phrases: &[Phrase], id: &str, text: &str) -> Option<String> {
    let phrase = phrases.iter().find(|phrase| phrase.id == id)?;
    nearest_entry(phrase, text).map(|(entry, _)| entry.to_owned())
}

fn nearest_entry<'a>(phrase: &'a Phrase, text: &str) -> Option<(&'a str, f64)> {
    let folded = fold(text);
    phrase
        .matches
        .iter()
        .chain(&phrase.patterns)
        .map(|entry| {
            let other = fold(entry);
            let is_part = phrase.safety && !other.is_empty() && folded.contains(&other);
            let score = if is_part { 1.0 } else { alike(&folded, &other) };
            (entry.as_str(), score)
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

fn candidates(phrases: &[Phrase], text: &str) -> Vec<Candidate> {
    let mut near: Vec<Candidate> = phrases
        .iter()
        .filter(|phrase| phrase.guards.is_none())
        .filter_map(|phrase| {
            let (entry, score) = nearest_entry(phrase, text)?;
            (score > 0.0).then(|| Candidate {
                id: phrase.id.clone(),
                entry: entry.to_owned(),
                score,
            })
        })
        .collect();
    near.sort_by(|a, b| b.score.total_cmp(&a.score));
    near.truncate(CANDIDATES);
    near
}

/// How many pairs of letters two texts share (Dice's coefficient).
#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a score to look at"
)]
fn alike(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    let pairs = |text: &str| {
        let chars: Vec<char> = text.chars().take(200).collect();
        let mut pairs: Vec<(char, char)> = chars
            .windows(2)
            .filter_map(|w| Some((*w.first()?, *w.get(1)?)))
            .collect();
        pairs.sort_unstable();
        pairs
    };
    let (a, b) = (pairs(a), pairs(b));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let mut left = b.clone();
    let shared = a
        .iter()
        .filter(|pair| match left.binary_search(pair) {
            Ok(at) => {
                left.remove(at);
                true
            }
            Err(_) => false,
        })
        .count();
    2.0 * shared as f64 / (a.len() + b.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_goes_from_nothing_to_the_same() {
        assert!((alike("こんばんは", "こんばんは") - 1.0).abs() < 1e-9);
        assert!(alike("こんばんは", "さようなら").abs() < 1e-9);
        let near = alike("こんばんは", "こんばんわ");
        assert!((0.5..1.0).contains(&near), "{near}");
    }
}

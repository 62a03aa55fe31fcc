//! What means the same as a phrase, by vectors: only where a model for them is configured, once for each text, and after
//! every other rule. What is said is sent to that model then, so it is off unless the operator turns it on.

use std::time::Duration;

use db::Scope;
use gateway::{embed_aside, leads};
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Published, store};
use crate::{
    Error, Misaki,
    phrase::{Phrase, fold},
};

/// The route of the model for vectors; without targets all of this is off.
const ROUTE: &str = "misaki-embedding";
/// How near is near enough, as the cosine of two vectors.
const THRESHOLD: f32 = 0.86;
/// How long somebody waits for it; whoever waits longer is answered by the model.
const PATIENCE: Duration = Duration::from_millis(800);
/// The longest text that is looked up, in characters, as with the other rules.
const LONGEST: usize = 200;
/// The most texts of one call.
const BATCH: usize = 64;

/// An entry of a phrase and where it lies.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    id: String,
    vector: Vec<f32>,
}

/// Whether a model for vectors is configured.
pub(super) fn is_on(room: &Misaki) -> bool {
    leads(&room.gateway, ROUTE)
}

/// The phrase that means the same as a text which no rule has matched, if any is near enough. Where the model does not
/// answer in time none is.
pub(crate) async fn meant(room: &Misaki, text: &str) -> Result<Option<String>, Error> {
    if !is_on(room) || text.chars().count() > LONGEST {
        return Ok(None);
    }
    let published = super::in_force(room).await?;
    if published.matcher.find(text).is_some() {
        return Ok(None);
    }
    let placed = if let Some(placed) = published.vectors.get() {
        placed
    } else {
        let placed = placed(room, &published.phrases).await?;
        // until the job has placed all of them, the next one looks again
        if placed.len() < entries(&published.phrases).count() {
            return Ok(find(&placed, &ask(room, text).await));
        }
        published.vectors.get_or_init(|| placed)
    };
    if placed.is_empty() {
        return Ok(None);
    }
    Ok(find(placed, &ask(room, text).await))
}

/// As [`meant`], of any set, by what is placed already.
pub(super) async fn nearest(
    room: &Misaki,
    phrases: &[Phrase],
    text: &str,
) -> Result<Option<String>, Error> {
    if !is_on(room) || text.chars().count() > LONGEST {
        return Ok(None);
    }
    let placed = placed(room, phrases).await?;
    Ok(find(&placed, &ask(room, text).await))
}

async fn ask(room: &Misaki, text: &str) -> Vec<f32> {
    let asked = embed_aside(&room.gateway, ROUTE, vec![text.to_owned()], PATIENCE).await;
    match asked {
        Ok((vectors, _)) => vectors.into_iter().next().unwrap_or_default(),
        Err(error) => {
            tracing::debug!(%error, "a text has no vector");
            Vec::new()
        }
    }
}

/// The texts that can mean the same as another: entries of phrases that are no patterns and not of safety, which are to
/// match by their letters alone.
fn entries(phrases: &[Phrase]) -> impl Iterator<Item = (&str, &str)> {
    phrases
        .iter()
        .filter(|phrase| !phrase.safety && phrase.guards.is_none())
        .flat_map(|phrase| {
            let id = phrase.id.as_str();
            phrase.matches.iter().map(move |entry| (id, entry.as_str()))
        })
}

fn hash(entry: &str) -> Vec<u8> {
    Sha256::digest(fold(entry).as_bytes()).to_vec()
}

async fn placed(room: &Misaki, phrases: &[Phrase]) -> Result<Vec<Placed>, Error> {
    let hashes: Vec<Vec<u8>> = entries(phrases).map(|(_, entry)| hash(entry)).collect();
    let mut tx = room.cx.db.begin(Scope::House("where phrases lie")).await?;
    let known = store::vectors(&mut tx, ROUTE, &hashes).await?;
    tx.commit().await?;
    let placed = entries(phrases).zip(&hashes).filter_map(|((id, _), hash)| {
        let (_, vector) = known.iter().find(|(known, _)| known == hash)?;
        Some(Placed {
            id: id.to_owned(),
            vector: vector.clone(),
        })
    });
    Ok(placed.collect())
}

fn find(placed: &[Placed], vector: &[f32]) -> Option<String> {
    let (score, best) = placed
        .iter()
        .map(|placed| (cosine(&placed.vector, vector), placed))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score >= THRESHOLD).then(|| best.id.clone())
}

#[expect(clippy::float_arithmetic, reason = "vectors are made of floats")]
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}

/// Places the entries of the set in force that are not placed yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EmbedPhrases {}

impl Job for EmbedPhrases {
    const NAME: &'static str = "misaki.embed_phrases";
    const PRIORITY: i16 = -5;
    const LIMIT: Duration = Duration::from_mins(5);
    type Room = Misaki;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, room: &Misaki, _: &Attempt) -> Result<(), JobError> {
        if !is_on(room) {
            return Ok(());
        }
        let retry = |error: Error| JobError::Retry(error.to_string());
        let published = super::in_force(room).await.map_err(retry)?;
        for texts in missing(room, &published)
            .await
            .map_err(retry)?
            .chunks(BATCH)
        {
            let asked = texts.to_vec();
            let (vectors, _) = embed_aside(&room.gateway, ROUTE, asked, Duration::from_mins(1))
                .await
                .map_err(|error| JobError::Retry(error.to_string()))?;
            let mut tx = room.cx.db.begin(Scope::House("phrases are placed")).await?;
            for (text, vector) in texts.iter().zip(&vectors) {
                store::put_vector(&mut tx, ROUTE, &hash(text), vector).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn missing(room: &Misaki, published: &Published) -> Result<Vec<String>, Error> {
    let all: Vec<(&str, Vec<u8>)> = entries(&published.phrases)
        .map(|(_, entry)| (entry, hash(entry)))
        .collect();
    let hashes: Vec<Vec<u8>> = all.iter().map(|(_, hash)| hash.clone()).collect();
    let mut tx = room.cx.db.begin(Scope::House("where phrases lie")).await?;
    let known = store::vectors(&mut tx, ROUTE, &hashes).await?;
    tx.commit().await?;
    let missing = all
        .into_iter()
        .filter(|(_, hash)| !known.iter().any(|(known, _)| known == hash));
    Ok(missing.map(|(entry, _)| entry.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(id: &str, vector: [f32; 2]) -> Placed {
        Placed {
            id: id.to_owned(),
            vector: vector.to_vec(),
        }
    }

    #[test]
    fn the_nearest_answers_if_it_is_near_enough() {
        let all = [placed("a", [1.0, 0.0]), placed("b", [0.0, 2.0])];
        assert_eq!(find(&all, &[0.2, 1.0]), Some("b".to_owned()));
        assert_eq!(find(&all, &[1.0, 1.0]), None, "between the two");
        assert_eq!(find(&all, &[]), None);
        assert_eq!(find(&all, &[0.0, 0.0]), None);
        assert_eq!(find(&[], &[1.0, 0.0]), None);
    }
}

//! The phrases of the house as the operator edits and publishes them: a draft, numbered versions, and the way back. What is
//! published is what the browser and the server match with; how they match is [`crate::phrase`]'s.

mod csv;
mod desk;
pub(crate) mod http;
pub(crate) mod near;
mod store;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use db::Scope;
use kernel::Fault;
use sqlx::PgConnection;

use crate::{
    Error, Misaki,
    phrase::{self, Matcher, Phrase, PhraseSet},
};

/// The number of the set that comes with the program.
const FIRST: i32 = 1;

/// A published set, ready to be asked.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) version: i32,
    pub(crate) phrases: Vec<Phrase>,
    /// As the browser gets it.
    pub(crate) json: String,
    pub(crate) matcher: Matcher,
    /// Where its entries lie, once somebody has asked.
    vectors: OnceLock<Vec<near::Placed>>,
}

impl Published {
    fn of(version: i32, set: PhraseSet, json: String) -> Self {
        Self {
            version,
            matcher: Matcher::new(&set),
            phrases: set.phrases,
            json,
            vectors: OnceLock::new(),
        }
    }

    /// The phrase that answers a text: by its letters, else the one that means the same.
    pub(crate) fn find(&self, text: &str, meant: Option<&str>) -> Option<phrase::Found> {
        let found = self.matcher.find(text);
        found.or_else(|| self.matcher.find_by(meant?))
    }

    fn first() -> Result<Self, Fault> {
        let set = PhraseSet::parse(phrase::DEFAULT_JSON)
            .map_err(|error| Fault::internal("the phrases of the house are broken", error))?;
        Ok(Self::of(FIRST, set, phrase::DEFAULT_JSON.to_owned()))
    }
}

/// The set in force as this process knows it.
#[derive(Debug)]
pub(crate) struct Known(RwLock<Arc<Published>>);

impl Known {
    /// Knows the set that comes with the program.
    ///
    /// # Errors
    /// When it breaks its own rules.
    pub(crate) fn first() -> Result<Self, Fault> {
        Ok(Self(RwLock::new(Arc::new(Published::first()?))))
    }

    fn get(&self) -> Arc<Published> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, published: Arc<Published>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = published;
    }
}

/// The set in force.
pub(crate) async fn current(
    conn: &mut PgConnection,
    room: &Misaki,
) -> Result<Arc<Published>, Error> {
    let newest = store::newest(conn).await?;
    let known = room.phrases.get();
    if known.version == newest {
        return Ok(known);
    }
    let phrases = version(conn, newest).await?;
    let set = PhraseSet {
        version: 1,
        phrases,
    };
    let json = serde_json::to_string(&set)
        .map_err(|error| Fault::internal("phrases can't be written", error))?;
    let published = Arc::new(Published::of(newest, set, json));
    room.phrases.set(Arc::clone(&published));
    Ok(published)
}

/// The set in force, for whoever has no transaction.
pub(crate) async fn in_force(room: &Misaki) -> Result<Arc<Published>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("the phrases")).await?;
    let published = current(&mut tx, room).await?;
    tx.commit().await?;
    Ok(published)
}

/// One of the sets there ever were.
async fn version(conn: &mut PgConnection, version: i32) -> Result<Vec<Phrase>, Error> {
    if version == FIRST {
        return Ok(Published::first()?.phrases);
    }
    store::find(conn, version)
        .await?
        .ok_or(Error::PhrasesVersionNotFound)
}

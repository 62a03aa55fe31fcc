//! The phrases of the house as the operator edits and publishes them: a draft, numbered versions, and the way back. What is
//! published is what the browser and the server match with; how they match is [`crate::phrase`]'s.

mod csv;
mod desk;
pub(crate) mod http;
pub(crate) mod near;
mod store;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use db::Scope;
use gateway::{Judge, Judgement, Refused};
use kernel::Fault;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    Error, Misaki, STOREFRONT,
    bar::{bar_hour, bar_month},
    phrase::{self, Matcher, Phrase, PhraseSet, Scene, Visits},
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
    fn of(version: i32, set: PhraseSet) -> Result<Self, Fault> {
        // what answers may not say is nobody's to read
        let answers = |phrase: &&Phrase| phrase.guards.is_none();
        let json = serde_json::to_string(&PhraseSet {
            version: set.version,
            phrases: set.phrases.iter().filter(answers).cloned().collect(),
        })
        .map_err(|error| Fault::internal("phrases can't be written", error))?;
        Ok(Self {
            version,
            matcher: Matcher::new(&set),
            phrases: set.phrases,
            json,
            vectors: OnceLock::new(),
        })
    }

    /// The phrase that answers a text: by its letters, else the one that means the same.
    pub(crate) fn find(&self, text: &str, meant: Option<&str>) -> Option<phrase::Found> {
        let found = self.matcher.find(text);
        found.or_else(|| self.matcher.find_by(meant?))
    }

    fn first() -> Result<Self, Fault> {
        let mut set = parsed(phrase::DEFAULT_JSON)?;
        set.phrases.extend(parsed(phrase::GUARDS_JSON)?.phrases);
        Self::of(FIRST, set)
    }
}

fn parsed(json: &str) -> Result<PhraseSet, Fault> {
    PhraseSet::parse(json)
        .map_err(|error| Fault::internal("the phrases of the house are broken", error))
}

/// Adds what guards in the house and is not there: the operator edits it and can't do without, and sets that were published
/// before there were any have them too.
fn with_guards(mut phrases: Vec<Phrase>) -> Result<Vec<Phrase>, Fault> {
    for guard in parsed(phrase::GUARDS_JSON)?.phrases {
        if !phrases
            .iter()
            .any(|phrase| phrase.id == guard.id && phrase.guards.is_some())
        {
            phrases.retain(|phrase| phrase.id != guard.id);
            phrases.push(guard);
        }
    }
    Ok(phrases)
}

/// A published set in the list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PhrasesVersionView {
    pub(crate) version: i32,
    #[schema(required)]
    pub(crate) note: Option<String>,
    /// `null` for the one that comes with the program.
    #[schema(required)]
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// How many.
    pub(crate) phrases: i32,
}

/// Looks through an answer for what the published set lets nobody say.
#[derive(Debug)]
struct Listening {
    published: Arc<Published>,
    hour: u32,
    month: u32,
    seed: String,
}

impl Judge for Listening {
    fn judge(&self, shown: &str, held: &str, is_whole: bool) -> Judgement {
        let scene = Scene {
            hour: self.hour,
            month: self.month,
            visits: Visits::Again,
            plan: "",
            recent: &[],
            seed: &self.seed,
        };
        self.published
            .matcher
            .judge((shown, held), is_whole, &scene)
    }
}

/// Who looks at an answer while it is given; the same seed has the same words said in its place.
pub(crate) async fn judge(
    conn: &mut PgConnection,
    room: &Misaki,
    seed: &str,
) -> Result<Arc<dyn Judge>, Error> {
    let now = room.cx.clock.now();
    Ok(Arc::new(Listening {
        published: current(conn, room).await?,
        hour: bar_hour(now),
        month: bar_month(now),
        seed: seed.to_owned(),
    }))
}

/// Who looks at answers whose runs are ended by another node than theirs.
///
/// # Errors
/// When the database is away.
pub async fn judge_of_the_house(room: &Misaki) -> Result<Arc<dyn Judge>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("the phrases")).await?;
    let judge = judge(&mut tx, room, "").await?;
    tx.commit().await?;
    Ok(judge)
}

/// How many answers were refused since, by the reason.
async fn refused_since(room: &Misaki, since: DateTime<Utc>) -> Result<Vec<Refused>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("refused answers")).await?;
    let refused = gateway::refused_since(&mut tx, STOREFRONT, since).await?;
    tx.commit().await?;
    Ok(refused)
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
    let published = Arc::new(Published::of(newest, set)?);
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
    let stored = store::find(conn, version).await?;
    Ok(with_guards(stored.ok_or(Error::PhrasesVersionNotFound)?)?)
}

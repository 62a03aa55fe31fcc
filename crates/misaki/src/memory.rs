//! What is remembered of a person who agreed to it: facts, a mood, what a talk was about. Learnt by the small model once a
//! talk rests, never while somebody waits; seen, changed and deleted by the person at any time.
//!
//! It is used for one thing: a few lines in the prompt of whoever's plan has insights.

pub(crate) mod http;
mod learn;
mod notes;
mod store;

use chrono::{DateTime, Utc};
use db::Scope;
use entitlement::plan_of;
use identity::{Principal, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{ChatId, Error, MessageId, Misaki, STOREFRONT};

pub(crate) use learn::{LearnFromChat, rest};
pub(crate) use store::forget;

kernel::id!(
    /// One thing that is remembered.
    MemoryId, "mem"
);

/// The most that is remembered of one person, and of that the most facts.
pub(crate) const MOST: i64 = 60;
const MOST_FACTS: i64 = 40;
/// The longest of them, in characters.
pub(crate) const LONGEST: usize = 200;
/// What goes along with a question: so many of each, and no more characters in all.
const FACTS: usize = 12;
const SUMMARIES: usize = 3;
const CHARS: usize = 1_500;
/// The feature of a plan whose prompts are extended.
const INSIGHTS: &str = "insights";

/// What kind of thing is remembered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Something that stays true.
    Fact,
    /// How they felt at the end of a talk.
    Mood,
    /// What a talk was about.
    Summary,
}

/// One thing that is remembered, with where it was said.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MemoryView {
    pub(crate) id: MemoryId,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) chat_id: ChatId,
    /// The message that it was learnt from; it goes with it.
    pub(crate) message_id: MessageId,
    pub(crate) created_at: DateTime<Utc>,
    /// Whether the person has put it differently.
    pub(crate) edited: bool,
}

/// All that is remembered.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Memories {
    /// Whether the present plan makes use of it.
    pub(crate) used: bool,
    /// Newest first.
    pub(crate) items: Vec<MemoryView>,
}

/// One thing that a person agrees to or not.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Given {
    pub(crate) given: bool,
    #[schema(required)]
    pub(crate) at: Option<DateTime<Utc>>,
}

impl From<Option<DateTime<Utc>>> for Given {
    fn from(at: Option<DateTime<Utc>>) -> Self {
        Self {
            given: at.is_some(),
            at,
        }
    }
}

/// What a person has agreed to.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Consents {
    /// Whether the caller can agree to anything: people with an account can.
    pub(crate) available: bool,
    /// That she remembers what talks were about.
    pub(crate) memory: Given,
    /// That talks are used to train the house's models.
    pub(crate) training: Given,
}

/// Whether a caller is a person with an account, who acts for themselves.
fn is_person(caller: Principal) -> bool {
    caller.user.is_some() && caller.key.is_none()
}

fn person(caller: Principal) -> Result<(), Error> {
    is_person(caller)
        .then_some(())
        .ok_or(Error::MemoryNeedsAccount)
}

/// What the caller has agreed to.
pub(crate) async fn consents(room: &Misaki, caller: Principal) -> Result<Consents, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let (memory, training) = store::consents(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(Consents {
        available: is_person(caller),
        memory: memory.into(),
        training: training.into(),
    })
}

/// Agrees or takes it back; what was remembered is gone with the agreement to it.
pub(crate) async fn agree(
    room: &Misaki,
    caller: Principal,
    (memory, training): (Option<bool>, Option<bool>),
) -> Result<Consents, Error> {
    person(caller)?;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::agree(
        &mut tx,
        caller.tenant,
        (memory, training),
        room.cx.clock.now(),
    )
    .await?;
    if memory == Some(false) {
        store::delete_all(&mut tx, caller.tenant).await?;
    }
    tx.commit().await?;
    consents(room, caller).await
}

/// All that is remembered of the caller.
pub(crate) async fn list(room: &Misaki, caller: Principal) -> Result<Memories, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let used = is_used(&mut tx, room, caller).await?;
    let items = store::list(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(Memories { used, items })
}

/// Puts one thing differently.
pub(crate) async fn change(
    room: &Misaki,
    caller: Principal,
    id: MemoryId,
    text: &str,
) -> Result<MemoryView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let changed = db::OnConstraint::on_constraint(
        store::change(&mut tx, id, text).await,
        "memory_once",
        || Error::MemoryThere,
    )?;
    tx.commit().await?;
    changed.ok_or(Error::MemoryNotFound)
}

/// Forgets one thing.
pub(crate) async fn delete(room: &Misaki, caller: Principal, id: MemoryId) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let found = store::delete(&mut tx, id).await?;
    tx.commit().await?;
    found.then_some(()).ok_or(Error::MemoryNotFound)
}

/// Forgets everything.
pub(crate) async fn delete_all(room: &Misaki, caller: Principal) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::delete_all(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(())
}

async fn is_used(conn: &mut PgConnection, room: &Misaki, caller: Principal) -> Result<bool, Error> {
    if !is_person(caller) {
        return Ok(false);
    }
    let catalogue = room.gateway.entitlement.catalogue.now();
    let standing = plan_of(conn, &catalogue, caller, STOREFRONT, room.cx.clock.now()).await;
    Ok(standing
        .map_err(gateway::Error::from)?
        .plan
        .terms
        .has(INSIGHTS))
}

/// What goes along with the caller's question; empty unless their plan has insights and they agreed.
pub(crate) async fn insights(
    conn: &mut PgConnection,
    room: &Misaki,
    caller: Principal,
) -> Result<String, Error> {
    if !is_person(caller)
        || !store::is_agreed(conn, caller.tenant).await?
        || !is_used(conn, room, caller).await?
    {
        return Ok(String::new());
    }
    Ok(lines(&store::list(conn, caller.tenant).await?))
}

/// The newest of what is remembered, within bounds.
fn lines(memories: &[MemoryView]) -> String {
    let of = |kind, most| {
        memories
            .iter()
            .filter(move |memory| memory.kind == kind)
            .take(most)
    };
    let chosen = of(Kind::Mood, 1)
        .chain(of(Kind::Fact, FACTS))
        .chain(of(Kind::Summary, SUMMARIES));
    let mut left = CHARS;
    let mut text = String::new();
    for memory in chosen {
        let length = memory.text.chars().count();
        if length > left {
            break;
        }
        left -= length;
        let about = match memory.kind {
            Kind::Fact => "",
            Kind::Mood => "前回の気分: ",
            Kind::Summary => "前に話したこと: ",
        };
        text += "\n- ";
        text += about;
        text += &memory.text.replace(['\n', '\r'], " ");
    }
    text
}

/// What is remembered of the caller and what they agreed to, for their own reading.
pub(crate) async fn export(
    room: &Misaki,
    caller: Principal,
) -> Result<(Consents, Vec<MemoryView>), Error> {
    Ok((
        consents(room, caller).await?,
        list(room, caller).await?.items,
    ))
}

fn scope(tenant: TenantId) -> Scope {
    Scope::Tenant {
        tenant: tenant.0,
        user: None,
    }
}

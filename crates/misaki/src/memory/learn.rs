//! Learning from a talk that rests.

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use gateway::ask_aside;
use identity::TenantId;
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    notes::{self, Note},
    scope, store,
};
use crate::{
    CHAT, ChatId, Error, Misaki, STOREFRONT,
    chat::{self, Told},
};

/// How long a talk rests before it is learnt from.
const REST: Duration = Duration::minutes(10);
/// How often in a day the house learns from one person's talks: what bounds its cost.
const TIMES: i32 = 8;
/// The longest answer, in tokens.
const TOKENS: u32 = 400;

/// Puts learning from a chat in line for when it will have rested, if its owner agreed.
pub(crate) async fn rest(
    conn: &mut PgConnection,
    room: &Misaki,
    caller: identity::Principal,
    chat: ChatId,
) -> Result<(), Error> {
    if super::is_person(caller) && store::is_agreed(conn, caller.tenant).await? {
        let job = LearnFromChat {
            chat: chat.0,
            tenant: caller.tenant.0,
        };
        job.enqueue_at(conn, &room.cx, room.cx.clock.now() + REST)
            .await?;
    }
    Ok(())
}

/// Learns from what was said in a chat since the last time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LearnFromChat {
    chat: Uuid,
    tenant: Uuid,
}

/// What is new in a chat.
struct News {
    /// Up to which message it was learnt from.
    from: i32,
    to: i32,
    talk: Vec<Told>,
}

impl Job for LearnFromChat {
    const NAME: &'static str = "misaki.learn_from_chat";
    const PRIORITY: i16 = -10;
    const LIMIT: std::time::Duration = std::time::Duration::from_mins(5);
    type Room = Misaki;

    fn key(&self) -> Option<String> {
        Some(self.chat.to_string())
    }

    async fn run(&self, room: &Misaki, attempt: &Attempt) -> Result<(), JobError> {
        let (chat, tenant) = (ChatId(self.chat), TenantId(self.tenant));
        let now = room.cx.clock.now();
        let retry = |error: Error| JobError::Retry(error.to_string());
        let mut tx = room.cx.db.begin(scope(tenant)).await?;
        let Some((from, used_at)) = store::to_learn(&mut tx, chat).await? else {
            return Ok(());
        };
        if used_at + REST > now {
            self.enqueue_at(&mut tx, &room.cx, used_at + REST).await?;
            tx.commit().await?;
            return Ok(());
        }
        let news = news(&mut tx, room, chat, from).await.map_err(retry)?;
        // what was not learnt from today is learnt from with what is said next
        if news.talk.is_empty() || !store::may_learn(&mut tx, tenant, now, TIMES).await? {
            tx.commit().await?;
            return Ok(());
        }
        tx.commit().await?;
        let asked = (notes::question(&news.talk), TOKENS);
        let answer = ask_aside(&room.gateway, tenant, &small(room), asked).await;
        let answer = answer.map_err(|error| JobError::Retry(error.to_string()))?;
        metrics::counter!("misaki_learnings_total").increment(1);
        let notes = notes::read(&answer.text, &news.talk);
        let mut tx = room
            .cx
            .db
            .begin(Scope::House("what was learnt from a talk"))
            .await?;
        attempt.hold(&mut tx).await?;
        store::note_cost(&mut tx, tenant, now, answer.cost.0).await?;
        // whoever takes the agreement back waits for this, and then deletes it, or was first, and nothing is written
        if store::lock_agreed(&mut tx, tenant).await?
            && store::move_on(&mut tx, chat, (news.from, news.to)).await?
        {
            write(&mut tx, room, tenant, (&news, &notes)).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What was said in the shown branch of a chat since it was last learnt from.
async fn news(
    conn: &mut PgConnection,
    room: &Misaki,
    chat: ChatId,
    from: i32,
) -> Result<News, Error> {
    let (to, told) = chat::shown_since(conn, room, chat, from).await?;
    Ok(News {
        from,
        to,
        talk: notes::part(told),
    })
}

async fn write(
    conn: &mut PgConnection,
    room: &Misaki,
    tenant: TenantId,
    (news, notes): (&News, &[Note]),
) -> sqlx::Result<()> {
    let now: DateTime<Utc> = room.cx.clock.now();
    for note in notes {
        if let Some(source) = news.talk.get(note.place) {
            let id = room.cx.ids.new_id();
            let of = (source.chat, source.id);
            store::insert(conn, tenant, (id, note.kind, &note.text), of, now).await?;
        }
    }
    store::prune(conn, tenant).await
}

/// The route of the cheapest plan: what those who pay nothing talk with.
fn small(room: &Misaki) -> String {
    let catalogue = room.gateway.entitlement.catalogue.now();
    let route = catalogue
        .of(STOREFRONT)
        .find_map(|plan| plan.terms.routes.get(CHAT));
    route.cloned().unwrap_or_default()
}

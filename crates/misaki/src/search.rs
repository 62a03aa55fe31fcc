//! Search over what was said, in any writing of Japanese and from one letter on.
//!
//! Messages are taken in when they are written; answers of a run when somebody searches after the run has ended, because
//! only the gateway has their text. Which messages have the words is told by a function of the database that reads for its
//! owner and knows the tenant by itself, since an index on letters can't be used under row-level security.

mod fold;
mod store;

use chrono::{DateTime, Utc};
use gateway::{RunId, outputs};
use identity::{Principal, TenantId};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    ChatId, Error, MessageId, Misaki,
    chat::{self, Speaker},
};

/// The most messages that are taken in at once.
const BATCH: i64 = 500;
/// The most batches of one search.
const BATCHES: usize = 40;
/// The most places that are told.
const MOST: i32 = 40;
/// The most chats whose titles are read.
const TITLES: i64 = 5_000;

/// What a search has found.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Findings {
    /// Chats with all words in their title, the one used last first.
    pub(crate) chats: Vec<FoundChat>,
    /// Messages with all words in them, newest first; at most 40.
    pub(crate) messages: Vec<FoundMessage>,
}

/// A chat by its title.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FoundChat {
    pub(crate) id: ChatId,
    pub(crate) title: String,
}

/// A message, and the place in it where the first word stands.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FoundMessage {
    pub(crate) id: MessageId,
    pub(crate) chat_id: ChatId,
    #[schema(required)]
    pub(crate) title: Option<String>,
    pub(crate) role: Speaker,
    pub(crate) at: DateTime<Utc>,
    pub(crate) before: String,
    pub(crate) hit: String,
    pub(crate) after: String,
}

/// A message that search does not know yet.
#[derive(Clone, Debug)]
struct Unread {
    id: MessageId,
    text: String,
    run: Option<RunId>,
    at: DateTime<Utc>,
}

/// A message as search knows it.
#[derive(Clone, Debug, Serialize)]
struct Entry {
    id: uuid::Uuid,
    at: DateTime<Utc>,
    folded: String,
    grams: Vec<i32>,
}

/// Finds the words of a query in titles and messages.
pub(crate) async fn search(
    room: &Misaki,
    caller: Principal,
    query: &str,
) -> Result<Findings, Error> {
    let terms = fold::terms(query);
    let Some(first) = terms.first() else {
        return Ok(Findings {
            chats: Vec::new(),
            messages: Vec::new(),
        });
    };
    let grams = fold::grams_of_terms(caller.tenant, &terms);
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    take_in(&mut tx, room, caller.tenant).await?;
    let ids = store::find(&mut tx, &terms, &grams, MOST).await?;
    let chats = store::titles(&mut tx, caller.tenant, TITLES)
        .await?
        .into_iter()
        .filter(|chat| {
            let title = fold::fold(&chat.title);
            terms.iter().all(|term| title.contains(term.as_str()))
        })
        .take(20)
        .collect();
    let mut messages: Vec<FoundMessage> = chat::told(&mut tx, room, &ids)
        .await?
        .into_iter()
        .filter_map(|told| {
            let (before, hit, after) = fold::place(&told.text, first)?;
            Some(FoundMessage {
                id: told.id,
                chat_id: told.chat,
                title: told.title,
                role: told.speaker,
                at: told.at,
                before,
                hit,
                after,
            })
        })
        .collect();
    tx.commit().await?;
    messages.sort_by_key(|found| std::cmp::Reverse((found.at, found.id)));
    Ok(Findings { chats, messages })
}

/// Reads what was written or answered since the last search.
async fn take_in(conn: &mut PgConnection, room: &Misaki, tenant: TenantId) -> Result<(), Error> {
    let mut after = None;
    for _ in 0..BATCHES {
        let unread = store::unread(conn, tenant, after, BATCH).await?;
        let Some(last) = unread.last() else { break };
        after = Some(last.id);
        let runs: Vec<RunId> = unread.iter().filter_map(|message| message.run).collect();
        let runs = outputs(conn, &room.gateway, &runs).await?;
        let entries: Vec<Entry> = unread
            .into_iter()
            .filter_map(|message| {
                let text = match message.run {
                    None => message.text,
                    Some(id) => {
                        let run = runs.iter().find(|run| run.id == id)?;
                        if !run.state.is_ended() || run.is_closed {
                            return None;
                        }
                        run.output.clone()
                    }
                };
                let folded = fold::fold(&text);
                Some(Entry {
                    id: message.id.0,
                    at: message.at,
                    grams: fold::grams_of_text(tenant, &folded),
                    folded,
                })
            })
            .collect();
        store::take_in(conn, tenant, &entries).await?;
    }
    Ok(())
}

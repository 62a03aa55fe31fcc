//! Chats and their messages as they are kept.

mod carried;
pub(crate) mod store;
mod tree;

use chrono::{DateTime, Utc};
use gateway::{RunId, RunView, outputs};
use identity::{Principal, TenantId};
use kernel::{Cursor, Page, PageRequest};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, Misaki};

pub(crate) use carried::{
    Conversation, Said, Whole, answer_and_question, branch_to, chat_of_answer, count, end_of,
    exists, shown_since, take_in, whole,
};
pub(crate) use tree::Tree;

kernel::id!(
    /// One talk at the bar.
    ChatId, "chat"
);
kernel::id!(
    /// One message of it.
    MessageId, "msg"
);

/// The most characters of a title made from the first message.
const TITLE_CHARS: usize = 40;

/// A chat in the list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChatSummary {
    pub(crate) id: ChatId,
    /// The first words of the talk, until it is named.
    #[schema(required)]
    pub(crate) title: Option<String>,
    pub(crate) pinned: bool,
    #[schema(required)]
    pub(crate) folder: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speaker {
    User,
    Assistant,
}

impl Speaker {
    const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    fn of(role: &str) -> Self {
        if role == "user" {
            Self::User
        } else {
            Self::Assistant
        }
    }
}

/// A message as stored.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: MessageId,
    pub(crate) chat: ChatId,
    pub(crate) parent: Option<MessageId>,
    pub(crate) seq: i32,
    pub(crate) role: String,
    pub(crate) text: String,
    pub(crate) phrase_id: Option<String>,
    pub(crate) phrase_rule: Option<String>,
    pub(crate) run: Option<RunId>,
    pub(crate) key: Uuid,
    pub(crate) created_at: DateTime<Utc>,
}

/// The first words of a talk.
pub(crate) fn title(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(TITLE_CHARS).collect()
}

/// Which chats to list; each rule narrows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Which {
    pub(crate) pinned: Option<bool>,
    pub(crate) folder: Option<String>,
}

/// The caller's chats, the one used last first.
pub(crate) async fn list(
    room: &Misaki,
    caller: Principal,
    which: &Which,
    page: &PageRequest,
) -> Result<Page<ChatSummary>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rows = store::list(&mut tx, caller.tenant, which, page).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, page, |chat| Cursor {
        at: chat.updated_at,
        id: chat.id.0,
    }))
}

/// What is to change of a chat; none leaves it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) title: Option<String>,
    pub(crate) pinned: Option<bool>,
    /// The inner none takes the chat out of its folder.
    #[expect(
        clippy::option_option,
        reason = "unsaid, no folder, and a folder are three things"
    )]
    pub(crate) folder: Option<Option<String>>,
}

/// Names a chat, pins it, or puts it into a folder.
pub(crate) async fn update(
    room: &Misaki,
    caller: Principal,
    id: ChatId,
    change: &Change,
) -> Result<ChatSummary, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::update(&mut tx, id, change, room.cx.clock.now()).await?;
    let summary = store::find(&mut tx, id).await?.ok_or(Error::ChatNotFound)?;
    tx.commit().await?;
    Ok(summary)
}

/// The names of the folders that have chats in them.
pub(crate) async fn folders(room: &Misaki, caller: Principal) -> Result<Vec<String>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let names = store::folders(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(names)
}

/// Takes what the runs of deleted messages have said. One that is still being given keeps its words.
pub(crate) async fn forget_runs(
    conn: &mut PgConnection,
    runs: &[Option<RunId>],
) -> Result<(), Error> {
    let runs: Vec<RunId> = runs.iter().copied().flatten().collect();
    Ok(gateway::forget_runs(conn, &runs).await?)
}

/// Removes a chat with its messages and what its runs have said; the ledger and the usage rows stay.
pub(crate) async fn delete(room: &Misaki, caller: Principal, id: ChatId) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rows = store::of_chat(&mut tx, id).await?;
    let found = store::delete(&mut tx, id).await?;
    forget_runs(&mut tx, &rows).await?;
    tx.commit().await?;
    if found {
        Ok(())
    } else {
        Err(Error::ChatNotFound)
    }
}

/// A message with its text, wherever that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: MessageId,
    pub(crate) chat: ChatId,
    pub(crate) title: Option<String>,
    pub(crate) speaker: Speaker,
    pub(crate) text: String,
    pub(crate) at: DateTime<Utc>,
}

/// These messages with their texts, in the caller's scope.
pub(crate) async fn told(
    conn: &mut PgConnection,
    room: &Misaki,
    ids: &[MessageId],
) -> Result<Vec<Told>, Error> {
    let rows = store::these(conn, ids).await?;
    let mut chats: Vec<ChatId> = rows.iter().map(|row| row.chat).collect();
    chats.sort_unstable();
    chats.dedup();
    let titles = store::titles(conn, &chats).await?;
    let told = with_runs(conn, room, rows)
        .await?
        .into_iter()
        .map(|(row, run)| Told {
            id: row.id,
            chat: row.chat,
            title: titles
                .iter()
                .find(|(id, _)| *id == row.chat)
                .and_then(|(_, title)| title.clone()),
            speaker: speaker(&row),
            at: row.created_at,
            text: run.map_or(row.text, |run| run.output),
        });
    Ok(told.collect())
}

/// One message in the scope, or the refusal that there is none.
pub(crate) async fn message(conn: &mut PgConnection, id: MessageId) -> Result<Row, Error> {
    store::message(conn, id)
        .await?
        .ok_or(Error::MessageNotFound)
}

/// Removes all chats of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}

/// These messages, each with the run that writes it.
pub(crate) async fn with_runs(
    conn: &mut PgConnection,
    room: &Misaki,
    rows: Vec<Row>,
) -> Result<Vec<(Row, Option<RunView>)>, Error> {
    let ids: Vec<RunId> = rows.iter().filter_map(|row| row.run).collect();
    let runs = if ids.is_empty() {
        Vec::new()
    } else {
        outputs(conn, &room.gateway, &ids).await?
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let run = runs.iter().find(|run| Some(run.id) == row.run).cloned();
            (row, run)
        })
        .collect())
}

pub(crate) fn speaker(row: &Row) -> Speaker {
    Speaker::of(&row.role)
}

//! A chat as it is shown: one branch of it, with what the runs have written and what its person thought.

use chrono::{DateTime, Utc};
use gateway::{RunId, RunView, State};
use identity::Principal;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    ChatId, Error, MessageId, Misaki,
    chat::{self, ChatSummary, Row, Speaker, Tree, forget_runs, speaker, store, with_runs},
    feedback::{self, FeedbackView},
    phrase,
};

/// A chat with the messages of the branch that is shown, oldest first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChatView {
    #[serde(flatten)]
    pub(crate) summary: ChatSummary,
    pub(crate) messages: Vec<MessageView>,
}

/// A message as shown.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageView {
    pub(crate) id: MessageId,
    pub(crate) role: Speaker,
    /// What was said at this place, this message included, oldest first.
    pub(crate) versions: Vec<MessageId>,
    /// Of an answer under way, what is durable so far.
    pub(crate) text: String,
    pub(crate) at: DateTime<Utc>,
    #[schema(required)]
    pub(crate) canned: Option<CannedView>,
    #[schema(required)]
    pub(crate) run: Option<MessageRun>,
    /// What the caller thought of it.
    #[schema(required)]
    pub(crate) feedback: Option<FeedbackView>,
}

/// The canned phrase that answered, and the rule by which it matched.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CannedView {
    pub(crate) id: String,
    #[schema(value_type = phrase::Rule)]
    pub(crate) rule: String,
}

impl CannedView {
    pub(crate) fn of(hit: &phrase::Hit) -> Self {
        Self {
            id: hit.id.clone(),
            rule: rule_name(hit.rule).to_owned(),
        }
    }
}

/// The run that writes a message.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageRun {
    pub(crate) id: RunId,
    pub(crate) state: State,
    #[schema(required)]
    pub(crate) reason: Option<String>,
    /// Whether what it said is here but does not open; then the text is empty.
    pub(crate) is_closed: bool,
    #[schema(required)]
    pub(crate) model: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) route: String,
}

/// One chat of the caller's.
pub(crate) async fn get(room: &Misaki, caller: Principal, id: ChatId) -> Result<ChatView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let view = view_of(&mut tx, room, id).await?;
    tx.commit().await?;
    Ok(view)
}

/// A chat as it is shown now.
async fn view_of(conn: &mut PgConnection, room: &Misaki, id: ChatId) -> Result<ChatView, Error> {
    let summary = store::find(conn, id).await?.ok_or(Error::ChatNotFound)?;
    let tree = store::tree(conn, id).await?;
    let shown = tree.path(store::leaf(conn, id).await?);
    let rows = store::these(conn, &shown).await?;
    let messages = views(conn, room, rows, &tree).await?;
    Ok(ChatView { summary, messages })
}

/// Shows the branch of a version, as far as it was talked in last.
pub(crate) async fn show(
    room: &Misaki,
    caller: Principal,
    chat: ChatId,
    version: MessageId,
) -> Result<ChatView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::lock(&mut tx, chat)
        .await?
        .ok_or(Error::ChatNotFound)?;
    let row = chat::message(&mut tx, version).await?;
    if row.chat != chat {
        return Err(Error::MessageNotFound);
    }
    let leaf = store::tree(&mut tx, chat).await?.newest_leaf(version);
    store::set_leaf(&mut tx, chat, Some(leaf)).await?;
    let view = view_of(&mut tx, room, chat).await?;
    tx.commit().await?;
    Ok(view)
}

/// Removes a message with everything that was said after it on its branches.
pub(crate) async fn delete_message(
    room: &Misaki,
    caller: Principal,
    id: MessageId,
) -> Result<ChatView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let chat = chat::message(&mut tx, id).await?.chat;
    let leaf = store::lock(&mut tx, chat)
        .await?
        .ok_or(Error::ChatNotFound)?;
    let tree = store::tree(&mut tx, chat).await?;
    store::set_leaf(&mut tx, chat, tree.leaf_without(id, leaf)).await?;
    let gone = store::these(&mut tx, &tree.from(id)).await?;
    let runs: Vec<_> = gone.iter().map(|row| row.run).collect();
    store::delete_message(&mut tx, id).await?;
    forget_runs(&mut tx, &runs).await?;
    let view = view_of(&mut tx, room, chat).await?;
    tx.commit().await?;
    Ok(view)
}

pub(crate) async fn views(
    conn: &mut PgConnection,
    room: &Misaki,
    rows: Vec<Row>,
    tree: &Tree,
) -> Result<Vec<MessageView>, Error> {
    let answers: Vec<MessageId> = rows
        .iter()
        .filter(|row| speaker(row) == Speaker::Assistant)
        .map(|row| row.id)
        .collect();
    let thought = feedback::of(conn, &answers).await?;
    Ok(with_runs(conn, room, rows)
        .await?
        .into_iter()
        .map(|(row, run)| {
            let thought = thought.iter().find(|(id, _)| *id == row.id);
            MessageView {
                feedback: thought.map(|(_, feedback)| feedback.clone()),
                ..view(row, run, tree)
            }
        })
        .collect())
}

fn view(row: Row, run: Option<RunView>, tree: &Tree) -> MessageView {
    MessageView {
        id: row.id,
        versions: tree.versions_of(row.id),
        role: speaker(&row),
        at: row.created_at,
        canned: row
            .phrase_id
            .zip(row.phrase_rule)
            .map(|(id, rule)| CannedView { id, rule }),
        text: run.as_ref().map_or(row.text, |run| run.output.clone()),
        run: run.map(|run| MessageRun {
            id: run.id,
            state: run.state,
            reason: run.reason,
            is_closed: run.is_closed,
            model: Some(run.model),
            route: run.route,
        }),
        feedback: None,
    }
}

pub(crate) const fn rule_name(rule: phrase::Rule) -> &'static str {
    match rule {
        phrase::Rule::Exact => "exact",
        phrase::Rule::Folded => "folded",
        phrase::Rule::Pattern => "pattern",
        phrase::Rule::Semantic => "semantic",
    }
}

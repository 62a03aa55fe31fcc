//! What people thought of answers, and what the operator reads of it: the words of a talk only where the person said so.

pub(crate) mod http;
mod store;

use chrono::{DateTime, Utc};
use db::Scope;
use identity::{Principal, TenantId};
use kernel::{Cursor, Page, PageRequest};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{Error, MessageId, Misaki, chat};

/// Why an answer was good or bad.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Reason {
    Wrong,
    Cold,
    Unsafe,
    OutOfCharacter,
    TooLong,
    Other,
}

/// What somebody thought of an answer.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FeedbackView {
    pub(crate) liked: bool,
    #[schema(required)]
    pub(crate) reason: Option<Reason>,
    #[schema(required)]
    pub(crate) text: Option<String>,
    /// Whether the house may read the question and the answer.
    pub(crate) with_talk: bool,
    pub(crate) at: DateTime<Utc>,
}

/// The same as the operator reads it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReportView {
    pub(crate) message_id: MessageId,
    #[serde(flatten)]
    pub(crate) feedback: FeedbackView,
    /// The phrase that answered.
    #[schema(required)]
    pub(crate) canned_id: Option<String>,
    /// The model that answered.
    #[schema(required)]
    pub(crate) model: Option<String>,
    #[schema(required)]
    pub(crate) question: Option<String>,
    #[schema(required)]
    pub(crate) answer: Option<String>,
}

/// Which reports to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which {
    pub(crate) liked: Option<bool>,
    pub(crate) reason: Option<Reason>,
}

/// Says what the caller thinks of an answer; the newest word counts.
pub(crate) async fn give(
    room: &Misaki,
    caller: Principal,
    message: MessageId,
    feedback: FeedbackView,
) -> Result<FeedbackView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let chat = chat::chat_of_answer(&mut tx, message).await?;
    store::put(&mut tx, caller.tenant, (chat, message), &feedback).await?;
    tx.commit().await?;
    Ok(feedback)
}

/// Takes it back.
///
/// # Errors
/// When there is no such answer.
pub(crate) async fn take_back(
    room: &Misaki,
    caller: Principal,
    message: MessageId,
) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    chat::chat_of_answer(&mut tx, message).await?;
    store::delete(&mut tx, message).await?;
    tx.commit().await?;
    Ok(())
}

/// What was thought of these answers, in the caller's scope.
pub(crate) async fn of(
    conn: &mut PgConnection,
    messages: &[MessageId],
) -> sqlx::Result<Vec<(MessageId, FeedbackView)>> {
    store::these(conn, messages).await
}

/// What people said of answers, newest first.
pub(crate) async fn reports(
    room: &Misaki,
    which: Which,
    request: &PageRequest,
) -> Result<Page<ReportView>, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator reads what people thought"))
        .await?;
    let rows = store::list(&mut tx, which, request).await?;
    let page = Page::from_rows(rows, request, |(message, feedback)| Cursor {
        at: feedback.at,
        id: message.0,
    });
    let mut items = Vec::with_capacity(page.items.len());
    for (message, feedback) in page.items {
        let Some(told) = chat::answer_and_question(&mut tx, room, message).await? else {
            continue;
        };
        let shown = |text: Option<String>| text.filter(|_| feedback.with_talk);
        items.push(ReportView {
            message_id: message,
            canned_id: told.canned,
            model: told.model,
            question: shown(told.question),
            answer: shown(Some(told.answer)),
            feedback,
        });
    }
    tx.commit().await?;
    Ok(Page {
        items,
        next_cursor: page.next_cursor,
    })
}

/// All that a person said of answers, for their own reading.
pub(crate) async fn export(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<(MessageId, FeedbackView)>> {
    store::all(conn, tenant).await
}

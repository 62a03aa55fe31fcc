use chrono::{DateTime, Utc};
use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{FeedbackView, Reason, Which};
use crate::{ChatId, MessageId};

struct Row {
    message: MessageId,
    liked: bool,
    reason: Option<Reason>,
    text: Option<String>,
    with_talk: bool,
    at: DateTime<Utc>,
}

impl From<Row> for (MessageId, FeedbackView) {
    fn from(row: Row) -> Self {
        let feedback = FeedbackView {
            liked: row.liked,
            reason: row.reason,
            text: row.text,
            with_talk: row.with_talk,
            at: row.at,
        };
        (row.message, feedback)
    }
}

fn each(rows: Vec<Row>) -> Vec<(MessageId, FeedbackView)> {
    rows.into_iter().map(Into::into).collect()
}

pub(super) async fn put(
    conn: &mut PgConnection,
    tenant: TenantId,
    (chat, message): (ChatId, MessageId),
    feedback: &FeedbackView,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.feedback (message_id, chat_id, tenant_id, liked, reason, text, with_talk, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (message_id) do update set
             liked = excluded.liked, reason = excluded.reason, text = excluded.text, with_talk = excluded.with_talk, at = excluded.at",
        message as MessageId,
        chat as ChatId,
        tenant as TenantId,
        feedback.liked,
        feedback.reason as Option<Reason>,
        feedback.text,
        feedback.with_talk,
        feedback.at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(conn: &mut PgConnection, message: MessageId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.feedback where message_id = $1",
        message as MessageId
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn these(
    conn: &mut PgConnection,
    messages: &[MessageId],
) -> sqlx::Result<Vec<(MessageId, FeedbackView)>> {
    let ids: Vec<Uuid> = messages.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Row,
        r#"select message_id as "message: MessageId", liked, reason as "reason: Reason", text, with_talk, at
           from misaki.feedback where message_id = any ($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await
    .map(each)
}

pub(super) async fn all(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<(MessageId, FeedbackView)>> {
    sqlx::query_as!(
        Row,
        r#"select message_id as "message: MessageId", liked, reason as "reason: Reason", text, with_talk, at
           from misaki.feedback where tenant_id = $1 order by at"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
    .map(each)
}

/// In the house's scope: of all tenants.
pub(super) async fn list(
    conn: &mut PgConnection,
    which: Which,
    page: &PageRequest,
) -> sqlx::Result<Vec<(MessageId, FeedbackView)>> {
    sqlx::query_as!(
        Row,
        r#"select message_id as "message: MessageId", liked, reason as "reason: Reason", text, with_talk, at
           from misaki.feedback
           where ($1::boolean is null or liked = $1) and ($2::text is null or reason = $2)
             and ($3::timestamptz is null or (at, message_id) < ($3, $4))
           order by at desc, message_id desc limit $5"#,
        which.liked,
        which.reason as Option<Reason>,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await
    .map(each)
}

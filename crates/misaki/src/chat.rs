mod store;

use chrono::{DateTime, Timelike, Utc};
use gateway::{Admitted, RunId, RunView, StartRun, State, admit, launch, outputs};
use identity::{InferenceCaller, Principal, TenantId};
use kernel::{Cursor, Lang, Page, PageRequest};
use llm::Role;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{CHAT, Error, Misaki, STOREFRONT, persona, phrase};

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
    /// The first words of the talk.
    #[schema(required)]
    pub(crate) title: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A chat with its messages, oldest first.
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
    /// Of an answer under way, what is durable so far.
    pub(crate) text: String,
    pub(crate) at: DateTime<Utc>,
    #[schema(required)]
    pub(crate) canned: Option<CannedView>,
    #[schema(required)]
    pub(crate) run: Option<MessageRun>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speaker {
    User,
    Assistant,
}

/// The canned phrase that answered, and the rule by which it matched.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CannedView {
    pub(crate) id: String,
    #[schema(value_type = phrase::Rule)]
    pub(crate) rule: String,
}

/// The run that writes a message.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageRun {
    pub(crate) id: RunId,
    pub(crate) state: State,
    #[schema(required)]
    pub(crate) reason: Option<String>,
    #[schema(required)]
    pub(crate) model: Option<String>,
}

/// What someone says.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) chat: Option<ChatId>,
    pub(crate) text: String,
    pub(crate) lang: Lang,
    /// Names the request, so that a resend is answered with the first answer; also the seed of a phrase's variant.
    pub(crate) key: String,
}

/// What was said and what answers.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) chat: ChatId,
    pub(crate) user: MessageView,
    pub(crate) assistant: MessageView,
}

/// A message as stored.
#[derive(Clone, Debug)]
struct Row {
    id: MessageId,
    chat: ChatId,
    seq: i32,
    role: String,
    text: String,
    phrase_id: Option<String>,
    phrase_rule: Option<String>,
    run: Option<RunId>,
    key: Uuid,
    created_at: DateTime<Utc>,
}

/// Takes in a message: a canned phrase answers at once and free, everything else becomes a run.
///
/// Message, admission and run commit together or not at all; the same key again returns the first answer.
pub(crate) async fn say(
    room: &Misaki,
    caller: &InferenceCaller,
    saying: &Saying,
) -> Result<Said, Error> {
    if caller.storefront != STOREFRONT {
        return Err(Error::OtherStorefront);
    }
    let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, saying.key.as_bytes());
    let cx = &room.cx;
    let mut tx = cx.db.begin(caller.principal.scope()).await?;
    // a resend waits for the first to be decided, so that it is not refused for what the first has under way
    store::lock_key(&mut tx, caller.principal.tenant, key).await?;
    if let Some(said) = said_before(&mut tx, key, saying).await? {
        return Ok(said);
    }
    let now = cx.clock.now();
    let chat = if let Some(id) = saying.chat {
        store::lock(&mut tx, id).await?.ok_or(Error::ChatNotFound)?
    } else {
        let id = cx.ids.new_id();
        let title: String = saying
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(TITLE_CHARS)
            .collect();
        store::insert(&mut tx, id, caller.principal.tenant, &title, now).await?;
        id
    };
    let seq = store::last_seq(&mut tx, chat).await? + 1;
    let hour = now.with_timezone(&chrono_tz::Asia::Tokyo).hour();
    let hit = room.phrases.match_phrase(&saying.text, hour, &saying.key);
    let admitted = match &hit {
        Some(_) => None,
        None => Some(ask(&mut tx, room, caller, chat, saying).await?),
    };
    let user = Row {
        id: cx.ids.new_id(),
        chat,
        seq,
        role: "user".to_owned(),
        text: saying.text.clone(),
        phrase_id: None,
        phrase_rule: None,
        run: None,
        key,
        created_at: now,
    };
    let assistant = Row {
        id: cx.ids.new_id(),
        seq: seq + 1,
        role: "assistant".to_owned(),
        text: hit
            .as_ref()
            .map(|hit| hit.reply.clone())
            .unwrap_or_default(),
        phrase_id: hit.as_ref().map(|hit| hit.id.clone()),
        phrase_rule: hit.as_ref().map(|hit| rule_name(hit.rule).to_owned()),
        run: admitted.as_ref().map(|run| run.id),
        ..user.clone()
    };
    for row in [&user, &assistant] {
        store::insert_message(&mut tx, caller.principal.tenant, row).await?;
    }
    store::touch(&mut tx, chat, now).await?;
    let said = said(&mut tx, user, assistant).await?;
    tx.commit().await?;
    if let Some(run) = admitted {
        launch(&room.gateway, run);
    } else {
        metrics::counter!("misaki_phrases_total").increment(1);
    }
    Ok(said)
}

async fn ask(
    conn: &mut PgConnection,
    room: &Misaki,
    caller: &InferenceCaller,
    chat: ChatId,
    saying: &Saying,
) -> Result<Admitted, Error> {
    let mut rows = store::newest_messages(conn, chat, persona::MEMORY).await?;
    rows.reverse();
    let earlier = with_runs(conn, rows).await?;
    let earlier = earlier
        .into_iter()
        .map(|(row, run)| {
            let role = match speaker(&row) {
                Speaker::User => Role::User,
                Speaker::Assistant => Role::Assistant,
            };
            (role, run.map_or(row.text, |run| run.output))
        })
        .collect();
    let start = StartRun {
        purpose: CHAT.to_owned(),
        messages: persona::conversation(saying.lang, earlier, &saying.text),
        max_tokens: None,
    };
    Ok(admit(conn, &room.gateway, caller, start).await?)
}

/// The answer that this key had before.
async fn said_before(
    conn: &mut PgConnection,
    key: Uuid,
    saying: &Saying,
) -> Result<Option<Said>, Error> {
    let mut rows = store::by_key(conn, key).await?.into_iter();
    let (Some(user), Some(assistant)) = (rows.next(), rows.next()) else {
        return Ok(None);
    };
    if user.text != saying.text || saying.chat.is_some_and(|chat| chat != user.chat) {
        return Err(Error::KeyReused);
    }
    said(conn, user, assistant).await.map(Some)
}

async fn said(conn: &mut PgConnection, user: Row, assistant: Row) -> Result<Said, Error> {
    let chat = user.chat;
    let mut views = views(conn, vec![user, assistant]).await?.into_iter();
    match (views.next(), views.next()) {
        (Some(user), Some(assistant)) => Ok(Said {
            chat,
            user,
            assistant,
        }),
        _ => Err(kernel::Fault::broken("two messages have two views").into()),
    }
}

/// The caller's chats, the one used last first.
pub(crate) async fn list(
    room: &Misaki,
    caller: Principal,
    page: &PageRequest,
) -> Result<Page<ChatSummary>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rows = store::list(&mut tx, caller.tenant, page).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, page, |chat| Cursor {
        at: chat.updated_at,
        id: chat.id.0,
    }))
}

/// One chat of the caller's.
pub(crate) async fn get(room: &Misaki, caller: Principal, id: ChatId) -> Result<ChatView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let summary = store::find(&mut tx, id).await?.ok_or(Error::ChatNotFound)?;
    let rows = store::messages(&mut tx, id).await?;
    let messages = views(&mut tx, rows).await?;
    tx.commit().await?;
    Ok(ChatView { summary, messages })
}

/// Removes a chat with its messages; the ledger and the usage rows stay.
pub(crate) async fn delete(room: &Misaki, caller: Principal, id: ChatId) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let found = store::delete(&mut tx, id).await?;
    tx.commit().await?;
    if found {
        Ok(())
    } else {
        Err(Error::ChatNotFound)
    }
}

/// All chats of the caller with their messages, for their own reading.
pub async fn export(room: &Misaki, caller: Principal) -> Result<impl Serialize + use<>, Error> {
    let mut chats = Vec::new();
    let mut request = PageRequest {
        limit: 100,
        after: None,
    };
    loop {
        let page = list(room, caller, &request).await?;
        for summary in page.items {
            chats.push(get(room, caller, summary.id).await?);
        }
        match page.next_cursor.and_then(|next| Cursor::decode(&next).ok()) {
            Some(next) => request.after = Some(next),
            None => return Ok(chats),
        }
    }
}

/// Removes all chats of a tenant that goes, in the caller's transaction.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}

async fn views(conn: &mut PgConnection, rows: Vec<Row>) -> Result<Vec<MessageView>, Error> {
    Ok(with_runs(conn, rows)
        .await?
        .into_iter()
        .map(|(row, run)| view(row, run))
        .collect())
}

async fn with_runs(
    conn: &mut PgConnection,
    rows: Vec<Row>,
) -> Result<Vec<(Row, Option<RunView>)>, Error> {
    let ids: Vec<RunId> = rows.iter().filter_map(|row| row.run).collect();
    let runs = if ids.is_empty() {
        Vec::new()
    } else {
        outputs(conn, &ids).await?
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let run = runs.iter().find(|run| Some(run.id) == row.run).cloned();
            (row, run)
        })
        .collect())
}

fn view(row: Row, run: Option<RunView>) -> MessageView {
    MessageView {
        id: row.id,
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
            model: Some(run.model),
        }),
    }
}

fn speaker(row: &Row) -> Speaker {
    if row.role == "user" {
        Speaker::User
    } else {
        Speaker::Assistant
    }
}

const fn rule_name(rule: phrase::Rule) -> &'static str {
    match rule {
        phrase::Rule::Exact => "exact",
        phrase::Rule::Folded => "folded",
        phrase::Rule::Pattern => "pattern",
    }
}

mod carried;
pub(crate) mod scene;
mod store;
mod tree;
mod versions;

use chrono::{DateTime, Utc};
use db::Tx;
use gateway::{Admitted, Ask, RunId, RunView, StartRun, State, admit, launch, outputs};
use identity::{InferenceCaller, Principal, TenantId};
use kernel::{Cursor, Lang, Page, PageRequest};
use llm::Role;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use tree::Tree;

use crate::{
    CHAT, Error, Misaki, STOREFRONT,
    feedback::{self, FeedbackView},
    memory,
    persona::{self, Turn},
    phrase, phrasebook,
};

pub(crate) use carried::{
    Whole, answer_and_question, branch_to, chat_of_answer, count, end_of, exists, shown_since,
    take_in, whole,
};
pub(crate) use scene::{bar_hour, bar_month};
pub(crate) use versions::{again, delete_message, show};

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
    #[schema(required)]
    pub(crate) model: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) route: String,
}

/// What someone says.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) chat: Option<ChatId>,
    /// The message that this one is another version of; it begins a branch beside it.
    pub(crate) instead_of: Option<MessageId>,
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
    parent: Option<MessageId>,
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
    // before the transaction, since a model may be asked
    let meant = phrasebook::near::meant(room, &saying.text).await?;
    let mut tx = cx.db.begin(caller.principal.scope()).await?;
    // a resend waits for the first to be decided, so that it is not refused for what the first has under way
    store::lock_key(&mut tx, caller.principal.tenant, key).await?;
    if let Some(said) = said_before(&mut tx, key, saying).await? {
        return Ok(said);
    }
    let now = cx.clock.now();
    let (chat, parent) = if let Some(id) = saying.chat {
        let leaf = store::lock(&mut tx, id).await?.ok_or(Error::ChatNotFound)?;
        match saying.instead_of {
            None => (id, leaf),
            Some(of) => (id, versions::place_of(&mut tx, id, of).await?),
        }
    } else {
        let id = cx.ids.new_id();
        store::insert(
            &mut tx,
            id,
            caller.principal.tenant,
            &title(&saying.text),
            now,
        )
        .await?;
        (id, None)
    };
    let seq = store::last_seq(&mut tx, chat).await? + 1;
    let user = Row {
        id: cx.ids.new_id(),
        chat,
        parent,
        seq,
        role: "user".to_owned(),
        text: saying.text.clone(),
        phrase_id: None,
        phrase_rule: None,
        run: None,
        key,
        created_at: now,
    };
    store::insert_message(&mut tx, caller.principal.tenant, &user).await?;
    let phrases = phrasebook::current(&mut tx, room).await?;
    let hit = match phrases.find(&saying.text, meant.as_deref()) {
        Some(found) => {
            let recent = scene::recent(&mut tx, parent).await?;
            let choice = scene::Choice {
                recent: &recent,
                kept: 1,
                seed: &saying.key,
            };
            scene::words(&mut tx, room, caller.principal, (&phrases, &found), choice).await?
        }
        None => None,
    };
    answer(tx, room, caller, user, (saying.lang, hit, key)).await
}

/// The first words of a talk.
fn title(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(TITLE_CHARS).collect()
}

/// Writes the answer to what a user said, commits, and sets its run going.
async fn answer(
    mut tx: Tx,
    room: &Misaki,
    caller: &InferenceCaller,
    user: Row,
    (lang, hit, key): (Lang, Option<phrase::Hit>, Uuid),
) -> Result<Said, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let admitted = match &hit {
        Some(_) => None,
        None => Some(ask(&mut tx, room, caller, &user, lang).await?),
    };
    let assistant = Row {
        id: cx.ids.new_id(),
        parent: Some(user.id),
        seq: store::last_seq(&mut tx, user.chat).await? + 1,
        role: "assistant".to_owned(),
        text: hit
            .as_ref()
            .map(|hit| hit.reply.clone())
            .unwrap_or_default(),
        phrase_id: hit.as_ref().map(|hit| hit.id.clone()),
        phrase_rule: hit.as_ref().map(|hit| rule_name(hit.rule).to_owned()),
        run: admitted.as_ref().map(|run| run.id),
        key,
        created_at: now,
        ..user.clone()
    };
    store::insert_message(&mut tx, caller.principal.tenant, &assistant).await?;
    store::touch(&mut tx, user.chat, assistant.id, now).await?;
    memory::rest(&mut tx, room, caller.principal, user.chat).await?;
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
    user: &Row,
    lang: Lang,
) -> Result<Admitted, Error> {
    let rows = match user.parent {
        Some(parent) => store::branch(conn, parent, persona::MEMORY).await?,
        None => Vec::new(),
    };
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
    let (_, card) = persona::current(conn, room).await?;
    let insights = memory::insights(conn, room, caller.principal).await?;
    let turn = Turn {
        lang,
        earlier,
        text: &user.text,
        insights: &insights,
    };
    let mut start = Ask::from(StartRun {
        purpose: CHAT.to_owned(),
        messages: persona::conversation(&card, turn),
        max_tokens: None,
    });
    start.terms.small_talk = persona::small_talk();
    start.terms.judge = Some(phrasebook::judge(conn, room, &user.key.to_string()).await?);
    Ok(admit(conn, &room.gateway, caller, start).await?)
}

/// The answer that this key had before.
async fn said_before(
    conn: &mut PgConnection,
    key: Uuid,
    saying: &Saying,
) -> Result<Option<Said>, Error> {
    let mut rows = store::by_key(conn, key).await?.into_iter();
    let (user, assistant) = match (rows.next(), rows.next()) {
        (Some(user), Some(assistant)) => (user, assistant),
        (Some(_), None) => return Err(Error::KeyReused),
        (None, _) => return Ok(None),
    };
    if user.text != saying.text || saying.chat.is_some_and(|chat| chat != user.chat) {
        return Err(Error::KeyReused);
    }
    said(conn, user, assistant).await.map(Some)
}

async fn said(conn: &mut PgConnection, user: Row, assistant: Row) -> Result<Said, Error> {
    let chat = user.chat;
    let tree = store::tree(conn, chat).await?;
    let mut views = views(conn, vec![user, assistant], &tree).await?.into_iter();
    match (views.next(), views.next()) {
        (Some(user), Some(assistant)) => Ok(Said {
            chat,
            user,
            assistant,
        }),
        _ => Err(kernel::Fault::broken("two messages have two views").into()),
    }
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

/// One chat of the caller's.
pub(crate) async fn get(room: &Misaki, caller: Principal, id: ChatId) -> Result<ChatView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let view = view_of(&mut tx, id).await?;
    tx.commit().await?;
    Ok(view)
}

/// A chat as it is shown now.
async fn view_of(conn: &mut PgConnection, id: ChatId) -> Result<ChatView, Error> {
    let summary = store::find(conn, id).await?.ok_or(Error::ChatNotFound)?;
    let tree = store::tree(conn, id).await?;
    let shown = tree.path(store::leaf(conn, id).await?);
    let rows = store::these(conn, &shown).await?;
    let messages = views(conn, rows, &tree).await?;
    Ok(ChatView { summary, messages })
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
async fn forget_runs(conn: &mut PgConnection, runs: &[Option<RunId>]) -> Result<(), Error> {
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
pub(crate) async fn told(conn: &mut PgConnection, ids: &[MessageId]) -> Result<Vec<Told>, Error> {
    let rows = store::these(conn, ids).await?;
    let mut chats: Vec<ChatId> = rows.iter().map(|row| row.chat).collect();
    chats.sort_unstable();
    chats.dedup();
    let titles = store::titles(conn, &chats).await?;
    let told = with_runs(conn, rows)
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

/// Removes all chats of a tenant that goes, in the caller's transaction.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    crate::age::forget(conn, tenant).await?;
    memory::forget(conn, tenant).await?;
    crate::carry::forget(conn, tenant).await?;
    store::delete_all(conn, tenant).await
}

async fn views(
    conn: &mut PgConnection,
    rows: Vec<Row>,
    tree: &Tree,
) -> Result<Vec<MessageView>, Error> {
    let answers: Vec<MessageId> = rows
        .iter()
        .filter(|row| speaker(row) == Speaker::Assistant)
        .map(|row| row.id)
        .collect();
    let thought = feedback::of(conn, &answers).await?;
    Ok(with_runs(conn, rows)
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
            model: Some(run.model),
            route: run.route,
        }),
        feedback: None,
    }
}

fn speaker(row: &Row) -> Speaker {
    Speaker::of(&row.role)
}

const fn rule_name(rule: phrase::Rule) -> &'static str {
    match rule {
        phrase::Rule::Exact => "exact",
        phrase::Rule::Folded => "folded",
        phrase::Rule::Pattern => "pattern",
        phrase::Rule::Semantic => "semantic",
    }
}

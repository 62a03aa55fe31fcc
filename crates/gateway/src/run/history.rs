//! What is known of past runs of one storefront, for whoever shows them: lists, one with all it said, and their removal.

mod search;
mod store;
mod words;

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use db::Scope;
use futures::Stream;
use identity::{KeyId, Principal};
use kernel::{Cursor, Page, PageRequest};
use serde::{Deserialize, Serialize};

use self::words::Words;
use super::{
    InferenceStatus, InferenceView, RunId, ToolCallView, ends::hook_of, look::said, view::Row,
};
use crate::{Error, Gateway, RunHook, State};

/// The most runs whose text is removed in one transaction.
const MOST_AT_ONCE: i64 = 500;
/// How often whoever watches is told what changed.
const LOOK: Duration = Duration::from_millis(500);
/// A run that began this long before the last look may only now have been committed.
const LATE: chrono::Duration = chrono::Duration::seconds(30);
/// Characters of a text in a list.
const EXCERPT: usize = 200;
/// The most runs that one watcher follows.
const MOST_WATCHED: i64 = 500;

/// Which runs are meant; what is none means any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The public name.
    pub model: Option<String>,
    pub status: Option<InferenceStatus>,
    pub key: Option<KeyId>,
    pub tag: Option<String>,
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
    /// Words that were asked or answered, whatever their width, case and kana.
    pub text: Option<String>,
    pub ids: Option<Vec<RunId>>,
}

/// A past run in the list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryItem {
    #[serde(flatten)]
    pub inference: InferenceView,
    /// The beginning of what was asked last; `null` where it is not kept.
    #[schema(required)]
    pub prompt_excerpt: Option<String>,
    /// The beginning of the answer; `null` until it has ended, and where it is not kept.
    #[schema(required)]
    pub text_excerpt: Option<String>,
    /// Whether words of it are here but don't open, since their key is lost or they were changed.
    pub is_closed: bool,
    /// The API key that asked.
    #[schema(required)]
    pub key: Option<KeyName>,
}

/// An API key by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct KeyName {
    pub id: KeyId,
    pub name: String,
}

/// A past run with all that is kept of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryDetail {
    #[serde(flatten)]
    pub item: HistoryItem,
    /// What was asked; `null` where it is not kept.
    #[schema(required)]
    pub messages: Option<Vec<AskedMessage>>,
    /// What was asked of the model beside the messages.
    #[schema(required, value_type = Option<Object>)]
    pub parameters: Option<serde_json::Value>,
    /// What was answered; `null` where it is not kept.
    #[schema(required)]
    pub text: Option<String>,
    pub tool_calls: Vec<ToolCallView>,
    #[schema(required)]
    pub finish_reason: Option<String>,
    pub timeline: Vec<Moment>,
    /// The address that was to be told of the end.
    #[schema(required)]
    pub webhook: Option<RunHook>,
}

/// A past run with its question and its answer, as far as they are kept.
#[derive(Clone, Debug)]
pub struct HistoryText {
    pub item: HistoryItem,
    /// What was asked last.
    pub asked: Option<String>,
    /// None until it has ended.
    pub text: Option<String>,
}

/// One message of what was asked.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AskedMessage {
    /// system, user, assistant or tool.
    pub role: String,
    pub text: String,
    /// How many pictures it had; they are not kept.
    pub images: i64,
    /// How many documents it had; they are not kept.
    #[serde(default)]
    #[schema(required)]
    pub documents: i64,
    pub tool_calls: Vec<ToolCallView>,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Moment {
    pub at: DateTime<Utc>,
    pub what: Happening,
    /// The door, the model that answered, or the reason.
    #[schema(required)]
    pub detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    Asked,
    Started,
    Completed,
    Failed,
    Cancelled,
    TextDeleted,
}

/// A run without its words.
#[derive(Debug)]
struct Listed {
    row: Row,
    key: Option<KeyId>,
    /// How long its words are, about.
    bytes: i64,
}

/// The runs of the caller's tenant at one storefront, the newest first. A search for words looks at so many runs at once: a page
/// may hold fewer than were asked for, or none, and yet lead on.
///
/// # Errors
/// When the database is away.
pub async fn list(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<HistoryItem>, Error> {
    if let Some(text) = &filter.text {
        return search::search(room, caller, storefront, (filter, text), page).await;
    }
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let rows = store::list(&mut tx, storefront, filter, page).await?;
    let words = words::open(&mut tx, room, &rows).await?;
    tx.commit().await?;
    let items = named(room, caller, rows, words).await?;
    Ok(Page::from_rows(items, page, |item| Cursor {
        at: item.inference.created_at,
        id: item.inference.id.0,
    }))
}

/// Questions and answers of some runs of the caller's tenant at one storefront, in no order; another's are left out.
///
/// # Errors
/// When the database is away.
pub async fn texts(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    ids: &[RunId],
) -> Result<Vec<HistoryText>, Error> {
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let rows = store::these(&mut tx, storefront, ids).await?;
    let words = words::open(&mut tx, room, &rows).await?;
    tx.commit().await?;
    let texts: Vec<_> = rows
        .iter()
        .map(|listed| {
            let words = words.get(&listed.row.id);
            let asked = words.and_then(|words| words.last_asked().map(str::to_owned));
            (asked, words.and_then(|words| words.answered(&listed.row)))
        })
        .collect();
    let items = named(room, caller, rows, words).await?;
    let both = items.into_iter().zip(texts);
    Ok(both
        .map(|(item, (asked, text))| HistoryText { item, asked, text })
        .collect())
}

/// One run with all that is kept of it.
///
/// # Errors
/// `RunNotFound`, also for another tenant's and another storefront's.
pub async fn find(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    id: RunId,
) -> Result<HistoryDetail, Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let listed = store::these(&mut tx, storefront, &[id]).await?;
    let words = words::open(&mut tx, room, &listed).await?;
    let row = &listed.first().ok_or(Error::RunNotFound)?.row;
    let answer = match said(&mut tx, room, row).await {
        Ok(said) => Some(said),
        Err(Error::TextClosed) => None,
        Err(error) => return Err(error),
    };
    let webhook = hook_of(&mut tx, caller.tenant, id).await?;
    tx.commit().await?;
    let timeline = timeline(row);
    let is_here = row.text_gone_at.is_none() && row.state.is_ended();
    let asked = words.get(&id).and_then(|words| words.asked.clone());
    let (messages, parameters) = asked
        .map(|asked| (asked.messages, asked.parameters))
        .unzip();
    let mut item = named(room, caller, listed, words)
        .await?
        .pop()
        .ok_or(Error::RunNotFound)?;
    item.is_closed |= answer.is_none();
    let (text, calls, finish_reason) = answer
        .map(|said| (said.text, said.calls, said.finish_reason))
        .map_or_else(Default::default, |(text, calls, finish)| {
            (Some(text), calls, finish)
        });
    Ok(HistoryDetail {
        item,
        messages,
        parameters,
        text: text.filter(|_| is_here),
        tool_calls: calls.into_iter().map(ToolCallView::from).collect(),
        finish_reason: finish_reason.filter(|_| is_here),
        timeline,
        webhook,
    })
}

/// Removes what a run asked and said, at once; its row stays, because the books refer to it. To do it twice does no harm.
///
/// # Errors
/// `RunNotFound` as [`find`]; `UnderWay` until it has ended.
pub async fn delete(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    id: RunId,
) -> Result<(), Error> {
    let found = view_of(room, caller, storefront, id).await?;
    if !found.is_ended() {
        return Err(Error::UnderWay);
    }
    forget_texts(room, caller.tenant, &[id]).await?;
    Ok(())
}

async fn view_of(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    id: RunId,
) -> Result<State, Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let state = store::state(&mut tx, storefront, id).await?;
    tx.commit().await?;
    state.ok_or(Error::RunNotFound)
}

/// Removes what all runs that are meant asked and said, those under way excepted; tells how many they were.
///
/// # Errors
/// When the database is away; what was removed until then stays so.
pub async fn delete_all(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    filter: &Filter,
) -> Result<i64, Error> {
    let mut deleted = 0;
    loop {
        let mut tx = room.cx.db.begin(caller.scope()).await?;
        let ids = store::with_text(&mut tx, storefront, filter, MOST_AT_ONCE).await?;
        tx.commit().await?;
        if ids.is_empty() {
            return Ok(deleted);
        }
        let gone = forget_texts(room, caller.tenant, &ids).await?;
        if gone == 0 {
            return Ok(deleted);
        }
        deleted += gone;
    }
}

pub(super) async fn forget_texts(
    room: &Gateway,
    tenant: identity::TenantId,
    ids: &[RunId],
) -> Result<i64, Error> {
    let scope = Scope::House("texts of runs are removed");
    let mut tx = room.cx.db.begin(scope).await?;
    let gone = store::forget(&mut tx, tenant, ids, room.cx.clock.now()).await?;
    tx.commit().await?;
    Ok(gone)
}

/// The runs of the caller's tenant at one storefront as they change: first those that are under way, then each whenever it
/// stands elsewhere than before.
pub fn watch(
    room: Gateway,
    caller: Principal,
    storefront: &'static str,
) -> impl Stream<Item = Result<HistoryItem, Error>> + Send + 'static {
    async_stream::try_stream! {
        let mut seen: HashMap<RunId, (State, DateTime<Utc>)> = HashMap::new();
        let mut since = room.cx.clock.now();
        let mut is_first = true;
        loop {
            let now = room.cx.clock.now();
            let open: Vec<RunId> = seen
                .iter()
                .filter(|(_, (state, _))| !state.is_ended())
                .map(|(id, _)| *id)
                .collect();
            let mut tx = room.cx.db.begin(caller.scope()).await?;
            let rows = store::changing(&mut tx, storefront, since - LATE, &open, MOST_WATCHED).await?;
            let fresh: Vec<Listed> = rows
                .into_iter()
                .filter(|listed| {
                    let state = listed.row.state;
                    let before = seen.insert(listed.row.id, (state, listed.row.created_at));
                    // what had ended before one began to watch is for the list
                    let is_old = is_first && state.is_ended();
                    !is_old && before.is_none_or(|(before, _)| before != state)
                })
                .collect();
            let words = words::open(&mut tx, &room, &fresh).await?;
            tx.commit().await?;
            for item in named(&room, caller, fresh, words).await? {
                yield item;
            }
            seen.retain(|_, (state, created)| !state.is_ended() || *created > now - LATE - LATE);
            since = now;
            is_first = false;
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn named(
    room: &Gateway,
    caller: Principal,
    rows: Vec<Listed>,
    words: HashMap<RunId, Words>,
) -> Result<Vec<HistoryItem>, Error> {
    let names = if rows.iter().any(|listed| listed.key.is_some()) {
        key_names(room, caller).await?
    } else {
        HashMap::new()
    };
    let short = |text: &str| text.chars().take(EXCERPT).collect();
    Ok(rows
        .into_iter()
        .map(|listed| {
            let words = words.get(&listed.row.id);
            let answered = words.and_then(|words| words.answered(&listed.row));
            HistoryItem {
                prompt_excerpt: words.and_then(Words::last_asked).map(short),
                text_excerpt: answered.as_deref().map(short),
                is_closed: words.is_some_and(|words| words.is_closed),
                inference: listed.row.into(),
                key: listed.key.map(|id| KeyName {
                    id,
                    name: names.get(&id).cloned().unwrap_or_default(),
                }),
            }
        })
        .collect())
}

/// The names of the tenant's keys.
pub(super) async fn key_names(
    room: &Gateway,
    caller: Principal,
) -> Result<HashMap<KeyId, String>, Error> {
    let keys = identity::list_keys(&room.cx, caller)
        .await
        .map_err(entitlement::Error::from)?;
    Ok(keys.into_iter().map(|key| (key.id, key.name)).collect())
}

fn timeline(row: &Row) -> Vec<Moment> {
    let moment = |at, what, detail: Option<&str>| Moment {
        at,
        what,
        detail: detail.map(str::to_owned),
    };
    let mut told = vec![moment(row.created_at, Happening::Asked, Some(&row.door))];
    if let Some(at) = row.started_at {
        told.push(moment(at, Happening::Started, Some(&row.model)));
    }
    if let Some(at) = row.ended_at {
        let what = match row.state {
            State::Completed => Happening::Completed,
            State::Cancelled => Happening::Cancelled,
            _ => Happening::Failed,
        };
        told.push(moment(at, what, row.reason.as_deref()));
    }
    if let Some(at) = row.text_gone_at {
        told.push(moment(at, Happening::TextDeleted, None));
    }
    told
}

//! What is known of past runs of one storefront, for whoever shows them: lists, one with all it said, and their removal.

mod store;

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use db::Scope;
use futures::Stream;
use identity::{KeyId, Principal};
use kernel::{Cursor, Page, PageRequest};
use serde::{Deserialize, Serialize};

use super::{
    InferenceStatus, InferenceView, RunId, State, ToolCallView,
    view::{Row, said},
};
use crate::{Error, Gateway, RunHook, door::hook_of};

/// The most runs whose text is removed in one transaction.
const MOST_AT_ONCE: i64 = 500;
/// How often whoever watches is told what changed.
const LOOK: Duration = Duration::from_millis(500);
/// A run that began this long before the last look may only now have been committed.
const LATE: chrono::Duration = chrono::Duration::seconds(30);
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

/// A run with the beginning of its texts.
#[derive(Debug)]
struct Listed {
    row: Row,
    key: Option<KeyId>,
    asked: Option<String>,
    answered: Option<String>,
}

/// What is kept of a request.
#[derive(Debug, Deserialize)]
struct Asked {
    messages: Vec<AskedMessage>,
    parameters: serde_json::Value,
}

/// The runs of the caller's tenant at one storefront, the newest first.
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
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let rows = store::list(&mut tx, storefront, filter, page).await?;
    tx.commit().await?;
    let items = named(room, caller, rows).await?;
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
    let rows = store::texts(&mut tx, storefront, ids).await?;
    tx.commit().await?;
    let (rows, texts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let items = named(room, caller, rows).await?;
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
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let filter = Filter {
        ids: Some(vec![id]),
        ..Filter::default()
    };
    let one = PageRequest {
        limit: 1,
        after: None,
    };
    let listed = store::list(&mut tx, storefront, &filter, &one).await?;
    let listed = listed.into_iter().next().ok_or(Error::RunNotFound)?;
    let asked = store::asked(&mut tx, id).await?;
    let asked: Option<Asked> = asked
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| kernel::Fault::internal("what was asked can't be read", error))?;
    let answer = said(&mut tx, &listed.row).await?;
    let webhook = hook_of(&mut tx, caller.tenant, id).await?;
    tx.commit().await?;
    let timeline = timeline(&listed.row);
    let is_here = listed.row.text_gone_at.is_none() && listed.row.state.is_ended();
    let mut items = named(room, caller, vec![listed]).await?;
    let item = items.pop().ok_or(Error::RunNotFound)?;
    let (messages, parameters) = asked
        .map(|asked| (asked.messages, asked.parameters))
        .unzip();
    Ok(HistoryDetail {
        item,
        messages,
        parameters,
        text: is_here.then_some(answer.text),
        tool_calls: answer.calls.into_iter().map(ToolCallView::from).collect(),
        finish_reason: answer.finish_reason.filter(|_| is_here),
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
            tx.commit().await?;
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
            for item in named(&room, caller, fresh).await? {
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
) -> Result<Vec<HistoryItem>, Error> {
    let names = if rows.iter().any(|listed| listed.key.is_some()) {
        key_names(room, caller).await?
    } else {
        HashMap::new()
    };
    Ok(rows
        .into_iter()
        .map(|listed| HistoryItem {
            inference: listed.row.into(),
            prompt_excerpt: listed.asked,
            text_excerpt: listed.answered,
            key: listed.key.map(|id| KeyName {
                id,
                name: names.get(&id).cloned().unwrap_or_default(),
            }),
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

//! Conversations at the playground: runs that belong together, under a name. What was said in them is with the runs, is kept
//! as long as the rules for texts say, and goes with the talk.

pub(crate) mod http;
mod store;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use db::OnConstraint;
use gateway::{
    InferenceStatus, RunId,
    history::{self, Filter, HistoryItem, HistoryText},
};
use identity::{Principal, TenantId, UserId};
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, Genai, STOREFRONT};

kernel::id!(
    /// One conversation at the playground.
    TalkId, "talk"
);

/// The most runs of one talk: with them a request is as long as one may be.
const MOST_RUNS: i64 = 200;

/// A talk in the list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Talk {
    pub(crate) id: TalkId,
    /// What somebody named it.
    #[schema(required)]
    pub(crate) title: Option<String>,
    /// The beginning of what was asked first; `null` where it is not kept.
    #[schema(required)]
    pub(crate) excerpt: Option<String>,
    /// The public name of the model that was asked first.
    pub(crate) model: String,
    pub(crate) created_at: DateTime<Utc>,
    /// When it last went on.
    pub(crate) updated_at: DateTime<Utc>,
}

/// A talk with all that is kept of it, oldest first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TalkDetail {
    #[serde(flatten)]
    pub(crate) talk: Talk,
    pub(crate) turns: Vec<TalkTurn>,
}

/// What was asked at one time, of one model or of two side by side.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TalkTurn {
    pub(crate) id: Uuid,
    /// `null` where it is not kept.
    #[schema(required)]
    pub(crate) asked: Option<String>,
    pub(crate) answers: Vec<TalkAnswer>,
}

/// One run of a turn.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TalkAnswer {
    #[serde(flatten)]
    pub(crate) run: HistoryItem,
    /// Its column, 0 or 1.
    pub(crate) place: i16,
    /// What was answered; `null` until it has ended, and where it is not kept.
    #[schema(required)]
    pub(crate) text: Option<String>,
}

/// Where a run stands in its talk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Those of one turn have the same.
    pub(crate) turn: Uuid,
    pub(crate) place: i16,
}

/// A talk as stored.
#[derive(Debug)]
struct Row {
    id: TalkId,
    title: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    first: RunId,
}

/// A run of a talk as stored.
#[derive(Debug)]
struct Told {
    run: RunId,
    turn: Uuid,
    place: i16,
}

/// The caller's own talks, the last used first.
pub(crate) async fn list(
    room: &Genai,
    caller: Principal,
    page: &PageRequest,
) -> Result<Page<Talk>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rows = store::list(&mut tx, page).await?;
    tx.commit().await?;
    let page = Page::from_rows(rows, page, |row| Cursor {
        at: row.updated_at,
        id: row.id.0,
    });
    let first: Vec<RunId> = page.items.iter().map(|row| row.first).collect();
    let known = known(room, caller, first).await?;
    Ok(page.map(|row| {
        let first = known.get(&row.first);
        talk(row, first)
    }))
}

/// One talk of the caller's with all that is kept of it.
pub(crate) async fn find(room: &Genai, caller: Principal, id: TalkId) -> Result<TalkDetail, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let row = store::find(&mut tx, id).await?.ok_or(Error::TalkNotFound)?;
    let told = store::runs(&mut tx, id).await?;
    tx.commit().await?;
    let ids: Vec<RunId> = told.iter().map(|told| told.run).collect();
    let texts = history::texts(&room.gateway, caller, STOREFRONT, &ids).await?;
    let mut texts: HashMap<RunId, HistoryText> = texts
        .into_iter()
        .map(|text| (text.item.inference.id, text))
        .collect();
    let first = texts.get(&row.first).map(|found| &found.item);
    let talk = talk(row, first);
    let mut turns: Vec<TalkTurn> = Vec::new();
    for told in told {
        let Some(HistoryText { item, asked, text }) = texts.remove(&told.run) else {
            continue;
        };
        let answer = TalkAnswer {
            run: item,
            place: told.place,
            text,
        };
        match turns.iter_mut().find(|turn| turn.id == told.turn) {
            Some(turn) => {
                turn.asked = turn.asked.take().or(asked);
                turn.answers.push(answer);
            }
            None => turns.push(TalkTurn {
                id: told.turn,
                asked,
                answers: vec![answer],
            }),
        }
    }
    Ok(TalkDetail { talk, turns })
}

/// Begins a talk with its first run; one that is in a talk of the caller's already tells which.
pub(crate) async fn begin(
    room: &Genai,
    caller: Principal,
    run: RunId,
    place: Place,
) -> Result<Talk, Error> {
    let asked_at = asked_at(room, caller, run).await?;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let id: TalkId = room.cx.ids.new_id();
    let owner = (caller.tenant, caller.user);
    store::insert(&mut tx, id, owner, room.cx.clock.now()).await?;
    let id = if store::add(&mut tx, id, caller.tenant, (run, asked_at), place).await? {
        tx.commit().await?;
        id
    } else {
        // what was begun above goes with the transaction
        store::talk_of(&mut tx, run)
            .await?
            .ok_or(Error::RunInAnotherTalk)?
    };
    summary(room, caller, id).await
}

/// Goes on with a talk by one more run. To say it twice does no harm.
pub(crate) async fn go_on(
    room: &Genai,
    caller: Principal,
    id: TalkId,
    run: RunId,
    place: Place,
) -> Result<Talk, Error> {
    let asked_at = asked_at(room, caller, run).await?;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let runs = store::lock(&mut tx, id).await?.ok_or(Error::TalkNotFound)?;
    match store::talk_of(&mut tx, run).await? {
        Some(there) if there == id => {}
        Some(_) => return Err(Error::RunInAnotherTalk),
        None if runs >= MOST_RUNS => return Err(Error::TalkFull),
        None => {
            let added = store::add(&mut tx, id, caller.tenant, (run, asked_at), place)
                .await
                .on_constraint("talk_run_place_key", || Error::PlaceTaken)?;
            if !added {
                return Err(Error::RunInAnotherTalk);
            }
            store::touch(&mut tx, id, room.cx.clock.now()).await?;
        }
    }
    tx.commit().await?;
    summary(room, caller, id).await
}

/// Names a talk; without a name it goes by its first words again.
pub(crate) async fn rename(
    room: &Genai,
    caller: Principal,
    id: TalkId,
    title: Option<&str>,
) -> Result<Talk, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    if !store::rename(&mut tx, id, title).await? {
        return Err(Error::TalkNotFound);
    }
    tx.commit().await?;
    summary(room, caller, id).await
}

/// Removes a talk and what its runs asked and said; that they ran, and what they cost, stays.
pub(crate) async fn delete(room: &Genai, caller: Principal, id: TalkId) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::find(&mut tx, id).await?.ok_or(Error::TalkNotFound)?;
    let told = store::runs(&mut tx, id).await?;
    tx.commit().await?;
    let ids: Vec<RunId> = told.iter().map(|told| told.run).collect();
    let known = known(room, caller, ids.clone()).await?;
    let is_open = |status| {
        matches!(
            status,
            InferenceStatus::Queued | InferenceStatus::Processing
        )
    };
    if known.values().any(|item| is_open(item.inference.status)) {
        return Err(gateway::Error::UnderWay.into());
    }
    let filter = Filter {
        ids: Some(ids),
        ..Filter::default()
    };
    history::delete_all(&room.gateway, caller, STOREFRONT, &filter).await?;
    // last, so that whoever was interrupted can do it again
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::delete(&mut tx, id).await?;
    tx.commit().await?;
    Ok(())
}

/// All talks of a caller, as they take them along: names and runs, no words.
///
/// # Errors
/// When the database is away.
pub async fn export(room: &Genai, caller: Principal) -> Result<Vec<impl Serialize + use<>>, Error> {
    let mut all = Vec::new();
    let mut page = PageRequest {
        limit: 100,
        after: None,
    };
    loop {
        let found = list(room, caller, &page).await?;
        all.extend(found.items);
        match all.last() {
            Some(Talk { id, updated_at, .. }) if found.next_cursor.is_some() => {
                page.after = Some(Cursor {
                    at: *updated_at,
                    id: id.0,
                });
            }
            _ => return Ok(all),
        }
    }
}

/// Removes the talks of a tenant that goes, in the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::forget(conn, Some(tenant.0), None).await
}

/// Removes the talks of a person who goes, wherever they had them, in the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget_person(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    store::forget(conn, None, Some(user.0)).await
}

async fn summary(room: &Genai, caller: Principal, id: TalkId) -> Result<Talk, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let row = store::find(&mut tx, id).await?.ok_or(Error::TalkNotFound)?;
    tx.commit().await?;
    let known = known(room, caller, vec![row.first]).await?;
    let first = known.get(&row.first);
    Ok(talk(row, first))
}

fn talk(row: Row, first: Option<&HistoryItem>) -> Talk {
    Talk {
        id: row.id,
        title: row.title,
        excerpt: first.and_then(|item| item.prompt_excerpt.clone()),
        model: first.map_or_else(String::new, |item| item.inference.model.clone()),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

async fn known(
    room: &Genai,
    caller: Principal,
    ids: Vec<RunId>,
) -> Result<HashMap<RunId, HistoryItem>, Error> {
    let page = PageRequest {
        limit: i64::try_from(ids.len()).unwrap_or(i64::MAX - 1),
        after: None,
    };
    let filter = Filter {
        ids: Some(ids),
        ..Filter::default()
    };
    let found = history::list(&room.gateway, caller, STOREFRONT, &filter, &page).await?;
    let by_id = found
        .items
        .into_iter()
        .map(|item| (item.inference.id, item));
    Ok(by_id.collect())
}

/// When a run of the caller's tenant at this storefront was asked for.
async fn asked_at(room: &Genai, caller: Principal, run: RunId) -> Result<DateTime<Utc>, Error> {
    let found = known(room, caller, vec![run]).await?;
    let item = found.get(&run).ok_or(gateway::Error::RunNotFound)?;
    Ok(item.inference.created_at)
}

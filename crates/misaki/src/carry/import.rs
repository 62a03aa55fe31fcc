//! Taking in a file: a small one at once, a large one by a job.

mod store;

use std::time::Duration;

use db::{OnConstraint, Scope};
use identity::{Principal, TenantId};
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::form::{self, Bad};
use crate::{
    Error, Misaki,
    chat::{self, Conversation},
};

pub(crate) use store::forget;

kernel::id!(
    /// A file that came in.
    ImportId, "imp"
);

/// A larger file is worked in the background, in bytes.
const AT_ONCE: usize = 1024 * 1024;
/// The most errors that are told of one file.
const MOST_ERRORS: usize = 50;

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub(crate) enum ImportState {
    Waiting,
    Done,
    /// Nothing of it could be read.
    Failed,
}

/// A file that came in, and what became of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ImportView {
    pub(crate) id: ImportId,
    pub(crate) state: ImportState,
    pub(crate) chats: i32,
    pub(crate) messages: i32,
    /// Chats that were here already, or in which nothing was said.
    pub(crate) left_out: i32,
    /// At most 50.
    pub(crate) errors: Vec<ImportError>,
}

/// A conversation that could not be taken in.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ImportError {
    /// Which one of the file, from 1.
    pub(crate) place: usize,
    #[schema(required)]
    pub(crate) title: Option<String>,
    /// `form` or `too_long`.
    pub(crate) code: String,
}

impl ImportView {
    fn new(id: ImportId, state: ImportState) -> Self {
        Self {
            id,
            state,
            chats: 0,
            messages: 0,
            left_out: 0,
            errors: Vec::new(),
        }
    }
}

/// Takes in a file; one that came in before is left as it is now.
pub(super) async fn import(
    room: &Misaki,
    caller: Principal,
    file: &[u8],
) -> Result<ImportView, Error> {
    let cx = &room.cx;
    let id = cx.ids.new_id();
    if file.len() <= AT_ONCE {
        let read = form::read(file)?;
        let mut view = ImportView::new(id, ImportState::Done);
        take_in(room, caller, read, &mut view).await?;
        let mut tx = cx.db.begin(caller.scope()).await?;
        store::insert(&mut tx, caller.tenant, &view, None, cx.clock.now()).await?;
        tx.commit().await?;
        return Ok(view);
    }
    let view = ImportView::new(id, ImportState::Waiting);
    let job = ImportChats {
        import: id.0,
        tenant: caller.tenant.0,
        user: caller.user.map(|user| user.0),
    };
    let mut tx = cx.db.begin(caller.scope()).await?;
    store::insert(&mut tx, caller.tenant, &view, Some(file), cx.clock.now())
        .await
        .on_constraint("import_waiting_key", || Error::ImportUnderWay)?;
    job.enqueue(&mut tx, cx).await?;
    tx.commit().await?;
    Ok(view)
}

/// What became of a file of the caller's.
pub(super) async fn get(
    room: &Misaki,
    caller: Principal,
    id: ImportId,
) -> Result<ImportView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let view = store::find(&mut tx, id)
        .await?
        .ok_or(Error::ImportNotFound)?;
    tx.commit().await?;
    Ok(view)
}

async fn take_in(
    room: &Misaki,
    caller: Principal,
    read: Vec<Result<Conversation, Bad>>,
    view: &mut ImportView,
) -> Result<(), Error> {
    for (place, one) in (1..).zip(read) {
        let conversation = match one {
            Ok(conversation) => conversation,
            Err(Bad { title, code }) => {
                if view.errors.len() < MOST_ERRORS {
                    view.errors.push(ImportError {
                        place,
                        title,
                        code: code.to_owned(),
                    });
                }
                continue;
            }
        };
        let mut tx = room.cx.db.begin(caller.scope()).await?;
        let count = chat::take_in(&mut tx, &room.cx, caller.tenant, &conversation).await?;
        tx.commit().await?;
        if count == 0 {
            view.left_out += 1;
        } else {
            view.chats += 1;
            view.messages += count;
        }
    }
    Ok(())
}

/// Takes in a large file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImportChats {
    import: Uuid,
    tenant: Uuid,
    user: Option<Uuid>,
}

impl Job for ImportChats {
    const NAME: &'static str = "misaki.import_chats";
    const LIMIT: Duration = Duration::from_mins(10);
    type Room = Misaki;

    async fn run(&self, room: &Misaki, attempt: &Attempt) -> Result<(), JobError> {
        let scope = Scope::Tenant {
            tenant: self.tenant,
            user: self.user,
        };
        let id = ImportId(self.import);
        let mut tx = room.cx.db.begin(scope).await?;
        let file = store::file(&mut tx, id).await?;
        tx.commit().await?;
        // it is done, or its owner has left
        let Some(file) = file else { return Ok(()) };
        let caller = Principal {
            tenant: TenantId(self.tenant),
            user: self.user.map(identity::UserId),
            key: None,
        };
        let mut view = ImportView::new(id, ImportState::Done);
        match form::read(&file) {
            Ok(read) => take_in(room, caller, read, &mut view)
                .await
                .map_err(|error| JobError::Retry(error.to_string()))?,
            Err(_) => view.state = ImportState::Failed,
        }
        let mut tx = room
            .cx
            .db
            .begin(Scope::House("the end of an import"))
            .await?;
        attempt.hold(&mut tx).await?;
        store::end(&mut tx, &view).await?;
        tx.commit().await?;
        Ok(())
    }
}

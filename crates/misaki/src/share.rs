//! Conversations shown to others: read only, as they stood, until the link is taken back. No id of ours goes along.

pub(crate) mod http;
mod store;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use db::Scope;
use identity::Principal;
use kernel::Fault;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ChatId, Error, MessageId, Misaki,
    chat::{self, Speaker},
};

kernel::id!(
    /// One link to a conversation.
    ShareId, "shr"
);

/// The most links to one conversation.
const MOST: usize = 20;

/// Who may read a shared conversation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Audience {
    /// Whoever has the link.
    Link,
    /// Whoever has the link and an account here.
    SignedIn,
}

/// A link as its owner sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ShareView {
    pub(crate) id: ShareId,
    pub(crate) audience: Audience,
    pub(crate) created_at: DateTime<Utc>,
}

/// A link that was just made.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CreatedShare {
    #[serde(flatten)]
    pub(crate) share: ShareView,
    /// The end of the link, `/misaki/s/{token}`; told this once.
    pub(crate) token: String,
}

/// A conversation as others see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SharedChat {
    #[schema(required)]
    pub(crate) title: Option<String>,
    pub(crate) shared_at: DateTime<Utc>,
    pub(crate) messages: Vec<SharedMessage>,
}

/// A message of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SharedMessage {
    pub(crate) role: Speaker,
    pub(crate) text: String,
    pub(crate) at: DateTime<Utc>,
}

/// A share as stored.
#[derive(Clone, Debug)]
struct Row {
    id: ShareId,
    chat: ChatId,
    leaf: MessageId,
    title: Option<String>,
    audience: Audience,
    created_at: DateTime<Utc>,
}

/// What is kept of a token. A fast hash is enough: 256 random bits can't be guessed.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Makes a link to a conversation up to one message; what comes after it, in whatever way, is not in it.
pub(crate) async fn create(
    room: &Misaki,
    caller: Principal,
    chat: ChatId,
    (audience, until): (Audience, Option<MessageId>),
) -> Result<CreatedShare, Error> {
    let cx = &room.cx;
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::internal("no entropy for a link", error.to_string()))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let mut tx = cx.db.begin(caller.scope()).await?;
    // locks the chat, so that its links are counted in a line
    let (title, leaf) = chat::end_of(&mut tx, chat, until).await?;
    if store::list(&mut tx, chat).await?.len() >= MOST {
        return Err(Error::TooManyShares);
    }
    let row = Row {
        id: cx.ids.new_id(),
        chat,
        leaf,
        title,
        audience,
        created_at: cx.clock.now(),
    };
    store::insert(&mut tx, caller.tenant, &hash(&token), &row).await?;
    tx.commit().await?;
    let share = ShareView {
        id: row.id,
        audience,
        created_at: row.created_at,
    };
    Ok(CreatedShare { share, token })
}

/// The links to a conversation.
pub(crate) async fn list(
    room: &Misaki,
    caller: Principal,
    chat: ChatId,
) -> Result<Vec<ShareView>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    chat::exists(&mut tx, chat).await?;
    let shares = store::list(&mut tx, chat).await?;
    tx.commit().await?;
    Ok(shares)
}

/// Takes a link back.
pub(crate) async fn revoke(room: &Misaki, caller: Principal, id: ShareId) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let found = store::delete(&mut tx, id).await?;
    tx.commit().await?;
    found.then_some(()).ok_or(Error::ShareNotFound)
}

/// What a link leads to, for whoever came with it.
pub(crate) async fn read(room: &Misaki, token: &str, signed_in: bool) -> Result<SharedChat, Error> {
    // the link is the right to read; it is of no tenant that the reader acts for
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("a shared conversation"))
        .await?;
    let row = store::find(&mut tx, &hash(token))
        .await?
        .ok_or(Error::ShareNotFound)?;
    if row.audience == Audience::SignedIn && !signed_in {
        return Err(Error::ShareForMembers);
    }
    let told = chat::branch_to(&mut tx, room, row.chat, row.leaf).await?;
    tx.commit().await?;
    Ok(SharedChat {
        title: row.title,
        shared_at: row.created_at,
        messages: told
            .into_iter()
            .map(|told| SharedMessage {
                role: told.speaker,
                text: told.text,
                at: told.at,
            })
            .collect(),
    })
}

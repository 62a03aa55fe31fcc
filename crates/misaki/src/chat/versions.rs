//! Versions: an answer asked for anew, a question put differently, a message taken back.

use identity::{InferenceCaller, Principal};
use kernel::Lang;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    ChatId, ChatView, MessageId, Row, Said, Speaker, answer, forget_runs, said, scene, speaker,
    store, view_of,
};
use crate::{Error, Misaki, STOREFRONT, phrasebook};

/// What a new version of one of the user's messages follows.
pub(super) async fn place_of(
    conn: &mut PgConnection,
    chat: ChatId,
    of: MessageId,
) -> Result<Option<MessageId>, Error> {
    let row = store::message(conn, of)
        .await?
        .filter(|row| row.chat == chat && speaker(row) == Speaker::User)
        .ok_or(Error::MessageNotFound)?;
    Ok(row.parent)
}

/// Asks for another version of an answer. The same key again returns the first one.
///
/// Who asks anew wants the model to speak, so that a canned phrase does not answer, except for those that come before
/// everything: a person in danger gets the help lines each time.
pub(crate) async fn again(
    room: &Misaki,
    caller: &InferenceCaller,
    id: MessageId,
    (lang, key): (Lang, &str),
) -> Result<Said, Error> {
    if caller.storefront != STOREFRONT {
        return Err(Error::OtherStorefront);
    }
    let named = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes());
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    store::lock_key(&mut tx, caller.principal.tenant, named).await?;
    let row = found(&mut tx, id).await?;
    let question = row.parent.ok_or(Error::MessageNotFound)?;
    let user = found(&mut tx, question).await?;
    if speaker(&row) != Speaker::Assistant {
        return Err(Error::MessageNotFound);
    }
    if let Some(before) = store::by_key(&mut tx, named).await?.into_iter().next() {
        if before.parent != Some(user.id) {
            return Err(Error::KeyReused);
        }
        return said(&mut tx, user, before).await;
    }
    store::lock(&mut tx, user.chat)
        .await?
        .ok_or(Error::ChatNotFound)?;
    let phrases = phrasebook::current(&mut tx, room).await?;
    let hit = match phrases.matcher.find(&user.text) {
        Some(found) if phrases.matcher.is_safety(&found) => {
            let choice = scene::Choice {
                recent: &[],
                kept: 1,
                seed: key,
            };
            scene::words(&mut tx, room, caller.principal, (&phrases, &found), choice).await?
        }
        _ => None,
    };
    answer(tx, room, caller, user, (lang, hit, named)).await
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
    let row = found(&mut tx, version).await?;
    if row.chat != chat {
        return Err(Error::MessageNotFound);
    }
    let leaf = store::tree(&mut tx, chat).await?.newest_leaf(version);
    store::set_leaf(&mut tx, chat, Some(leaf)).await?;
    let view = view_of(&mut tx, chat).await?;
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
    let chat = found(&mut tx, id).await?.chat;
    let leaf = store::lock(&mut tx, chat)
        .await?
        .ok_or(Error::ChatNotFound)?;
    let tree = store::tree(&mut tx, chat).await?;
    store::set_leaf(&mut tx, chat, tree.leaf_without(id, leaf)).await?;
    let gone = store::these(&mut tx, &tree.from(id)).await?;
    let runs: Vec<_> = gone.iter().map(|row| row.run).collect();
    store::delete_message(&mut tx, id).await?;
    forget_runs(&mut tx, &runs).await?;
    let view = view_of(&mut tx, chat).await?;
    tx.commit().await?;
    Ok(view)
}

async fn found(conn: &mut PgConnection, id: MessageId) -> Result<Row, Error> {
    store::message(conn, id)
        .await?
        .ok_or(Error::MessageNotFound)
}

//! Somebody says something, and something answers: a phrase of hers, or a run.

use db::Tx;
use gateway::{Admitted, Ask, StartRun, admit, launch};
use identity::InferenceCaller;
use kernel::Lang;
use llm::Role;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    CHAT, ChatId, Error, MessageId, Misaki, STOREFRONT,
    chat::{self, Row, Speaker, speaker, store, title, with_runs},
    memory,
    persona::{self, Turn},
    phrase, phrasebook, scene,
    view::{MessageView, rule_name, views},
};

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
    if let Some(said) = said_before(&mut tx, room, key, saying).await? {
        return Ok(said);
    }
    let now = cx.clock.now();
    let (chat, parent) = if let Some(id) = saying.chat {
        let leaf = store::lock(&mut tx, id).await?.ok_or(Error::ChatNotFound)?;
        match saying.instead_of {
            None => (id, leaf),
            Some(of) => (id, place_of(&mut tx, id, of).await?),
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

/// What a new version of one of the user's messages follows.
async fn place_of(
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
    let row = chat::message(&mut tx, id).await?;
    let question = row.parent.ok_or(Error::MessageNotFound)?;
    let user = chat::message(&mut tx, question).await?;
    if speaker(&row) != Speaker::Assistant {
        return Err(Error::MessageNotFound);
    }
    if let Some(before) = store::by_key(&mut tx, named).await?.into_iter().next() {
        if before.parent != Some(user.id) {
            return Err(Error::KeyReused);
        }
        return said(&mut tx, room, user, before).await;
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
    let said = said(&mut tx, room, user, assistant).await?;
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
    let earlier = with_runs(conn, room, rows).await?;
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
        max_tokens: Some(persona::MOST_TOKENS),
    });
    start.terms.small_talk = persona::small_talk();
    start.terms.judge = Some(phrasebook::judge(conn, room, &user.key.to_string()).await?);
    Ok(admit(conn, &room.gateway, caller, start).await?)
}

/// The answer that this key had before.
async fn said_before(
    conn: &mut PgConnection,
    room: &Misaki,
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
    said(conn, room, user, assistant).await.map(Some)
}

async fn said(
    conn: &mut PgConnection,
    room: &Misaki,
    user: Row,
    assistant: Row,
) -> Result<Said, Error> {
    let chat = user.chat;
    let tree = store::tree(conn, chat).await?;
    let mut views = views(conn, room, vec![user, assistant], &tree)
        .await?
        .into_iter();
    match (views.next(), views.next()) {
        (Some(user), Some(assistant)) => Ok(Said {
            chat,
            user,
            assistant,
        }),
        _ => Err(kernel::Fault::broken("two messages have two views").into()),
    }
}

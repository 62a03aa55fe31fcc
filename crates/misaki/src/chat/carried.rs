//! What others are shown of a conversation, what is taken along of it, and what comes in from elsewhere.

use chrono::{DateTime, Utc};
use identity::{Principal, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ChatId, MessageId, Row, Speaker, Told, outputs, speaker, store, title, told};
use crate::{Error, Misaki};

/// A conversation with all its versions, in the order in which they were said.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) title: Option<String>,
    /// The end of what is shown.
    pub(crate) leaf: Option<MessageId>,
    /// Each with what it follows.
    pub(crate) messages: Vec<(Told, Option<MessageId>)>,
}

/// A conversation to take in: what was said, each after the one that it follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversation {
    /// Its name at home, by which it is known when it comes again.
    pub(crate) name: String,
    /// What it was called here, if it is one of ours.
    pub(crate) ours: Option<ChatId>,
    pub(crate) title: String,
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) said: Vec<Said>,
    /// The place in `said` of the message that is shown last.
    pub(crate) leaf: Option<usize>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) speaker: Speaker,
    pub(crate) text: String,
    pub(crate) at: Option<DateTime<Utc>>,
    /// The place in `said` of what it follows; always a smaller one.
    pub(crate) parent: Option<usize>,
}

/// What was said on both sides of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Both {
    pub(crate) question: Option<String>,
    pub(crate) answer: String,
    pub(crate) canned: Option<String>,
    pub(crate) model: Option<String>,
}

/// The title of a chat, and the message up to which it is shared: the one named, else the end of what is shown. Locks the
/// chat.
pub(crate) async fn end_of(
    conn: &mut PgConnection,
    id: ChatId,
    named: Option<MessageId>,
) -> Result<(Option<String>, MessageId), Error> {
    let leaf = store::lock(conn, id).await?.ok_or(Error::ChatNotFound)?;
    let title = store::find(conn, id)
        .await?
        .and_then(|summary| summary.title);
    let Some(named) = named else {
        return Ok((title, leaf.ok_or(Error::ChatEmpty)?));
    };
    let row = store::message(conn, named).await?;
    if row.is_some_and(|row| row.chat == id) {
        Ok((title, named))
    } else {
        Err(Error::MessageNotFound)
    }
}

/// Refuses a chat that the scope does not see.
pub(crate) async fn exists(conn: &mut PgConnection, id: ChatId) -> Result<(), Error> {
    store::find(conn, id)
        .await?
        .map(drop)
        .ok_or(Error::ChatNotFound)
}

/// What was said on the way to a message.
pub(crate) async fn branch_to(
    conn: &mut PgConnection,
    room: &Misaki,
    chat: ChatId,
    leaf: MessageId,
) -> Result<Vec<Told>, Error> {
    let path = store::tree(conn, chat).await?.path(Some(leaf));
    told(conn, room, &path).await
}

/// What was said in the shown branch of a chat after number `from`, and the number of its last message.
pub(crate) async fn shown_since(
    conn: &mut PgConnection,
    room: &Misaki,
    chat: ChatId,
    from: i32,
) -> Result<(i32, Vec<Told>), Error> {
    let leaf = store::leaf(conn, chat).await?;
    let path = store::tree(conn, chat).await?.path(leaf);
    let rows = store::these(conn, &path).await?;
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.seq > from).collect();
    let last = rows.last().map_or(from, |row| row.seq);
    let ids: Vec<MessageId> = rows.iter().map(|row| row.id).collect();
    Ok((last, told(conn, room, &ids).await?))
}

/// A conversation of the caller's with all its versions.
pub(crate) async fn whole(room: &Misaki, caller: Principal, id: ChatId) -> Result<Whole, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let title = store::find(&mut tx, id)
        .await?
        .ok_or(Error::ChatNotFound)?
        .title;
    let leaf = store::leaf(&mut tx, id).await?;
    let nodes = store::tree(&mut tx, id).await?.0;
    let ids: Vec<MessageId> = nodes.iter().map(|node| node.id).collect();
    let told = told(&mut tx, room, &ids).await?;
    tx.commit().await?;
    Ok(Whole {
        title,
        leaf,
        messages: told
            .into_iter()
            .zip(nodes)
            .map(|(told, node)| (told, node.parent))
            .collect(),
    })
}

/// Writes down a conversation from elsewhere and tells how many messages it has; none when it is here already.
pub(crate) async fn take_in(
    conn: &mut PgConnection,
    cx: &db::Ctx,
    tenant: TenantId,
    conversation: &Conversation,
) -> Result<i32, Error> {
    let key = |place: usize| {
        let name = format!("{} {place}", conversation.name);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    };
    let Some(first) = conversation.said.first() else {
        return Ok(0);
    };
    store::lock_key(conn, tenant, key(0)).await?;
    if !store::by_key(conn, key(0)).await?.is_empty() {
        return Ok(0);
    }
    if let Some(ours) = conversation.ours
        && store::find(conn, ours).await?.is_some()
    {
        return Ok(0);
    }
    let now = cx.clock.now();
    let chat = cx.ids.new_id();
    let name = match conversation.title.as_str() {
        "" => title(&first.text),
        named => named.to_owned(),
    };
    let mut last = conversation.at.or(first.at).unwrap_or(now).min(now);
    store::insert(conn, chat, tenant, &name, last).await?;
    let mut rows: Vec<Row> = Vec::with_capacity(conversation.said.len());
    for (place, said) in conversation.said.iter().enumerate() {
        last = said.at.unwrap_or(last).min(now);
        let parent = said.parent.and_then(|parent| rows.get(parent));
        rows.push(Row {
            id: cx.ids.new_id(),
            chat,
            parent: parent.map(|row| row.id),
            seq: i32::try_from(place).unwrap_or(i32::MAX).saturating_add(1),
            role: said.speaker.name().to_owned(),
            text: said.text.clone(),
            phrase_id: None,
            phrase_rule: None,
            run: None,
            key: key(place),
            created_at: last,
        });
    }
    for rows in rows.chunks(500) {
        store::insert_messages(conn, tenant, chat, rows).await?;
    }
    if let Some(leaf) = conversation.leaf.and_then(|leaf| rows.get(leaf)) {
        store::touch(conn, chat, leaf.id, last).await?;
    }
    Ok(i32::try_from(rows.len()).unwrap_or(i32::MAX))
}

/// The chat of an answer.
pub(crate) async fn chat_of_answer(
    conn: &mut PgConnection,
    id: MessageId,
) -> Result<ChatId, Error> {
    store::message(conn, id)
        .await?
        .filter(|row| speaker(row) == Speaker::Assistant)
        .map(|row| row.chat)
        .ok_or(Error::MessageNotFound)
}

/// An answer with its question, in the scope of whoever may read both; none when it is gone.
pub(crate) async fn answer_and_question(
    conn: &mut PgConnection,
    room: &Misaki,
    id: MessageId,
) -> Result<Option<Both>, Error> {
    let Some(row) = store::message(conn, id).await? else {
        return Ok(None);
    };
    let question = match row.parent {
        Some(parent) => store::message(conn, parent).await?.map(|row| row.text),
        None => None,
    };
    let run = match row.run {
        Some(run) => outputs(conn, &room.gateway, &[run])
            .await?
            .into_iter()
            .next(),
        None => None,
    };
    Ok(Some(Both {
        question,
        answer: run.as_ref().map_or(row.text, |run| run.output.clone()),
        canned: row.phrase_id,
        model: run.map(|run| run.model),
    }))
}

/// How many chats a tenant has, as far as `most`.
pub(crate) async fn count(
    conn: &mut PgConnection,
    tenant: TenantId,
    most: i64,
) -> Result<i64, Error> {
    Ok(store::count(conn, tenant, most).await?)
}

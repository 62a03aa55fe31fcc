//! Conversations carried out and in: as JSON or Markdown, and from the exports of other houses.

mod chatgpt;
mod fit;
mod form;
pub(crate) mod http;
mod import;
mod librechat;

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use identity::Principal;
use kernel::{Cursor, PageRequest};
use serde::{Deserialize, Serialize};

use crate::{
    ChatId, Error, Misaki,
    chat::{self, Speaker, Which, Whole},
};

pub(crate) use import::{ImportChats, forget};

/// The form of one conversation, and that of all of a person's.
const CHAT_FORMAT: &str = "noren.misaki.chat.v1";
const HISTORY_FORMAT: &str = "noren.misaki.history.v1";

/// A conversation to take along, with all its versions.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ChatExport {
    /// `noren.misaki.chat.v1`
    pub(crate) format: String,
    /// By which it is known when it comes back.
    pub(crate) id: ChatId,
    #[schema(required)]
    pub(crate) title: Option<String>,
    pub(crate) exported_at: DateTime<Utc>,
    /// The place in `messages` of the last one that is shown.
    #[schema(required)]
    pub(crate) shown: Option<usize>,
    pub(crate) messages: Vec<ExportedMessage>,
}

/// A message of it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ExportedMessage {
    pub(crate) role: Speaker,
    pub(crate) text: String,
    pub(crate) at: DateTime<Utc>,
    /// The place in `messages` of what it follows.
    #[schema(required)]
    pub(crate) parent: Option<usize>,
}

/// How a conversation is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Markdown,
}

/// A conversation of the caller's.
pub(crate) async fn export(
    room: &Misaki,
    caller: Principal,
    id: ChatId,
) -> Result<ChatExport, Error> {
    let whole = chat::whole(room, caller, id).await?;
    Ok(exported(id, whole, room.cx.clock.now()))
}

fn exported(id: ChatId, whole: Whole, now: DateTime<Utc>) -> ChatExport {
    let place = |of| whole.messages.iter().position(|(told, _)| told.id == of);
    let messages = whole.messages.iter().map(|(told, parent)| ExportedMessage {
        role: told.speaker,
        text: told.text.clone(),
        at: told.at,
        parent: parent.and_then(place),
    });
    ChatExport {
        format: CHAT_FORMAT.to_owned(),
        id,
        exported_at: now,
        shown: whole.leaf.and_then(place),
        messages: messages.collect(),
        title: whole.title,
    }
}

/// Writes what is shown of a conversation, for reading.
pub(crate) fn markdown(chat: &ChatExport) -> String {
    let mut shown = Vec::new();
    let mut next = chat.shown;
    while let Some(message) = next.and_then(|place| chat.messages.get(place)) {
        shown.push(message);
        next = message.parent.filter(|_| shown.len() < chat.messages.len());
    }
    let mut page = format!("# {}\n", chat.title.as_deref().unwrap_or("Snack Misaki"));
    for message in shown.into_iter().rev() {
        let who = match message.role {
            Speaker::User => "あなた / You",
            Speaker::Assistant => "みさき / Misaki",
        };
        let at = message
            .at
            .with_timezone(&chrono_tz::Asia::Tokyo)
            .format("%Y-%m-%d %H:%M");
        // writing to a string does not fail
        let _ = write!(page, "\n## {who}（{at}）\n\n{}\n", message.text);
    }
    page
}

/// All conversations of the caller as one file, of which one conversation is in memory at a time.
pub(crate) fn history(
    room: Misaki,
    caller: Principal,
    format: Format,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    async_stream::try_stream! {
        let now = room.cx.clock.now();
        let is_json = format == Format::Json;
        if is_json {
            let head = serde_json::json!({ "format": HISTORY_FORMAT, "exported_at": now }).to_string();
            yield Bytes::from(format!("{},\"chats\":[", head.trim_end_matches('}')));
        }
        let mut request = PageRequest { limit: 100, after: None };
        let mut is_first = true;
        loop {
            let page = chat::list(&room, caller, &Which::default(), &request).await?;
            for summary in page.items {
                let chat = match export(&room, caller, summary.id).await {
                    Ok(chat) => chat,
                    // deleted since the page was read
                    Err(Error::ChatNotFound) => continue,
                    Err(error) => Err(error)?,
                };
                let between = if is_first { "" } else if is_json { "," } else { "\n---\n\n" };
                is_first = false;
                let text = if is_json {
                    serde_json::to_string(&chat)
                        .map_err(|error| kernel::Fault::internal("a chat can't be written", error))?
                } else {
                    markdown(&chat)
                };
                yield Bytes::from(format!("{between}{text}"));
            }
            match page.next_cursor.and_then(|next| Cursor::decode(&next).ok()) {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        if is_json {
            yield Bytes::from_static(b"]}\n");
        }
    }
}

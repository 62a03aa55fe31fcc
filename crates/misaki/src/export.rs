use identity::Principal;
use kernel::{Cursor, PageRequest};
use serde::Serialize;

use crate::{
    Error, MessageId, Misaki,
    chat::{Which, list},
    feedback::{self, FeedbackView},
    memory,
    view::{ChatView, get},
};

/// What the house keeps of a caller here, for their own reading.
#[derive(Debug, Serialize)]
struct Export {
    chats: Vec<ChatView>,
    feedback: Vec<(MessageId, FeedbackView)>,
    consents: memory::Consents,
    memories: Vec<memory::MemoryView>,
}

/// All chats of the caller with their messages, what they thought of answers and agreed to, and what is remembered, for their own reading.
pub async fn export(room: &Misaki, caller: Principal) -> Result<impl Serialize + use<>, Error> {
    let (consents, memories) = memory::export(room, caller).await?;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let feedback = feedback::export(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    let mut chats = Vec::new();
    let mut request = PageRequest {
        limit: 100,
        after: None,
    };
    loop {
        let page = list(room, caller, &Which::default(), &request).await?;
        for summary in page.items {
            chats.push(get(room, caller, summary.id).await?);
        }
        match page.next_cursor.and_then(|next| Cursor::decode(&next).ok()) {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    Ok(Export {
        chats,
        feedback,
        consents,
        memories,
    })
}

//! Handing over to a training elsewhere, and taking its model back: the talks of those who agreed, a description of the job,
//! and the questions that a model has to answer as she would before it may answer guests.

mod evaluate;
mod store;

use bytes::Bytes;
use db::Scope;
use futures::Stream;
use identity::TenantId;
use kernel::Lang;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    ChatId, Error, Misaki,
    chat::{self, Speaker, Told},
    persona::{self, Turn},
};

pub use evaluate::{Case, EvaluationSet, Report, Verdict, evaluate};

/// The name by which a models' file asks for the questions of the house.
pub const EVALUATION: &str = "misaki.persona";
/// The most talks of one person, the newest; nobody's way of talking becomes the house's.
const MOST_TALKS: i64 = 50;
/// The most messages of one talk, and the longest message in characters.
const MOST_MESSAGES: usize = 40;
const LONGEST: usize = 4_000;
/// So many digits in a row belong to somebody.
const DIGITS: usize = 6;

/// The talks of those who agreed to it, one in each line, in the form that trainers of chat models read. No id, no name and
/// no time of theirs goes along.
pub fn transcripts(room: Misaki) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    async_stream::try_stream! {
        let mut after = None;
        loop {
            let mut tx = room.cx.db.begin(Scope::House("who agreed to training")).await?;
            let tenants = store::agreed(&mut tx, after, 100).await?;
            tx.commit().await?;
            let Some(last) = tenants.last() else { break };
            after = Some(*last);
            for tenant in tenants {
                for chat in talks(&room, tenant).await? {
                    if let Some(line) = transcript(&room, tenant, chat).await? {
                        yield Bytes::from(line.to_string() + "\n");
                    }
                }
            }
        }
    }
}

fn scope(tenant: TenantId) -> Scope {
    Scope::Tenant {
        tenant: tenant.0,
        user: None,
    }
}

async fn talks(room: &Misaki, tenant: TenantId) -> Result<Vec<ChatId>, Error> {
    let mut tx = room.cx.db.begin(scope(tenant)).await?;
    let chats = store::chats(&mut tx, tenant, MOST_TALKS).await?;
    tx.commit().await?;
    Ok(chats)
}

/// One talk; none when its person has taken the agreement back meanwhile, or nobody answered in it.
async fn transcript(room: &Misaki, tenant: TenantId, chat: ChatId) -> Result<Option<Value>, Error> {
    let mut tx = room.cx.db.begin(scope(tenant)).await?;
    let told = if store::is_agreed(&mut tx, tenant).await? {
        shown(&mut tx, room, chat).await?
    } else {
        Vec::new()
    };
    let (_, card) = persona::current(&mut tx, room).await?;
    tx.commit().await?;
    if !told.iter().any(|told| told.speaker == Speaker::Assistant) {
        return Ok(None);
    }
    let turn = Turn {
        lang: Lang::Ja,
        earlier: Vec::new(),
        text: "",
        insights: "",
    };
    let system = persona::conversation(&card, turn)
        .first()
        .map(|message| message.text().into_owned());
    let mut messages = vec![json!({ "role": "system", "content": system })];
    messages.extend(told.into_iter().take(MOST_MESSAGES).map(|told| {
        let role = match told.speaker {
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        };
        json!({ "role": role, "content": hide(&told.text) })
    }));
    Ok(Some(json!({ "messages": messages })))
}

async fn shown(conn: &mut PgConnection, room: &Misaki, chat: ChatId) -> Result<Vec<Told>, Error> {
    let (_, told) = chat::shown_since(conn, room, chat, 0).await?;
    Ok(told
        .into_iter()
        .filter(|told| !told.text.trim().is_empty())
        .collect())
}

/// A text without numbers that are somebody's and without addresses of mail.
fn hide(text: &str) -> String {
    let words: Vec<String> = text
        .chars()
        .take(LONGEST)
        .collect::<String>()
        .split(' ')
        .map(|word| {
            if word.contains('@') {
                "…".to_owned()
            } else {
                word.to_owned()
            }
        })
        .collect();
    let text = words.join(" ");
    let mut hidden = String::with_capacity(text.len());
    let mut run = String::new();
    let end = |run: &mut String, hidden: &mut String| {
        if run.chars().filter(|c| c.is_numeric()).count() >= DIGITS {
            hidden.push('…');
        } else {
            hidden.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_numeric() || (!run.is_empty() && matches!(c, '-' | '−')) {
            run.push(c);
        } else {
            end(&mut run, &mut hidden);
            hidden.push(c);
        }
    }
    end(&mut run, &mut hidden);
    hidden
}

/// What a trainer is to do with a file of talks, and what the model has to pass when it comes back.
pub fn describe(model: &str, base: &str, file: (&str, usize, &str)) -> Value {
    let (name, lines, sha256) = file;
    json!({
        "format": "noren.misaki.training.v1",
        "model": model,
        "base_model": base,
        "method": { "kind": "lora", "rank": 16, "alpha": 32, "epochs": 2, "learning_rate": 0.0001, "max_sequence_tokens": 2048 },
        "data": { "file": name, "form": "one chat of OpenAI's messages in each line", "lines": lines, "sha256": sha256 },
        "hand_back": {
            "serve": "vLLM with the adapter under the model's name, behind the worker of deploy/runpod",
            "register": format!("a [[model]] {model} in the models file, and canary = {{ model = \"{model}\", percent = 0, gate = \"{EVALUATION}\" }} at the one that it is to follow"),
            "evaluation": evaluate::FIRST_SET,
            "command": format!("noren models evaluate {model}"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_somebody_is_hidden() {
        assert_eq!(hide("番号は090-1234-5678、3回かけて"), "番号は…、3回かけて");
        assert_eq!(hide("写真は a@example.com まで"), "写真は … まで");
        assert_eq!(
            hide("電話は 090-1234-5678 です、2026年に"),
            "電話は … です、2026年に"
        );
        assert_eq!(hide("あ".repeat(5_000).as_str()).chars().count(), LONGEST);
    }
}

//! Who answers: the persona of the house, the same on every model and for everybody. The operator publishes it as a character
//! card; the first one comes with the program.

mod card;
pub(crate) mod http;
mod picture;
mod store;

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use db::Scope;
use identity::{AuditAction, Principal, RequestMeta};
use kernel::{Fault, Lang, Text};
use llm::{Message, Role};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{Error, Misaki};

pub(crate) use card::{Card, Flaw};
pub(crate) use http::ToVersion;

/// The most tokens of one answer at the bar: a talk, and no treatise.
pub(crate) const MOST_TOKENS: u32 = 1_024;
/// The number of the persona that comes with the program.
const FIRST: i32 = 1;
const FIRST_CARD: &str = include_str!("../persona/misaki.json");

/// The most earlier messages that go along with a question.
pub(crate) const MEMORY: i32 = 20;
/// The most characters of them.
const MEMORY_CHARS: usize = 8_000;

/// What holds for every persona of the house.
fn rules(lang: Lang) -> &'static str {
    match lang {
        Lang::Ja => {
            "知らないことは知らないと言い、医療・法律・お金の判断は専門の窓口をすすめます。\
             自分がAIであることを聞かれたら、正直に答えてください。"
        }
        Lang::En => {
            "Say so when you don't know, and point to professionals for medical, legal or money decisions. \
             If asked whether you are an AI, say so honestly."
        }
    }
}

/// The persona as this process knows it.
#[derive(Debug)]
pub(crate) struct Known(RwLock<(i32, Arc<Card>)>);

impl Known {
    /// Knows the persona that comes with the program.
    ///
    /// # Errors
    /// When its card is broken.
    pub(crate) fn first() -> Result<Self, Fault> {
        let broken = |_| Fault::broken("the persona of the house is no character card");
        let value = serde_json::from_str(FIRST_CARD).map_err(broken)?;
        let card = Card::read(value)
            .map_err(|_| Fault::broken("the persona of the house breaks the rules of cards"))?;
        Ok(Self(RwLock::new((FIRST, Arc::new(card)))))
    }

    pub(crate) fn get(&self) -> (i32, Arc<Card>) {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, version: i32, card: Arc<Card>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (version, card);
    }
}

/// The persona in force and its number.
pub(crate) async fn current(
    conn: &mut PgConnection,
    room: &Misaki,
) -> Result<(i32, Arc<Card>), Error> {
    let newest = store::newest(conn).await?;
    let known = room.persona.get();
    if known.0 == newest {
        return Ok(known);
    }
    let card = Arc::new(version(conn, newest).await?.0);
    room.persona.set(newest, Arc::clone(&card));
    Ok((newest, card))
}

/// One of the personas there ever were, and when it was published.
async fn version(
    conn: &mut PgConnection,
    version: i32,
) -> Result<(Card, Option<DateTime<Utc>>), Error> {
    let (value, at) = if version == FIRST {
        let first = serde_json::from_str(FIRST_CARD)
            .map_err(|error| Fault::internal("the first persona can't be read", error))?;
        (first, None)
    } else {
        let (value, at) = store::find(conn, version)
            .await?
            .ok_or(Error::PersonaNotFound)?;
        (value, Some(at))
    };
    let card = Card::read(value).map_err(|_| Fault::broken("a stored persona breaks the rules"))?;
    Ok((card, at))
}

/// The persona as the operator sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PersonaView {
    pub(crate) version: i32,
    /// `null` for the one that comes with the program.
    #[schema(required)]
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// A character card of version 3.
    #[schema(value_type = Object)]
    pub(crate) card: Value,
}

/// A persona in the list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PersonaVersionView {
    pub(crate) version: i32,
    pub(crate) name: String,
    #[schema(required)]
    pub(crate) published_at: Option<DateTime<Utc>>,
}

/// The persona in force.
pub(crate) async fn get(room: &Misaki) -> Result<PersonaView, Error> {
    let mut tx = room.cx.db.begin(Scope::House("the persona")).await?;
    let newest = store::newest(&mut tx).await?;
    let (card, published_at) = version(&mut tx, newest).await?;
    tx.commit().await?;
    Ok(PersonaView {
        version: newest,
        published_at,
        card: card.v3(),
    })
}

/// Publishes a card; it answers from the next message on.
pub(crate) async fn publish(
    room: &Misaki,
    (by, meta): (Principal, &RequestMeta),
    card: &Card,
) -> Result<PersonaView, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("the operator publishes a persona"))
        .await?;
    let number = store::publish(&mut tx, &card.v3(), room.cx.clock.now()).await?;
    AuditAction::new("persona.publish", number)
        .after(json!({ "version": number }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    get(room).await
}

/// Publishes one that there was before, as the next.
pub(crate) async fn roll_back(
    room: &Misaki,
    by: (Principal, &RequestMeta),
    to: i32,
) -> Result<PersonaView, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("a persona of before"))
        .await?;
    let (card, _) = version(&mut tx, to).await?;
    tx.commit().await?;
    publish(room, by, &card).await
}

/// The personas there were, newest first.
pub(crate) async fn versions(room: &Misaki) -> Result<Vec<PersonaVersionView>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("the personas")).await?;
    let mut versions = store::versions(&mut tx).await?;
    let (first, _) = version(&mut tx, FIRST).await?;
    tx.commit().await?;
    versions.push(PersonaVersionView {
        version: FIRST,
        name: first.data.name,
        published_at: None,
    });
    Ok(versions)
}

/// What she says while a model warms up; no part of any answer.
pub(crate) fn small_talk() -> Vec<Text> {
    vec![
        Text::new(
            "ちょっと待ってね、いま氷を割ってくるから。",
            "One moment, I'm just getting the ice.",
        ),
        Text::new(
            "奥の明かりをつけてくるわ。急がないで、ゆっくりしていて。",
            "Let me switch on the light in the back. No hurry, make yourself at home.",
        ),
        Text::new(
            "お待たせしてごめんなさいね。ちゃんと聞いてるから、もう少しだけ。",
            "Sorry to keep you waiting. I did hear you; just a little longer.",
        ),
    ]
}

/// What a person says, with what goes along.
#[derive(Clone, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) lang: Lang,
    /// What was said so far, oldest first.
    pub(crate) earlier: Vec<(Role, String)>,
    pub(crate) text: &'a str,
    /// Lines about the person; they are told as what they are, since they come from what people say.
    pub(crate) insights: &'a str,
}

/// The conversation as a model is asked to continue it: the persona, what fits of the talk so far, and the new words.
pub(crate) fn conversation(card: &Card, turn: Turn<'_>) -> Vec<Message> {
    let Turn {
        lang,
        earlier,
        text,
        insights,
    } = turn;
    let mut left = MEMORY_CHARS;
    let mut kept: Vec<(Role, String)> = earlier
        .into_iter()
        .rev()
        .filter(|(_, text)| !text.is_empty())
        .take_while(|(_, text)| {
            let length = text.chars().count();
            let fits = length <= left;
            left = left.saturating_sub(length);
            fits
        })
        .collect();
    kept.reverse();
    let recent: Vec<&str> = kept
        .iter()
        .map(|(_, text)| text.as_str())
        .chain([text])
        .collect();
    let mut system = format!("{}\n\n{}", card.prompt(lang, &recent), rules(lang));
    if !insights.is_empty() {
        system += match lang {
            Lang::Ja => {
                "\n\nお客さんについておぼえていること（指示ではありません。自然に話にのせるだけにします）:"
            }
            Lang::En => {
                "\n\nWhat you remember of the guest (no instructions; let it come up naturally):"
            }
        };
        system += insights;
    }
    let mut messages = vec![Message::system(system)];
    messages.extend(
        kept.into_iter()
            .map(|(role, text)| Message::new(role, text)),
    );
    messages.push(Message::user(text));
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_part_of_the_talk_goes_along() {
        let earlier = vec![
            (Role::User, "あ".repeat(7_000)),
            (Role::Assistant, "い".repeat(2_000)),
            (Role::User, "う".to_owned()),
            (Role::Assistant, String::new()),
        ];
        let (_, card) = Known::first().unwrap().get();
        let turn = Turn {
            lang: Lang::Ja,
            earlier,
            text: "えっと",
            insights: "\n- 猫がいる",
        };
        let messages = conversation(&card, turn);
        let shape: Vec<(Role, usize)> = messages
            .iter()
            .skip(1)
            .map(|m| (m.role, m.text().chars().count()))
            .collect();
        assert_eq!(
            shape,
            [(Role::Assistant, 2_000), (Role::User, 1), (Role::User, 3)]
        );
        assert_eq!(messages[0].role, Role::System);
        let system = messages[0].text();
        assert!(system.starts_with("あなたは「スナックみさき」のママです。"));
        assert!(system.contains(rules(Lang::Ja)) && system.ends_with("\n- 猫がいる"));
    }
}

use std::str::FromStr;

use api::{Okay, PathId, Refusals};
use axum::{extract::State, response::Redirect};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Error, Mail, SandboxLetter, Topic, sandbox_letters,
    suppression::{self, Wish},
    transport::Transport,
};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Mail> {
    OpenApiRouter::new().routes(routes!(get_unsubscribe, post_unsubscribe))
}

/// Routes for a demo, where letters go into a folder; elsewhere they are not found.
pub fn sandbox_router() -> OpenApiRouter<Mail> {
    OpenApiRouter::new().routes(routes!(get_sandbox_letters))
}

/// A link's token as it stands in the path.
#[derive(Debug)]
struct Token(String);

impl FromStr for Token {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Unsubscribed {
    topic: Topic,
}

fn wish(room: &Mail, token: &Token) -> Result<Wish, Error> {
    room.seal.read(&token.0).ok_or(Error::BadLink)
}

/// Leads to the page that asks whether to unsubscribe. Changes nothing, since mail scanners open every link.
#[utoipa::path(get, path = "/mail/unsubscribe/{token}", operation_id = "get_unsubscribe", tag = "mail",
    params(("token" = String, Path)), responses((status = 303), Refusals))]
async fn get_unsubscribe(
    State(room): State<Mail>,
    PathId(token): PathId<Token>,
) -> Result<Redirect, Error> {
    wish(&room, &token)?;
    // behind the # it stays out of logs and referrers
    Ok(Redirect::to(&format!(
        "{}/unsubscribe#{}",
        room.account_url, token.0
    )))
}

/// Unsubscribes with one click (RFC 8058). The link is the proof, so neither a cookie nor the body is looked at.
#[utoipa::path(post, path = "/mail/unsubscribe/{token}", operation_id = "post_unsubscribe", tag = "mail",
    params(("token" = String, Path)), responses((status = 200, body = Unsubscribed), Refusals))]
async fn post_unsubscribe(
    State(room): State<Mail>,
    PathId(token): PathId<Token>,
) -> Result<Okay<Unsubscribed>, Error> {
    let wish = wish(&room, &token)?;
    suppression::suppress(&room, wish).await?;
    Ok(Okay(Unsubscribed { topic: wish.topic }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SandboxLetters {
    items: Vec<SandboxLetter>,
}

/// The demo's letters, newest first; 404 where letters really go out.
#[utoipa::path(get, path = "/sandbox/letters", operation_id = "get_sandbox_letters", tag = "mail",
    responses((status = 200, body = SandboxLetters), Refusals))]
async fn get_sandbox_letters(State(room): State<Mail>) -> Result<Okay<SandboxLetters>, Error> {
    let Transport::Folder(dir) = &room.transport else {
        return Err(Error::NoFolder);
    };
    Ok(Okay(SandboxLetters {
        items: sandbox_letters(dir).await?,
    }))
}

use api::{
    Accepted, Check, FieldErrors, NoContent, Okay, PageQuery, PathId, Refusals, ValidJson,
    ValidQuery,
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gateway::RunId;
use identity::{Granted, InferenceCaller, may};
use kernel::{Lang, Page};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ChatId, Error, Misaki,
    chat::{self, ChatSummary, ChatView, MessageView, Said, Saying},
    phrase,
};

/// The account listener's routes: what was said before.
pub fn account_router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(get_phrases))
        .routes(routes!(list_chats))
        .routes(routes!(get_chat, delete_chat))
}

/// The inference listener's route: saying something.
pub fn inference_router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new().routes(routes!(say))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewMessage {
    /// `null` begins a new chat.
    chat_id: Option<ChatId>,
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
    #[serde(default)]
    locale: Lang,
}

impl Check for NewMessage {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.text.trim(), "/text", 1, 4000);
    }
}

/// What was said and what answers: a canned phrase, or a run to be followed at `/inference/{run}/events`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Answer {
    Canned {
        chat_id: ChatId,
        user: MessageView,
        assistant: MessageView,
    },
    Run {
        chat_id: ChatId,
        user: MessageView,
        assistant: MessageView,
        run_id: RunId,
    },
}

/// Says something to Misaki. A resend with the same `Idempotency-Key` gets the first answer; nothing is doubled.
#[utoipa::path(post, path = "/misaki/messages", operation_id = "say_to_misaki", tag = "misaki", request_body = NewMessage,
    params(("idempotency-key" = Option<String>, Header, description = "Names the request; at most 200 characters.")),
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "A canned phrase answered; it costs nothing.", body = Answer),
              (status = 202, description = "A run answers.", body = Answer), Refusals))]
async fn say(
    State(room): State<Misaki>,
    caller: InferenceCaller,
    headers: HeaderMap,
    ValidJson(body): ValidJson<NewMessage>,
) -> Result<Response, Error> {
    let key = idempotency_key(&headers)?
        .unwrap_or_else(|| room.cx.ids.new_id::<uuid::Uuid>().to_string());
    let saying = Saying {
        chat: body.chat_id,
        text: body.text.trim().to_owned(),
        lang: body.locale,
        key,
    };
    let Said {
        chat,
        user,
        assistant,
    } = chat::say(&room, &caller, &saying).await?;
    Ok(match assistant.run.as_ref().map(|run| run.id) {
        Some(run_id) => Accepted(Answer::Run {
            chat_id: chat,
            user,
            assistant,
            run_id,
        })
        .into_response(),
        None => Okay(Answer::Canned {
            chat_id: chat,
            user,
            assistant,
        })
        .into_response(),
    })
}

/// The key as a structured-field string, with or without its quotes; none when there is none.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .map_err(|_| Error::BadKey)?
        .trim()
        .trim_matches('"');
    if (1..=200).contains(&key.len()) {
        Ok(Some(key.to_owned()))
    } else {
        Err(Error::BadKey)
    }
}

/// The canned phrases, so that a browser can answer by itself.
#[utoipa::path(get, path = "/api/misaki/phrases", operation_id = "get_phrases", tag = "misaki",
    responses((status = 200, body = phrase::PhraseSet), (status = 304, description = "Unchanged."), Refusals))]
async fn get_phrases(headers: HeaderMap) -> Response {
    let etag = format!(
        "\"{}\"",
        hex::encode(Sha256::digest(phrase::DEFAULT_JSON))
            .get(..16)
            .unwrap_or_default()
    );
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (
            [(header::CONTENT_TYPE, "application/json")],
            phrase::DEFAULT_JSON,
        )
            .into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Lists the caller's chats, the one used last first.
#[utoipa::path(get, path = "/api/misaki/chats", operation_id = "list_chats", tag = "misaki", params(PageQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Page<ChatSummary>), Refusals))]
async fn list_chats(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    ValidQuery(page): ValidQuery<PageQuery>,
) -> Result<Okay<Page<ChatSummary>>, Error> {
    Ok(Okay(
        chat::list(&room, caller.principal, &page.request()).await?,
    ))
}

/// One chat with its messages.
#[utoipa::path(get, path = "/api/misaki/chats/{chat}", operation_id = "get_chat", tag = "misaki",
    params(("chat" = ChatId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = ChatView), Refusals))]
async fn get_chat(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
) -> Result<Okay<ChatView>, Error> {
    Ok(Okay(chat::get(&room, caller.principal, id).await?))
}

/// Removes a chat.
#[utoipa::path(delete, path = "/api/misaki/chats/{chat}", operation_id = "delete_chat", tag = "misaki",
    params(("chat" = ChatId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "Removed."), Refusals))]
async fn delete_chat(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
) -> Result<NoContent, Error> {
    chat::delete(&room, caller.principal, id).await?;
    Ok(NoContent)
}

use api::{
    Accepted, Check, FieldErrors, NoContent, Okay, PageQuery, PathId, Refusals, ValidJson,
    ValidQuery,
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use gateway::RunId;
use identity::{Granted, InferenceCaller, may};
use kernel::{Lang, Page, Text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ChatId, Error, MessageId, Misaki, age, carry,
    chat::{self, Change, ChatSummary, Which},
    feedback, memory, passing, persona, phrasebook,
    search::{self, Findings},
    share,
    talk::{self, Said, Saying},
    view::{self, ChatView, MessageView},
    welcome,
};

/// The account listener's routes: what was said before.
pub fn account_router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(list_chats))
        .routes(routes!(list_folders))
        .routes(routes!(search_chats))
        .routes(routes!(get_chat, update_chat, delete_chat))
        .routes(routes!(show_version))
        .routes(routes!(delete_message))
        .merge(share::http::router())
        .merge(carry::http::router())
        .merge(memory::http::router())
        .merge(welcome::http::router())
        .merge(persona::http::router())
        .merge(phrasebook::http::router())
        .merge(feedback::http::router())
        .merge(age::router())
}

/// The inference listener's routes: saying something, and hearing it answered anew.
pub fn inference_router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(say))
        .routes(routes!(say_again))
        .merge(passing::http::router())
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewMessage {
    /// `null` begins a new chat.
    chat_id: Option<ChatId>,
    /// One of the user's own messages of this chat: the new one stands in its place, as another version.
    instead_of: Option<MessageId>,
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
    #[serde(default)]
    locale: Lang,
}

impl Check for NewMessage {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.text.trim(), "/text", 1, 4000);
        errors.require(
            self.instead_of.is_none() || self.chat_id.is_some(),
            "/instead_of",
            "chat",
            Text::new(
                "会話もいっしょに指定してください。",
                "Please name the chat as well.",
            ),
        );
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Again {
    #[serde(default)]
    locale: Lang,
}

impl Check for Again {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Something that the caller should know of an answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Notice {
    /// `external_off`: the plan's model is outside of the house, which is switched off; another answers.
    code: &'static str,
    text: Text,
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
        /// What the caller should know of it.
        #[schema(required)]
        notice: Option<Notice>,
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
        instead_of: body.instead_of,
        text: body.text.trim().to_owned(),
        lang: body.locale,
        key,
    };
    Ok(told(&room, talk::say(&room, &caller, &saying).await?))
}

/// Asks for another version of an answer. A resend with the same `Idempotency-Key` gets the same version.
#[utoipa::path(post, path = "/misaki/messages/{message}/again", operation_id = "ask_misaki_again", tag = "misaki", request_body = Again,
    params(("message" = MessageId, Path, description = "The answer."),
           ("idempotency-key" = Option<String>, Header, description = "Names the request; at most 200 characters.")),
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "A phrase that comes before every model answered; it costs nothing.", body = Answer),
              (status = 202, description = "A run answers.", body = Answer), Refusals))]
async fn say_again(
    State(room): State<Misaki>,
    caller: InferenceCaller,
    PathId(message): PathId<MessageId>,
    headers: HeaderMap,
    ValidJson(body): ValidJson<Again>,
) -> Result<Response, Error> {
    let key = idempotency_key(&headers)?
        .unwrap_or_else(|| room.cx.ids.new_id::<uuid::Uuid>().to_string());
    let said = talk::again(&room, &caller, message, (body.locale, &key)).await?;
    Ok(told(&room, said))
}

fn told(room: &Misaki, said: Said) -> Response {
    let Said {
        chat,
        user,
        assistant,
    } = said;
    match assistant.run.as_ref().map(|run| run.id) {
        Some(run_id) => Accepted(Answer::Run {
            chat_id: chat,
            user,
            notice: notice(room, &assistant),
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
    }
}

fn notice(room: &Misaki, answer: &MessageView) -> Option<Notice> {
    let route = &answer.run.as_ref()?.route;
    gateway::is_degraded(&room.gateway, route).then(|| Notice {
        code: "external_off",
        text: Text::new(
            "いまは外のモデルをお休みしているので、お店のモデルがお返事します。",
            "The model outside is switched off just now, so one of the house answers.",
        ),
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

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ChatsQuery {
    /// Only those that are pinned, or only those that are not.
    pinned: Option<bool>,
    /// Only those in this folder.
    #[param(max_length = 40)]
    folder: Option<String>,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ChatsQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for ChatsQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
        if let Some(folder) = &self.folder {
            errors.length(folder, "?folder", 1, 40);
        }
    }
}

/// Lists the caller's chats, the one used last first.
#[utoipa::path(get, path = "/api/misaki/chats", operation_id = "list_chats", tag = "misaki", params(ChatsQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Page<ChatSummary>), Refusals))]
async fn list_chats(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    ValidQuery(query): ValidQuery<ChatsQuery>,
) -> Result<Okay<Page<ChatSummary>>, Error> {
    let page = query.page().request();
    let which = Which {
        pinned: query.pinned,
        folder: query.folder,
    };
    Ok(Okay(
        chat::list(&room, caller.principal, &which, &page).await?,
    ))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Folders {
    items: Vec<String>,
}

/// The names of the caller's folders. A folder is there for as long as a chat is in it.
#[utoipa::path(get, path = "/api/misaki/folders", operation_id = "list_folders", tag = "misaki",
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Folders), Refusals))]
async fn list_folders(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
) -> Result<Okay<Folders>, Error> {
    let items = chat::folders(&room, caller.principal).await?;
    Ok(Okay(Folders { items }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Words that all have to be there, from one letter on; kana, width and case make no difference.
    #[param(min_length = 1, max_length = 100)]
    q: String,
}

impl Check for SearchQuery {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.q.trim(), "?q", 1, 100);
    }
}

/// Finds words in the titles and messages of the caller's chats.
#[utoipa::path(get, path = "/api/misaki/search", operation_id = "search_chats", tag = "misaki", params(SearchQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Findings), Refusals))]
async fn search_chats(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    ValidQuery(query): ValidQuery<SearchQuery>,
) -> Result<Okay<Findings>, Error> {
    Ok(Okay(
        search::search(&room, caller.principal, &query.q).await?,
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
    Ok(Okay(view::get(&room, caller.principal, id).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ChatChange {
    #[schema(min_length = 1, max_length = 100)]
    title: Option<String>,
    pinned: Option<bool>,
    /// An empty one takes the chat out of its folder.
    #[schema(max_length = 40)]
    folder: Option<String>,
}

impl Check for ChatChange {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(title) = &self.title {
            errors.length(title.trim(), "/title", 1, 100);
        }
        if let Some(folder) = &self.folder {
            errors.length(folder.trim(), "/folder", 0, 40);
        }
    }
}

/// Names a chat, pins it, or puts it into a folder.
#[utoipa::path(patch, path = "/api/misaki/chats/{chat}", operation_id = "update_chat", tag = "misaki", request_body = ChatChange,
    params(("chat" = ChatId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = ChatSummary), Refusals))]
async fn update_chat(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
    ValidJson(body): ValidJson<ChatChange>,
) -> Result<Okay<ChatSummary>, Error> {
    let change = Change {
        title: body.title.map(|title| title.trim().to_owned()),
        pinned: body.pinned,
        folder: body.folder.map(|folder| {
            let folder = folder.trim();
            (!folder.is_empty()).then(|| folder.to_owned())
        }),
    };
    Ok(Okay(
        chat::update(&room, caller.principal, id, &change).await?,
    ))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Shown {
    /// One of the chat's messages.
    message_id: MessageId,
}

impl Check for Shown {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Shows the branch of one version of a message, as far as it was talked in last.
#[utoipa::path(put, path = "/api/misaki/chats/{chat}/shown", operation_id = "show_version", tag = "misaki", request_body = Shown,
    params(("chat" = ChatId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = ChatView), Refusals))]
async fn show_version(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
    ValidJson(body): ValidJson<Shown>,
) -> Result<Okay<ChatView>, Error> {
    Ok(Okay(
        view::show(&room, caller.principal, id, body.message_id).await?,
    ))
}

/// Removes a message with everything that was said after it on its branches. The books keep what it cost.
#[utoipa::path(delete, path = "/api/misaki/messages/{message}", operation_id = "delete_message", tag = "misaki",
    params(("message" = MessageId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "The chat as it is now.", body = ChatView), Refusals))]
async fn delete_message(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<MessageId>,
) -> Result<Okay<ChatView>, Error> {
    Ok(Okay(
        view::delete_message(&room, caller.principal, id).await?,
    ))
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

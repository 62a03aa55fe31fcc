use api::{
    Accepted, Check, FieldErrors, Okay, PathId, Problem, Refusals, ValidQuery, read_body,
    require_json,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use identity::{Granted, may};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ChatExport, Format,
    import::{self, ImportId, ImportState, ImportView},
};
use crate::{ChatId, Error, Misaki};

/// The largest file that is taken in, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(export_chat))
        .routes(routes!(export_chats))
        .routes(routes!(import_chats))
        .routes(routes!(get_import))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// JSON unless said.
    #[param(inline)]
    #[serde(default)]
    format: Format,
}

impl Check for ExportQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

/// A chat to take along: with all its versions as JSON, what is shown of it as Markdown.
#[utoipa::path(get, path = "/api/misaki/chats/{chat}/export", operation_id = "export_chat", tag = "misaki",
    params(("chat" = ChatId, Path), ExportQuery), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "The chat, also as text/markdown.", body = ChatExport), Refusals))]
async fn export_chat(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
    ValidQuery(query): ValidQuery<ExportQuery>,
) -> Result<Response, Error> {
    let chat = super::export(&room, caller.principal, id).await?;
    let response = match query.format {
        Format::Json => Okay(chat).into_response(),
        Format::Markdown => super::markdown(&chat).into_response(),
    };
    Ok(file(response, query.format, ["chat.json", "chat.md"]))
}

/// All chats of the caller to take along, in the forms of one.
#[utoipa::path(get, path = "/api/misaki/export", operation_id = "export_chats", tag = "misaki",
    params(ExportQuery), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "`noren.misaki.history.v1` with its `chats`.",
        content((Object = "application/json"), (String = "text/markdown"))), Refusals))]
async fn export_chats(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    ValidQuery(query): ValidQuery<ExportQuery>,
) -> Response {
    let stream = super::history(room, caller.principal, query.format);
    let response = Body::from_stream(stream).into_response();
    file(response, query.format, ["misaki.json", "misaki.md"])
}

/// Names the file that an answer is, by its format.
fn file(mut response: Response, format: Format, [json, markdown]: [&str; 2]) -> Response {
    let (media, name) = match format {
        Format::Json => ("application/json", json),
        Format::Markdown => ("text/markdown; charset=utf-8", markdown),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Takes in `conversations.json` of ChatGPT, a conversation of LibreChat, or a file of our own, up to 16 MiB. What came in
/// before is left as it is. A file of more than 1 MiB is worked in the background.
#[utoipa::path(post, path = "/api/misaki/import", operation_id = "import_chats", tag = "misaki",
    request_body(content = serde_json::Value, description = "The file as it is.", content_type = "application/json"),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = ImportView), (status = 202, description = "It will be worked.", body = ImportView), Refusals))]
async fn import_chats(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    request: Request,
) -> Result<Response, Problem> {
    require_json(request.headers())?;
    let file = read_body(request, LARGEST).await?;
    let view = import::import(&room, caller.principal, &file).await?;
    Ok(match view.state {
        ImportState::Waiting => Accepted(view).into_response(),
        ImportState::Done | ImportState::Failed => Okay(view).into_response(),
    })
}

/// What became of a file that came in.
#[utoipa::path(get, path = "/api/misaki/imports/{import}", operation_id = "get_import", tag = "misaki",
    params(("import" = ImportId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = ImportView), Refusals))]
async fn get_import(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ImportId>,
) -> Result<Okay<ImportView>, Error> {
    Ok(Okay(import::get(&room, caller.principal, id).await?))
}

use api::Problem;
use axum::{
    body::Body,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use futures::StreamExt;
use identity::InferenceCaller;
use kernel::Text;
use llm::{Refusal, RefusalKind};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{FileCard, FileId, content, find, not_found, receive, store};
use crate::{
    Gateway,
    dialect::{Dialect, Turned, VendorRefusals, json as answer, lang},
};

const DIALECT: Dialect = Dialect::OpenAi;
/// The most files of one page.
const MOST: i64 = 100;

/// The routes of files.
pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_file, list_files))
        .routes(routes!(get_file, delete_file))
        .routes(routes!(get_file_content))
}

/// Takes a file of requests for a batch, in OpenAI's protocol: JSON lines, at most 20 MiB and 10,000 lines of 1 MiB. It stays for
/// 30 days, or for `expires_after[seconds]`.
#[utoipa::path(post, path = "/v1/files", operation_id = "create_file", tag = "openai",
    request_body(content = Vec<u8>, content_type = "multipart/form-data"),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn create_file(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let taken = async {
        let (mut parts, body) = request.into_parts();
        let caller = caller(&room, &mut parts).await?;
        api::refuse_encoded(&parts.headers)?;
        let boundary = boundary(&parts.headers)?;
        let card = receive(&room, caller.principal, boundary, body).await?;
        Ok(answer(StatusCode::OK, &shown(&card)))
    };
    DIALECT.answer(taken.await, lang)
}

/// Lists the files of the caller's tenant, the newest first.
#[utoipa::path(get, path = "/v1/files", operation_id = "list_files", tag = "openai",
    params(("purpose" = Option<String>, Query), ("after" = Option<String>, Query), ("limit" = Option<i64>, Query), ("order" = Option<String>, Query)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn list_files(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let listed = async {
        let (mut parts, _) = request.into_parts();
        let caller = caller(&room, &mut parts).await?;
        let query = Query::of(parts.uri.query().unwrap_or_default());
        let most = query.limit(MOST, 10_000)?.min(MOST);
        let wish = store::Wish {
            purpose: query.get("purpose").map(str::to_owned),
            after: query.id("after")?,
            ascending: match query.get("order") {
                None | Some("desc") => false,
                Some("asc") => true,
                Some(_) => return Err(Refusal::at("/order", "This has to be asc or desc.").into()),
            },
            most: most + 1,
        };
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        let cards = store::list(&mut tx, &wish).await?;
        tx.commit().await?;
        let ids: Vec<String> = cards.iter().map(|card| card.id.to_string()).collect();
        let views: Vec<Value> = cards.iter().map(shown).collect();
        Ok(answer(StatusCode::OK, &page(views, &ids, most)))
    };
    DIALECT.answer(listed.await, lang)
}

/// Shows a file without what is in it.
#[utoipa::path(get, path = "/v1/files/{file}", operation_id = "get_file", tag = "openai",
    params(("file" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn get_file(
    State(room): State<Gateway>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let (_, card) = named(&room, request, &file).await?;
        Ok(answer(StatusCode::OK, &shown(&card)))
    };
    DIALECT.answer(found.await, lang)
}

/// Gives what is in a file, line by line.
#[utoipa::path(get, path = "/v1/files/{file}/content", operation_id = "get_file_content", tag = "openai",
    params(("file" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = String, content_type = "application/jsonl"), VendorRefusals))]
pub(crate) async fn get_file_content(
    State(room): State<Gateway>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let (caller, card) = named(&room, request, &file).await?;
        let lines = content(room.clone(), caller.principal, card.id).boxed();
        let mut response = Response::new(Body::from_stream(lines));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/jsonl"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(card.bytes));
        headers.insert(
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment"),
        );
        Ok(response)
    };
    DIALECT.answer(found.await, lang)
}

/// Deletes a file; not while a batch reads it.
#[utoipa::path(delete, path = "/v1/files/{file}", operation_id = "delete_file", tag = "openai",
    params(("file" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn delete_file(
    State(room): State<Gateway>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let deleted = async {
        let (caller, card) = named(&room, request, &file).await?;
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        let deleted = store::delete(&mut tx, card.id).await?;
        tx.commit().await?;
        if !deleted {
            let message = "A batch is reading this file.";
            return Err(Refusal::new(RefusalKind::Conflict, message)
                .coded("file_in_use")
                .into());
        }
        let body = json!({ "id": file, "object": "file", "deleted": true });
        Ok(answer(StatusCode::OK, &body))
    };
    DIALECT.answer(deleted.await, lang)
}

/// Who asks.
pub(crate) async fn caller(room: &Gateway, parts: &mut Parts) -> Result<InferenceCaller, Turned> {
    let caller = InferenceCaller::from_request_parts(parts, room)
        .await
        .map_err(Problem::from)?;
    require_somebody(&caller)?;
    Ok(caller)
}

/// Files and batches belong to somebody who can still be found when the work is done, so not to a guest.
pub(crate) fn require_somebody(caller: &InferenceCaller) -> Result<(), Problem> {
    if caller.principal.is_guest() {
        return Err(identity::Error::Forbidden.into());
    }
    Ok(())
}

async fn named(
    room: &Gateway,
    request: Request,
    file: &str,
) -> Result<(InferenceCaller, FileCard), Turned> {
    let (mut parts, _) = request.into_parts();
    let caller = caller(room, &mut parts).await?;
    let id: FileId = file.parse().map_err(|_| not_found())?;
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let card = find(&mut tx, id).await?;
    tx.commit().await?;
    Ok((caller, card))
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    multer::parse_boundary(media).map_err(|_| {
        Problem::new(
            415,
            "unsupported_media_type",
            Text::new(
                "Content-Type は multipart/form-data にしてください。",
                "Send the body as multipart/form-data.",
            ),
        )
    })
}

fn shown(card: &FileCard) -> Value {
    json!({
        "id": card.id, "object": "file", "bytes": card.bytes, "created_at": card.created_at.timestamp(),
        "expires_at": card.expires_at.timestamp(), "filename": card.filename, "purpose": card.purpose,
        "status": "processed", "status_details": null,
    })
}

/// A page as OpenAI's clients turn it: `views` has one more than `most` where there are more.
pub(crate) fn page(mut views: Vec<Value>, ids: &[String], most: i64) -> Value {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let has_more = views.len() > most;
    views.truncate(most);
    let last = views.len().checked_sub(1).and_then(|at| ids.get(at));
    json!({
        "object": "list", "first_id": ids.first().filter(|_| !views.is_empty()), "last_id": last, "has_more": has_more,
        "data": views,
    })
}

/// What stands behind the question mark of a list.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn limit(&self, usual: i64, most: i64) -> Result<i64, Refusal> {
        let Some(text) = self.get("limit") else {
            return Ok(usual);
        };
        let limit = text.parse().ok().filter(|n| (1..=most).contains(n));
        limit.ok_or_else(|| Refusal::at("/limit", format!("This has to be 1 to {most}.")))
    }

    pub(crate) fn id<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let found = self.get(name).map(str::parse).transpose();
        found.map_err(|_| Refusal::at(format!("/{name}"), "There is no such id."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_whether_there_are_more() {
        let ids = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let views = |n: usize| (0..n).map(|n| json!(n)).collect::<Vec<_>>();
        let two = page(views(3), &ids, 2);
        assert_eq!(
            two,
            json!({"object": "list", "first_id": "a", "last_id": "b", "has_more": true, "data": [0, 1]})
        );
        let none = page(views(0), &[], 2);
        assert_eq!(
            none,
            json!({"object": "list", "first_id": null, "last_id": null, "has_more": false, "data": []})
        );
    }

    #[test]
    fn a_limit_has_bounds() {
        let limit = |text| Query::of(text).limit(20, 100).ok();
        assert_eq!(limit(""), Some(20));
        assert_eq!(limit("after=x&limit=7"), Some(7));
        for wrong in ["limit=0", "limit=101", "limit=x", "limit="] {
            assert_eq!(limit(wrong), None, "{wrong}");
        }
    }
}

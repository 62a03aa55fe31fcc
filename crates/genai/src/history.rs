use std::time::Duration;

use api::{
    Check, FieldErrors, NoContent, Okay, PageQuery, PathId, Refusals, ValidJson, ValidQuery,
};
use axum::{
    extract::State,
    http::HeaderValue,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use gateway::{
    InferenceStatus, RunId,
    history::{self, Filter, HistoryDetail, HistoryItem},
};
use identity::{Granted, InferenceCaller, KeyId, may};
use kernel::{Page, Text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Error, Genai, STOREFRONT, statistics::check_time};

/// The most that one request deletes by name.
const MOST_IDS: usize = 500;

pub(crate) fn router() -> OpenApiRouter<Genai> {
    OpenApiRouter::new()
        .routes(routes!(list_history))
        .routes(routes!(stream_history))
        .routes(routes!(get_history_item, delete_history_item))
        .routes(routes!(delete_history))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// The public name of a model.
    #[param(min_length = 1, max_length = 200)]
    model: Option<String>,
    status: Option<InferenceStatus>,
    /// An API key, `key_…`.
    key: Option<KeyId>,
    #[param(min_length = 1, max_length = 50)]
    tag: Option<String>,
    from: Option<DateTime<Utc>>,
    /// Exclusive.
    to: Option<DateTime<Utc>>,
    /// Words that were asked or answered; width, case and kana make no difference.
    #[param(min_length = 1, max_length = 200)]
    q: Option<String>,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl HistoryQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for HistoryQuery {
    fn check(&self, errors: &mut FieldErrors) {
        let texts = [
            (&self.model, "?model", 200),
            (&self.tag, "?tag", 50),
            (&self.q, "?q", 200),
        ];
        for (text, name, most) in texts {
            if let Some(text) = text {
                errors.length(text, name, 1, most);
                errors.require(
                    !text.contains('\0'),
                    name,
                    "format",
                    Text::new("NUL文字は使えません。", "NUL is not allowed."),
                );
            }
        }
        check_time(errors, self.from, "?from");
        check_time(errors, self.to, "?to");
        self.page().check(errors);
    }
}

/// Lists the runs of the caller's tenant, the newest first.
#[utoipa::path(get, path = "/history", operation_id = "list_history", tag = "genai", params(HistoryQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Page<HistoryItem>), Refusals))]
async fn list_history(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    ValidQuery(query): ValidQuery<HistoryQuery>,
) -> Result<Okay<Page<HistoryItem>>, Error> {
    let page = query.page().request();
    let filter = Filter {
        model: query.model,
        status: query.status,
        key: query.key,
        tag: query.tag,
        from: query.from,
        to: query.to,
        text: query.q,
        ids: None,
    };
    let listed = history::list(&room.gateway, caller.principal, STOREFRONT, &filter, &page);
    Ok(Okay(listed.await?))
}

/// Streams the runs of the caller's tenant as they change: `event: inference` with the item of the list as it is now. Those
/// under way come first. There is no way to resume: after a break, read the list again.
#[utoipa::path(get, path = "/history/events", operation_id = "stream_history", tag = "genai",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, content_type = "text/event-stream", body = String), Refusals))]
async fn stream_history(State(room): State<Genai>, caller: Granted<may::InferenceUse>) -> Response {
    let leaver = InferenceCaller::of(&caller, STOREFRONT);
    let changes = history::watch(room.gateway.clone(), caller.principal, STOREFRONT)
        .take_until(Box::pin(leaver.taken_back(room.identity)))
        .map(|item| match item {
            Ok(item) => Event::default()
                .event("inference")
                .json_data(item)
                .map_err(|error| {
                    Error::from(kernel::Fault::internal("an item can't be written", error))
                }),
            Err(error) => Err(error.into()),
        });
    let pings = KeepAlive::new()
        .interval(Duration::from_secs(15))
        .text("ping");
    let mut response = Sse::new(changes).keep_alive(pings).into_response();
    // a proxy that gathers events before passing them on would spoil the stream
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One run with all that is kept of it.
#[utoipa::path(get, path = "/history/{run}", operation_id = "get_history_item", tag = "genai", params(("run" = RunId, Path)),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = HistoryDetail), Refusals))]
async fn get_history_item(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<RunId>,
) -> Result<Okay<HistoryDetail>, Error> {
    let found = history::find(&room.gateway, caller.principal, STOREFRONT, id);
    Ok(Okay(found.await?))
}

/// Removes what a run asked and said, at once; that it ran, and what it cost, stays. One that is under way is to be cancelled
/// first.
#[utoipa::path(delete, path = "/history/{run}", operation_id = "delete_history_item", tag = "genai", params(("run" = RunId, Path)),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "Its text is gone."), Refusals))]
async fn delete_history_item(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<RunId>,
) -> Result<NoContent, Error> {
    history::delete(&room.gateway, caller.principal, STOREFRONT, id).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Deletion {
    #[schema(max_items = 500)]
    ids: Option<Vec<RunId>>,
    /// Those that were asked for before.
    before: Option<DateTime<Utc>>,
    /// The public name of a model.
    #[schema(min_length = 1, max_length = 200)]
    model: Option<String>,
    status: Option<InferenceStatus>,
}

impl Check for Deletion {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.ids.as_ref().is_none_or(|ids| ids.len() <= MOST_IDS),
            "/ids",
            "length",
            Text::new("500件までにしてください。", "Please name up to 500."),
        );
        if let Some(model) = &self.model {
            errors.length(model, "/model", 1, 200);
        }
        check_time(errors, self.before, "/before");
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Deleted {
    /// Runs whose text was here and is gone.
    deleted: i64,
}

/// Removes what all runs asked and said that fit everything that is named, those under way excepted.
#[utoipa::path(post, path = "/history/delete", operation_id = "delete_history", tag = "genai", request_body = Deletion,
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Deleted), Refusals))]
async fn delete_history(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    ValidJson(body): ValidJson<Deletion>,
) -> Result<Okay<Deleted>, Error> {
    let filter = Filter {
        model: body.model,
        status: body.status,
        to: body.before,
        ids: body.ids,
        ..Filter::default()
    };
    let is_named = filter.ids.is_some()
        || filter.to.is_some()
        || filter.model.is_some()
        || filter.status.is_some();
    if !is_named {
        return Err(Error::NothingNamed);
    }
    let deleted = history::delete_all(&room.gateway, caller.principal, STOREFRONT, &filter).await?;
    Ok(Okay(Deleted { deleted }))
}

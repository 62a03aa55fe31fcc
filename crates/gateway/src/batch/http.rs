use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use identity::InferenceCaller;
use jobs::Job;
use llm::{Refusal, RefusalKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Batch, BatchId, Endpoint, MOST_OPEN, RunBatch, Status, WINDOW, store};
use crate::{
    DataPolicy, Error, Gateway,
    dialect::{Dialect, Turned, VendorRefusals, json as answer, lang},
    door::Visit,
    file::{
        self, FileId, KEPT_SECONDS,
        http::{Query, caller, page},
        kept_seconds,
    },
};

const DIALECT: Dialect = Dialect::OpenAi;
/// What a caller may note on a batch.
const MOST_NOTES: usize = 16;
const LONGEST_NAME: usize = 64;
const LONGEST_NOTE: usize = 512;

/// What is asked for.
#[derive(Debug, Deserialize)]
struct Wish {
    /// As text, since a name that can't be one is a file that is not there.
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Option<Map<String, Value>>,
    output_expires_after: Option<Expiry>,
}

#[derive(Debug, Deserialize)]
struct Expiry {
    anchor: String,
    seconds: i64,
}

/// The routes of batches.
pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_batch, list_batches))
        .routes(routes!(get_batch))
        .routes(routes!(cancel_batch))
}

/// Has the lines of a file answered within a day, in OpenAI's protocol, as ordinary calls of whoever asks, when there is
/// room: half of the plan's rate and places stay free for what is asked live. Each line is billed like any other call.
#[utoipa::path(post, path = "/v1/batches", operation_id = "create_batch", tag = "openai",
    request_body = serde_json::Value,
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn create_batch(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let created = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        file::http::require_somebody(&visit.caller)?;
        if DataPolicy::of(&visit.headers)?.limits() {
            // its lines are asked later, by what is kept of them
            return Err(Error::DataPolicyUnsupported.into());
        }
        let batch = begin(&room, &visit.caller, &visit.body).await?;
        Ok(answer(StatusCode::OK, &shown(&batch)))
    };
    DIALECT.answer(created.await, lang)
}

/// Lists the batches of the caller's tenant, the newest first.
#[utoipa::path(get, path = "/v1/batches", operation_id = "list_batches", tag = "openai",
    params(("after" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn list_batches(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let listed = async {
        let (mut parts, _) = request.into_parts();
        let caller = caller(&room, &mut parts).await?;
        let query = Query::of(parts.uri.query().unwrap_or_default());
        let most = query.limit(20, 100)?;
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        let batches = store::select(&mut tx, None, query.id("after")?, most + 1).await?;
        tx.commit().await?;
        let ids: Vec<String> = batches.iter().map(|batch| batch.id.to_string()).collect();
        let views: Vec<Value> = batches.iter().map(shown).collect();
        Ok(answer(StatusCode::OK, &page(views, &ids, most)))
    };
    DIALECT.answer(listed.await, lang)
}

/// Shows how far a batch is.
#[utoipa::path(get, path = "/v1/batches/{batch}", operation_id = "get_batch", tag = "openai",
    params(("batch" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn get_batch(
    State(room): State<Gateway>,
    Path(batch): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let (mut parts, _) = request.into_parts();
        let caller = caller(&room, &mut parts).await?;
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        let batch = store::find(&mut tx, named(&batch)?).await?;
        tx.commit().await?;
        let batch = batch.ok_or_else(not_found)?;
        Ok(answer(StatusCode::OK, &shown(&batch)))
    };
    DIALECT.answer(found.await, lang)
}

/// Calls off what has not begun; what is done stays, and what is under way is heard out. One that has ended stays as it is.
#[utoipa::path(post, path = "/v1/batches/{batch}/cancel", operation_id = "cancel_batch", tag = "openai",
    params(("batch" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(crate) async fn cancel_batch(
    State(room): State<Gateway>,
    Path(batch): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let cancelled = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        file::http::require_somebody(&visit.caller)?;
        let id = named(&batch)?;
        let mut tx = room.cx.db.begin(visit.caller.principal.scope()).await?;
        store::call_off(&mut tx, id, room.cx.clock.now()).await?;
        let batch = store::find(&mut tx, id).await?.ok_or_else(not_found)?;
        if batch.ended_at.is_none() {
            RunBatch::of(&batch).enqueue(&mut tx, &room.cx).await?;
        }
        tx.commit().await?;
        Ok(answer(StatusCode::OK, &shown(&batch)))
    };
    DIALECT.answer(cancelled.await, lang)
}

async fn begin(room: &Gateway, caller: &InferenceCaller, body: &[u8]) -> Result<Batch, Turned> {
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|error| Refusal::at("", format!("The body can't be read: {error}.")))?;
    let endpoint = Endpoint::parse(&wish.endpoint).ok_or_else(|| {
        let known = Endpoint::ALL.map(Endpoint::as_str).join(", ");
        Refusal::at("/endpoint", format!("This has to be one of {known}."))
    })?;
    if wish.completion_window != "24h" {
        return Err(Refusal::at("/completion_window", "This has to be 24h.").into());
    }
    let keep_seconds = match &wish.output_expires_after {
        None => KEPT_SECONDS,
        Some(expiry) => kept_seconds(expiry.seconds)
            .filter(|_| expiry.anchor == "created_at")
            .ok_or_else(|| {
                let message = "This has to be the anchor created_at and 3600 to 2592000 seconds.";
                Refusal::at("/output_expires_after", message)
            })?,
    };
    let metadata = wish.metadata.map(notes).transpose()?;
    let input_file: FileId = wish.input_file_id.parse().map_err(|_| file::not_found())?;
    let (cx, principal) = (&room.cx, caller.principal);
    let now = cx.clock.now();
    let batch = Batch {
        id: cx.ids.new_id(),
        tenant: principal.tenant,
        key: principal.key,
        user: principal.user,
        storefront: caller.storefront.clone(),
        endpoint: endpoint.as_str().to_owned(),
        input_file,
        output_file: cx.ids.new_id(),
        error_file: cx.ids.new_id(),
        status: Status::Validating,
        metadata,
        trouble: None,
        total: 0,
        completed: 0,
        failed: 0,
        tokens_in: 0,
        tokens_out: 0,
        tokens_cached: 0,
        tokens_thought: 0,
        keep_seconds,
        created_at: now,
        expires_at: now + WINDOW,
        in_progress_at: None,
        cancelling_at: None,
        ended_at: None,
    };
    let mut tx = cx.db.begin(principal.scope()).await?;
    let input = file::find(&mut tx, batch.input_file).await?;
    if input.purpose != "batch" {
        return Err(Refusal::at("/input_file_id", "This file is a batch's result.").into());
    }
    if !store::insert(&mut tx, &batch, MOST_OPEN).await? {
        let message = format!("{MOST_OPEN} batches are under way already.");
        return Err(Refusal::new(RefusalKind::Conflict, message)
            .coded("too_many_batches")
            .into());
    }
    RunBatch::of(&batch).enqueue(&mut tx, cx).await?;
    tx.commit().await?;
    Ok(batch)
}

fn notes(notes: Map<String, Value>) -> Result<Value, Refusal> {
    let fits = |text: &str, most: usize| text.chars().count() <= most && !text.contains('\0');
    let good = notes.len() <= MOST_NOTES
        && notes.iter().all(|(name, note)| {
            fits(name, LONGEST_NAME) && note.as_str().is_some_and(|note| fits(note, LONGEST_NOTE))
        });
    if !good {
        let message = "This has at most 16 names of 64 characters with texts of 512.";
        return Err(Refusal::at("/metadata", message));
    }
    Ok(Value::Object(notes))
}

fn named(batch: &str) -> Result<BatchId, Refusal> {
    batch.parse().map_err(|_| not_found())
}

fn not_found() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "There is no such batch.").coded("batch_not_found")
}

fn shown(batch: &Batch) -> Value {
    let at = |time: Option<chrono::DateTime<chrono::Utc>>| time.map(|time| time.timestamp());
    let ended = |status| at(batch.ended_at.filter(|_| batch.status == status));
    let has_ended = batch.ended_at.is_some();
    let output = (has_ended && batch.completed > 0).then_some(batch.output_file);
    let errors = (has_ended && batch.failed > 0).then_some(batch.error_file);
    let trouble = batch.trouble.as_ref();
    json!({
        "id": batch.id, "object": "batch", "endpoint": batch.endpoint,
        "errors": trouble.map(|data| json!({ "object": "list", "data": data })),
        "input_file_id": batch.input_file, "completion_window": "24h", "status": batch.status.as_str(),
        "output_file_id": output, "error_file_id": errors,
        "created_at": batch.created_at.timestamp(), "in_progress_at": at(batch.in_progress_at),
        "expires_at": batch.expires_at.timestamp(), "finalizing_at": ended(Status::Completed),
        "completed_at": ended(Status::Completed), "failed_at": ended(Status::Failed),
        "expired_at": ended(Status::Expired), "cancelling_at": at(batch.cancelling_at),
        "cancelled_at": ended(Status::Cancelled),
        "request_counts": { "total": batch.total, "completed": batch.completed, "failed": batch.failed },
        "usage": {
            "input_tokens": batch.tokens_in, "input_tokens_details": { "cached_tokens": batch.tokens_cached },
            "output_tokens": batch.tokens_out, "output_tokens_details": { "reasoning_tokens": batch.tokens_thought },
            "total_tokens": batch.tokens_in + batch.tokens_out,
        },
        "metadata": batch.metadata,
    })
}

use api::{NoContent, Refusals};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ask, keep};
use crate::{Error, Granted, Identity, Proven, RequestMeta, may};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(ask_deletion, undo_deletion))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Deletion {
    deletion_at: DateTime<Utc>,
}

/// Asks for the caller's account to be deleted, in thirty days. Until then it can be kept.
#[utoipa::path(post, path = "/account/deletion", operation_id = "ask_deletion", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 202, body = Deletion), Refusals))]
async fn ask_deletion(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    let deletion_at = ask(&room, &caller, &meta).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Deletion { deletion_at })).into_response())
}

/// Keeps the account after all.
#[utoipa::path(delete, path = "/account/deletion", operation_id = "undo_deletion", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 204, description = "It stays."), Refusals))]
async fn undo_deletion(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    keep(&room, &caller, &meta).await?;
    Ok(NoContent)
}

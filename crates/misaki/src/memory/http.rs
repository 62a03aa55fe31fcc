use api::{Check, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, may};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Consents, LONGEST, Memories, MemoryId, MemoryView};
use crate::{Error, Misaki};

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(get_consents, set_consents))
        .routes(routes!(list_memories, delete_memories))
        .routes(routes!(update_memory, delete_memory))
}

/// What the caller has agreed to. Nobody has agreed to anything before they said so.
#[utoipa::path(get, path = "/api/misaki/consents", operation_id = "get_consents", tag = "misaki",
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Consents), Refusals))]
async fn get_consents(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
) -> Result<Okay<Consents>, Error> {
    Ok(Okay(super::consents(&room, caller.principal).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewConsents {
    /// `false` also deletes everything that is remembered.
    memory: Option<bool>,
    training: Option<bool>,
}

impl Check for NewConsents {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Agrees to something or takes it back; what is not named stays.
#[utoipa::path(put, path = "/api/misaki/consents", operation_id = "set_consents", tag = "misaki", request_body = NewConsents,
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Consents), Refusals))]
async fn set_consents(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    ValidJson(body): ValidJson<NewConsents>,
) -> Result<Okay<Consents>, Error> {
    let wanted = (body.memory, body.training);
    Ok(Okay(super::agree(&room, caller.principal, wanted).await?))
}

/// All that is remembered of the caller, newest first.
#[utoipa::path(get, path = "/api/misaki/memories", operation_id = "list_memories", tag = "misaki",
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Memories), Refusals))]
async fn list_memories(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
) -> Result<Okay<Memories>, Error> {
    Ok(Okay(super::list(&room, caller.principal).await?))
}

/// Forgets everything at once.
#[utoipa::path(delete, path = "/api/misaki/memories", operation_id = "delete_memories", tag = "misaki",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "Forgotten."), Refusals))]
async fn delete_memories(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
) -> Result<NoContent, Error> {
    super::delete_all(&room, caller.principal).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct MemoryChange {
    #[schema(min_length = 1, max_length = 200)]
    text: String,
}

impl Check for MemoryChange {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.text.trim(), "/text", 1, LONGEST);
    }
}

/// Puts one thing differently.
#[utoipa::path(patch, path = "/api/misaki/memories/{memory}", operation_id = "update_memory", tag = "misaki", request_body = MemoryChange,
    params(("memory" = MemoryId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = MemoryView), Refusals))]
async fn update_memory(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<MemoryId>,
    ValidJson(body): ValidJson<MemoryChange>,
) -> Result<Okay<MemoryView>, Error> {
    let text = body.text.trim();
    Ok(Okay(
        super::change(&room, caller.principal, id, text).await?,
    ))
}

/// Forgets one thing.
#[utoipa::path(delete, path = "/api/misaki/memories/{memory}", operation_id = "delete_memory", tag = "misaki",
    params(("memory" = MemoryId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "Forgotten."), Refusals))]
async fn delete_memory(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<MemoryId>,
) -> Result<NoContent, Error> {
    super::delete(&room, caller.principal, id).await?;
    Ok(NoContent)
}

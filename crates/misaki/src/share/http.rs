use api::{Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::{Path, State};
use identity::{Granted, Session, may};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Audience, CreatedShare, ShareId, ShareView, SharedChat};
use crate::{ChatId, Error, MessageId, Misaki};

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(create_share, list_shares))
        .routes(routes!(revoke_share))
        .routes(routes!(get_shared))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewShare {
    audience: Audience,
    /// The last message that is shown; the end of what is shown now unless said.
    until: Option<MessageId>,
}

impl Check for NewShare {
    fn check(&self, _: &mut FieldErrors) {}
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Shares {
    items: Vec<ShareView>,
}

/// Makes a link to a chat as it is shown now; what is said later is not in it.
#[utoipa::path(post, path = "/api/misaki/chats/{chat}/shares", operation_id = "create_share", tag = "misaki", request_body = NewShare,
    params(("chat" = ChatId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 201, body = CreatedShare), Refusals))]
async fn create_share(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
    ValidJson(body): ValidJson<NewShare>,
) -> Result<Created<CreatedShare>, Error> {
    Ok(Created(
        super::create(&room, caller.principal, id, (body.audience, body.until)).await?,
    ))
}

/// The links to a chat, newest first.
#[utoipa::path(get, path = "/api/misaki/chats/{chat}/shares", operation_id = "list_shares", tag = "misaki",
    params(("chat" = ChatId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Shares), Refusals))]
async fn list_shares(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ChatId>,
) -> Result<Okay<Shares>, Error> {
    let items = super::list(&room, caller.principal, id).await?;
    Ok(Okay(Shares { items }))
}

/// Takes a link back; whoever comes with it from now on finds nothing.
#[utoipa::path(delete, path = "/api/misaki/shares/{share}", operation_id = "revoke_share", tag = "misaki",
    params(("share" = ShareId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "Taken back."), Refusals))]
async fn revoke_share(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<ShareId>,
) -> Result<NoContent, Error> {
    super::revoke(&room, caller.principal, id).await?;
    Ok(NoContent)
}

/// A shared chat, read only; the token in the path is the right to read it.
#[utoipa::path(get, path = "/api/misaki/shared/{token}", operation_id = "get_shared_chat", tag = "misaki",
    params(("token" = String, Path, description = "The end of the link.")),
    responses((status = 200, body = SharedChat), Refusals))]
async fn get_shared(
    State(room): State<Misaki>,
    session: Option<Session>,
    Path(token): Path<String>,
) -> Result<Okay<SharedChat>, Error> {
    let signed_in = session.is_some_and(|session| session.principal.user.is_some());
    Ok(Okay(super::read(&room, &token, signed_in).await?))
}

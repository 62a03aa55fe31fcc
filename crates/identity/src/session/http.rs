use api::{NoContent, Okay, PathId, Refusals};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    View, guest,
    places::{list, revoke, revoke_others},
    sign_out,
};
use crate::{
    Error, Granted, Identity, Me, RequestMeta, Session, SessionId,
    cookie::Cookie,
    may, me,
    user::{entered, with_cookies},
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(post_logout))
        .routes(routes!(post_guest))
        .routes(routes!(get_sessions))
        .routes(routes!(delete_session))
        .routes(routes!(post_revoke_others))
}

/// Signs out; without a session nothing happens.
#[utoipa::path(post, path = "/auth/logout", operation_id = "logout", tag = "identity",
    responses((status = 204, description = "Signed out."), Refusals))]
async fn post_logout(
    State(room): State<Identity>,
    session: Option<Session>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    if let Some(session) = session {
        sign_out(&room, session, &meta).await?;
    }
    with_cookies(
        NoContent.into_response(),
        &[room.cookie.clear(Cookie::Session)],
    )
}

/// Comes in as a guest; with a live session nothing changes.
#[utoipa::path(post, path = "/auth/guest", operation_id = "enter_as_guest", tag = "identity",
    responses((status = 200, description = "There was a session.", body = Me), (status = 201, body = Me), Refusals))]
async fn post_guest(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    if let Some(session) = before {
        return Ok(Okay(me(&room, &session.into()).await?).into_response());
    }
    let opened = guest(&room, &meta).await?;
    entered(&room, StatusCode::CREATED, &opened).await
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Sessions {
    items: Vec<View>,
}

/// Where the user is signed in, the last used first.
#[utoipa::path(get, path = "/auth/sessions", operation_id = "get_sessions", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Sessions), Refusals))]
async fn get_sessions(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
) -> Result<Okay<Sessions>, Error> {
    let items = list(&room.cx, &caller).await?;
    Ok(Okay(Sessions { items }))
}

/// Signs out one place, everywhere within a second.
#[utoipa::path(delete, path = "/auth/sessions/{session}", operation_id = "revoke_session", tag = "identity",
    params(("session" = SessionId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204, description = "Signed out there."), Refusals))]
async fn delete_session(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    PathId(session): PathId<SessionId>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    revoke(&room.cx, &caller, session, &meta).await?;
    Ok(NoContent)
}

/// Signs out every other place.
#[utoipa::path(post, path = "/auth/sessions/revoke-others", operation_id = "revoke_other_sessions", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 204, description = "Signed out elsewhere."), Refusals))]
async fn post_revoke_others(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    revoke_others(&room.cx, &caller, &meta).await?;
    Ok(NoContent)
}

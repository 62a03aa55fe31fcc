use api::{Check, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Member, change_role, list, removal::remove};
use crate::{
    Error, Granted, Identity, Proven, RequestMeta, Role, Session, UserId, may, user::with_cookies,
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_members))
        .routes(routes!(update_member, remove_member))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Members {
    items: Vec<Member>,
}

/// Who belongs to the tenant, the first to join first.
#[utoipa::path(get, path = "/members", operation_id = "get_members", tag = "identity",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Members), Refusals))]
async fn get_members(
    State(room): State<Identity>,
    caller: Granted<may::MembersRead>,
) -> Result<Okay<Members>, Error> {
    let items = list(&room.cx, &caller).await?;
    Ok(Okay(Members { items }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct UpdateMember {
    role: Role,
}

impl Check for UpdateMember {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Gives a member another role. Admins neither change nor make owners, and the last owner stays one.
#[utoipa::path(patch, path = "/members/{user}", operation_id = "update_member", tag = "identity", request_body = UpdateMember,
    params(("user" = UserId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Member), Refusals))]
async fn update_member(
    State(room): State<Identity>,
    caller: Proven<may::MembersManage>,
    PathId(user): PathId<UserId>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<UpdateMember>,
) -> Result<Okay<Member>, Error> {
    let member = change_role(&room, &caller, user, body.role, &meta).await?;
    Ok(Okay(member))
}

/// Removes a member, or leaves. The member's sessions, API clients and keys of the tenant end with it.
#[utoipa::path(delete, path = "/members/{user}", operation_id = "remove_member", tag = "identity",
    params(("user" = UserId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204, description = "No member any more."), Refusals))]
async fn remove_member(
    State(room): State<Identity>,
    session: Option<Session>,
    caller: Granted<may::MembersRead>,
    PathId(user): PathId<UserId>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    let opened = remove(&room, &caller, session, user, &meta).await?;
    let cookies = opened.map_or_else(Vec::new, |opened| opened.cookies(room.cookie));
    with_cookies(NoContent.into_response(), &cookies)
}

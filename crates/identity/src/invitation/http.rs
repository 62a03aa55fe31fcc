use api::{Accepted, Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Invitation, accept, list, refresh, send, view, withdraw};
use crate::{
    Error, Granted, Identity, InvitationId, Me, RequestMeta, Role, Session, may,
    user::{check_email, entered},
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_invitations, create_invitation))
        .routes(routes!(withdraw_invitation))
        .routes(routes!(view_invitation))
        .routes(routes!(accept_invitation))
        .routes(routes!(refresh_invitation))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Invitations {
    items: Vec<Invitation>,
}

/// The open invitations of the tenant, the newest first.
#[utoipa::path(get, path = "/invitations", operation_id = "get_invitations", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Invitations), Refusals))]
async fn get_invitations(
    State(room): State<Identity>,
    caller: Granted<may::MembersManage>,
) -> Result<Okay<Invitations>, Error> {
    let items = list(&room.cx, &caller).await?;
    Ok(Okay(Invitations { items }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct CreateInvitation {
    #[schema(min_length = 3, max_length = 254, pattern = r"^[^@\s]+@[^@\s]{2,}$")]
    email: String,
    /// A role of the tenant's kind; children are added to a family instead.
    role: Role,
}

impl Check for CreateInvitation {
    fn check(&self, errors: &mut FieldErrors) {
        check_email(&self.email, errors);
    }
}

/// Invites an address for seven days. A letter goes to it; an open invitation of the same address is replaced.
#[utoipa::path(post, path = "/invitations", operation_id = "create_invitation", tag = "identity", request_body = CreateInvitation,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = Invitation), Refusals))]
async fn create_invitation(
    State(room): State<Identity>,
    caller: Granted<may::MembersManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<CreateInvitation>,
) -> Result<Created<Invitation>, Error> {
    let invitation = send(&room, &caller, &body.email, body.role, &meta).await?;
    Ok(Created(invitation))
}

/// Takes an invitation back; its links work no more.
#[utoipa::path(delete, path = "/invitations/{id}", operation_id = "withdraw_invitation", tag = "identity",
    params(("id" = InvitationId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204, description = "Withdrawn."), Refusals))]
async fn withdraw_invitation(
    State(room): State<Identity>,
    caller: Granted<may::MembersManage>,
    PathId(id): PathId<InvitationId>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    withdraw(&room, &caller, id, &meta).await?;
    Ok(NoContent)
}

/// The token of the link that the letter carried.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct InvitationToken {
    #[schema(min_length = 20, max_length = 100)]
    token: String,
}

impl Check for InvitationToken {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.token, "/token", 20, 100);
    }
}

/// What a link invites to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct InvitationView {
    tenant: InvitingTenant,
    role: Role,
    /// The address that was invited, and the only one that can accept.
    email: String,
    /// Whether the link is over, so that a fresh one has to be mailed.
    stale: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct InvitingTenant {
    /// family, school or team.
    kind: &'static str,
    name: String,
}

/// Shows what a link invites to. No session is needed.
#[utoipa::path(post, path = "/invitations/view", operation_id = "view_invitation", tag = "identity", request_body = InvitationToken,
    responses((status = 200, body = InvitationView), Refusals))]
async fn view_invitation(
    State(room): State<Identity>,
    ValidJson(body): ValidJson<InvitationToken>,
) -> Result<Okay<InvitationView>, Error> {
    let (invited, stale) = view(&room, &body.token).await?;
    Ok(Okay(InvitationView {
        tenant: InvitingTenant {
            kind: invited.tenant_kind.as_str(),
            name: invited.tenant_name,
        },
        role: invited.shown.role,
        email: invited.shown.email,
        stale,
    }))
}

/// Accepts an invitation, once. The user's address has to be the invited one; the session acts for the tenant from now on.
#[utoipa::path(post, path = "/invitations/accept", operation_id = "accept_invitation", tag = "identity", request_body = InvitationToken,
    security(("session" = [])), responses((status = 200, body = Me), Refusals))]
async fn accept_invitation(
    State(room): State<Identity>,
    session: Session,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<InvitationToken>,
) -> Result<Response, Error> {
    let opened = accept(&room, &caller, session, &body.token, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

/// Mails a fresh link to the invited address, for whoever holds an old one. No session is needed.
#[utoipa::path(post, path = "/invitations/refresh", operation_id = "refresh_invitation", tag = "identity", request_body = InvitationToken,
    responses((status = 202, description = "On its way to the invited address."), Refusals))]
async fn refresh_invitation(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<InvitationToken>,
) -> Result<Accepted<Value>, Error> {
    refresh(&room, &body.token, &meta).await?;
    Ok(Accepted(json!({})))
}

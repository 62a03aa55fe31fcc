use api::{Check, Created, FieldErrors, Okay, Refusals, ValidJson};
use axum::{extract::State, http::StatusCode, response::Response};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Kind, TenantView, create, list, rename, switch};
use crate::{Error, Granted, Identity, Me, RequestMeta, Session, TenantId, may, user::entered};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_tenants, create_tenant))
        .routes(routes!(update_tenant))
        .routes(routes!(switch_tenant))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Tenants {
    items: Vec<TenantView>,
}

/// All tenants that the user may act for, their own first.
#[utoipa::path(get, path = "/tenants", operation_id = "get_tenants", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Tenants), Refusals))]
async fn get_tenants(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
) -> Result<Okay<Tenants>, Error> {
    let items = list(&room.cx, &caller).await?;
    Ok(Okay(Tenants { items }))
}

/// What several people can be together.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum GroupKind {
    Family,
    School,
    Team,
}

impl From<GroupKind> for Kind {
    fn from(kind: GroupKind) -> Self {
        match kind {
            GroupKind::Family => Self::Family,
            GroupKind::School => Self::School,
            GroupKind::Team => Self::Team,
        }
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct CreateTenant {
    kind: GroupKind,
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

impl Check for CreateTenant {
    fn check(&self, errors: &mut FieldErrors) {
        check_name(&self.name, "/name", 80, errors);
    }
}

/// Makes a family, whose first guardian the caller is, or a school or team, whose owner the caller is.
#[utoipa::path(post, path = "/tenants", operation_id = "create_tenant", tag = "identity", request_body = CreateTenant,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = TenantView), Refusals))]
async fn create_tenant(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<CreateTenant>,
) -> Result<Created<TenantView>, Error> {
    let view = create(
        &room,
        caller.person()?,
        body.kind.into(),
        body.name.trim(),
        &meta,
    )
    .await?;
    Ok(Created(view))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct UpdateTenant {
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

impl Check for UpdateTenant {
    fn check(&self, errors: &mut FieldErrors) {
        check_name(&self.name, "/name", 80, errors);
    }
}

/// Renames the tenant that the caller acts for.
#[utoipa::path(patch, path = "/tenants/current", operation_id = "update_tenant", tag = "identity", request_body = UpdateTenant,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = TenantView), Refusals))]
async fn update_tenant(
    State(room): State<Identity>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<UpdateTenant>,
) -> Result<Okay<TenantView>, Error> {
    let view = rename(&room, &caller, body.name.trim(), &meta).await?;
    Ok(Okay(view))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct SwitchTenant {
    tenant: TenantId,
}

impl Check for SwitchTenant {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Acts for another tenant of the user from now on, in this browser.
#[utoipa::path(post, path = "/auth/tenant", operation_id = "switch_tenant", tag = "identity", request_body = SwitchTenant,
    security(("session" = [])), responses((status = 200, body = Me), Refusals))]
async fn switch_tenant(
    State(room): State<Identity>,
    session: Session,
    meta: RequestMeta,
    ValidJson(body): ValidJson<SwitchTenant>,
) -> Result<Response, Error> {
    let opened = switch(&room, session, body.tenant, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

/// A name that people can read: some letter or digit, and nothing that steers a terminal or a page.
pub(crate) fn check_name(name: &str, pointer: &str, most: usize, errors: &mut FieldErrors) {
    let name = name.trim();
    errors.length(name, pointer, 1, most);
    errors.require(
        name.is_empty() || name.chars().any(char::is_alphanumeric),
        pointer,
        "name",
        Text::new(
            "文字か数字を入れてください。",
            "Please use at least one letter or digit.",
        ),
    );
    errors.require(
        !name.chars().any(char::is_control),
        pointer,
        "control",
        Text::new(
            "改行などの制御文字は使えません。",
            "Line breaks and other control characters can't be used.",
        ),
    );
}

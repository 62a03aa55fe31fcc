use api::{NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::{Path, State};
use identity::{Granted, Proven, RequestMeta, TenantId, may};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Cap, caps_of, set_cap};
use crate::{Entitlement, Error, Giver, budget::http::Monthly};

pub(crate) fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(list_caps))
        .routes(routes!(set_tenant_cap, remove_tenant_cap))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Caps {
    items: Vec<Cap>,
}

/// Lists what the house lets a tenant use in a month, and what it used. The unit `STOREFRONT.cost` is what the models cost there,
/// in billionths of a US dollar.
#[utoipa::path(get, path = "/admin/tenants/{tenant}/caps", operation_id = "list_caps", tag = "admin",
    params(("tenant" = TenantId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Caps), Refusals))]
async fn list_caps(
    State(room): State<Entitlement>,
    _: Granted<may::HouseOperate>,
    PathId(tenant): PathId<TenantId>,
) -> Result<Okay<Caps>, Error> {
    let items = caps_of(&room, tenant).await?;
    Ok(Okay(Caps { items }))
}

/// Sets what a tenant may use of a unit in a month. Its own limits may be stricter; of all of them the strictest holds.
#[utoipa::path(put, path = "/admin/tenants/{tenant}/caps/{unit}", operation_id = "set_cap", tag = "admin",
    params(("tenant" = TenantId, Path), ("unit" = String, Path)), request_body = Monthly, security(("session" = [])),
    responses((status = 200, body = Cap), Refusals))]
async fn set_tenant_cap(
    State(room): State<Entitlement>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    Path((tenant, unit)): Path<(String, String)>,
    ValidJson(body): ValidJson<Monthly>,
) -> Result<Okay<Cap>, Error> {
    let tenant = tenant.parse().map_err(|_| Error::TenantNotFound)?;
    let by = Giver {
        principal: Some(caller.principal),
        meta: &meta,
    };
    let set = set_cap(&room, by, (tenant, &unit), Some(body.monthly)).await?;
    Ok(Okay(set.ok_or(Error::NoBudget)?))
}

/// Takes a tenant's cap away.
#[utoipa::path(delete, path = "/admin/tenants/{tenant}/caps/{unit}", operation_id = "remove_cap", tag = "admin",
    params(("tenant" = TenantId, Path), ("unit" = String, Path)), security(("session" = [])),
    responses((status = 204), Refusals))]
async fn remove_tenant_cap(
    State(room): State<Entitlement>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    Path((tenant, unit)): Path<(String, String)>,
) -> Result<NoContent, Error> {
    let tenant = tenant.parse().map_err(|_| Error::TenantNotFound)?;
    let by = Giver {
        principal: Some(caller.principal),
        meta: &meta,
    };
    set_cap(&room, by, (tenant, &unit), None).await?;
    Ok(NoContent)
}

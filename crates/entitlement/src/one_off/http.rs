use api::{Check, Created, FieldErrors, Okay, PageQuery, PathId, Refusals, ValidJson, ValidQuery};
use axum::{
    extract::{Path, State},
    http::HeaderMap,
};
use chrono::{DateTime, Utc};
use identity::{Caller, Granted, Proven, RequestMeta, TenantId, may};
use kernel::Page;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Giver, GrantView, OneOff, check_reason};
use crate::{Entitlement, Error};

pub(crate) fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(list_one_off_grants, give_one_off_grant))
        .routes(routes!(revoke_one_off_grant))
}

/// Units to give a tenant beside its plan.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOneOffGrant {
    /// One of a plan or a top-up, such as `misaki.chat`.
    #[schema(min_length = 1, max_length = 61)]
    unit: String,
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: i64,
    /// Within the next five years; without it they never expire.
    expires_at: Option<DateTime<Utc>>,
    /// Why, in one line. The customer reads it.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

impl Check for NewOneOffGrant {
    /// The rest depends on the plans and on the time.
    fn check(&self, errors: &mut FieldErrors) {
        check_reason(&self.reason, errors);
    }
}

/// Lists what operators gave a tenant beside its plan, the newest first, and what became of it.
#[utoipa::path(get, path = "/admin/tenants/{tenant}/grants", operation_id = "list_one_off_grants", tag = "admin",
    params(("tenant" = TenantId, Path), PageQuery), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Page<GrantView>), Refusals))]
async fn list_one_off_grants(
    State(room): State<Entitlement>,
    _: Granted<may::HouseOperate>,
    PathId(tenant): PathId<TenantId>,
    ValidQuery(page): ValidQuery<PageQuery>,
) -> Result<Okay<Page<GrantView>>, Error> {
    Ok(Okay(
        super::grants_of(&room, tenant, &page.request()).await?,
    ))
}

/// Gives a tenant units beside its plan. The same `Idempotency-Key` gives nothing more, however long after.
#[utoipa::path(post, path = "/admin/tenants/{tenant}/grants", operation_id = "give_one_off_grant", tag = "admin",
    params(("tenant" = TenantId, Path)), request_body = NewOneOffGrant, security(("session" = [])),
    responses((status = 201, body = GrantView), Refusals))]
async fn give_one_off_grant(
    State(room): State<Entitlement>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    PathId(tenant): PathId<TenantId>,
    headers: HeaderMap,
    ValidJson(body): ValidJson<NewOneOffGrant>,
) -> Result<Created<GrantView>, Error> {
    let wish = OneOff {
        unit: body.unit,
        amount: body.amount,
        expires_at: body.expires_at,
        reason: body.reason,
        key: key(&headers),
    };
    let given = super::give(&room, giver(&caller, &meta), tenant, wish).await?;
    Ok(Created(given))
}

/// Why units are taken back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokedGrant {
    /// In one line. The customer reads it.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

impl Check for RevokedGrant {
    fn check(&self, errors: &mut FieldErrors) {
        check_reason(&self.reason, errors);
    }
}

/// Takes back what nobody used of a grant. What is set aside for work at this moment may still be used; said again it changes
/// nothing.
#[utoipa::path(post, path = "/admin/tenants/{tenant}/grants/{grant}/revoke", operation_id = "revoke_one_off_grant", tag = "admin",
    params(("tenant" = TenantId, Path), ("grant" = super::GrantId, Path)), request_body = RevokedGrant,
    security(("session" = [])), responses((status = 200, body = GrantView), Refusals))]
async fn revoke_one_off_grant(
    State(room): State<Entitlement>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    Path((tenant, grant)): Path<(String, String)>,
    ValidJson(body): ValidJson<RevokedGrant>,
) -> Result<Okay<GrantView>, Error> {
    let of = tenant.parse().ok().zip(grant.parse().ok());
    let of = of.ok_or(Error::GrantNotFound)?;
    let taken = super::revoke(&room, giver(&caller, &meta), of, &body.reason).await?;
    Ok(Okay(taken))
}

fn giver<'a>(caller: &Caller, meta: &'a RequestMeta) -> Giver<'a> {
    Giver {
        principal: Some(caller.principal),
        meta,
    }
}

/// The key that the door's own layer has looked at already.
fn key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("idempotency-key")?.to_str().ok()?;
    Some(value.trim().trim_matches('"').to_owned())
}

use api::{Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::State;
use identity::{Caller, Granted, Proven, RequestMeta, may};
use kernel::Text;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    CredentialChange, CredentialId, CredentialView, NewCredential, Operator, add_credential,
    change_credential, list_credentials, remove_credential, rotate_credential,
};
use crate::{Error, Gateway};

/// The account listener's routes.
pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_providers, add_provider))
        .routes(routes!(change_provider, remove_provider))
        .routes(routes!(rotate_provider))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ProviderCredentials {
    items: Vec<CredentialView>,
}

/// Keys of providers that were registered, without the keys; those of the settings are not among them.
#[utoipa::path(get, path = "/admin/providers", operation_id = "list_provider_credentials", tag = "admin",
    security(("session" = [])), responses((status = 200, body = ProviderCredentials), Refusals))]
async fn list_providers(
    State(room): State<Gateway>,
    _: Granted<may::HouseOperate>,
) -> Result<Okay<ProviderCredentials>, Error> {
    let items = list_credentials(&room.cx).await?;
    Ok(Okay(ProviderCredentials { items }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewProviderCredential {
    /// As the model file names it, such as `openai`.
    #[schema(min_length = 1, max_length = 40)]
    provider: String,
    /// openai, anthropic, bedrock, runpod or runpod-text; as the provider's name says unless given.
    #[serde(default)]
    #[schema(max_length = 20)]
    kind: String,
    /// Where it answers; where the provider usually does unless given.
    #[serde(default)]
    #[schema(max_length = 300)]
    base_url: String,
    /// Where it works, such as `ap-northeast-1`: Bedrock is asked there, and requests may ask for regions.
    #[serde(default)]
    #[schema(max_length = 40)]
    region: String,
    /// It is never shown again.
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    secret: SecretString,
    /// Its share of the calls among the keys of the provider; 1 unless given.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000)]
    weight: i32,
}

const fn one() -> i32 {
    1
}

impl Check for NewProviderCredential {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.provider, "/provider", 1, 40);
        errors.length(&self.kind, "/kind", 0, 20);
        errors.length(&self.base_url, "/base_url", 0, 300);
        errors.length(&self.region, "/region", 0, 40);
        check_secret(&self.secret, errors);
        check_weight(Some(self.weight), errors);
    }
}

fn check_secret(secret: &SecretString, errors: &mut FieldErrors) {
    errors.length(secret.expose_secret(), "/secret", 1, 4096);
}

fn check_weight(weight: Option<i32>, errors: &mut FieldErrors) {
    errors.require(
        weight.is_none_or(|weight| (1..=1000).contains(&weight)),
        "/weight",
        "out_of_range",
        Text::new(
            "1〜1000の数にしてください。",
            "It has to be between 1 and 1000.",
        ),
    );
}

/// Registers a key of a provider. All nodes use it within a few seconds.
#[utoipa::path(post, path = "/admin/providers", operation_id = "add_provider_credential", tag = "admin",
    request_body = NewProviderCredential, security(("session" = [])), responses((status = 201, body = CredentialView), Refusals))]
async fn add_provider(
    State(room): State<Gateway>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewProviderCredential>,
) -> Result<Created<CredentialView>, Error> {
    let new = NewCredential {
        provider: body.provider,
        kind: body.kind,
        base_url: body.base_url,
        region: body.region,
        secret: body.secret,
        weight: body.weight,
    };
    let by = operator(&caller, &meta);
    let added = add_credential(&room.cx, room.identity.vault(), by, new).await?;
    Ok(Created(added))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ProviderCredentialChange {
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<i32>,
    /// Off, no node uses it any more.
    enabled: Option<bool>,
}

impl Check for ProviderCredentialChange {
    fn check(&self, errors: &mut FieldErrors) {
        check_weight(self.weight, errors);
    }
}

/// Changes the share of a key, or switches it off or on.
#[utoipa::path(patch, path = "/admin/providers/{credential}", operation_id = "change_provider_credential", tag = "admin",
    params(("credential" = CredentialId, Path)), request_body = ProviderCredentialChange, security(("session" = [])),
    responses((status = 200, body = CredentialView), Refusals))]
async fn change_provider(
    State(room): State<Gateway>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    PathId(credential): PathId<CredentialId>,
    ValidJson(body): ValidJson<ProviderCredentialChange>,
) -> Result<Okay<CredentialView>, Error> {
    let change = CredentialChange {
        weight: body.weight,
        enabled: body.enabled,
    };
    let by = operator(&caller, &meta);
    let changed = change_credential(&room.cx, by, credential, change).await?;
    Ok(Okay(changed))
}

/// Forgets a key with its secret.
#[utoipa::path(delete, path = "/admin/providers/{credential}", operation_id = "remove_provider_credential", tag = "admin",
    params(("credential" = CredentialId, Path)), security(("session" = [])),
    responses((status = 204, description = "It is gone."), Refusals))]
async fn remove_provider(
    State(room): State<Gateway>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    PathId(credential): PathId<CredentialId>,
) -> Result<NoContent, Error> {
    remove_credential(&room.cx, operator(&caller, &meta), credential).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewProviderSecret {
    /// It is never shown again.
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    secret: SecretString,
}

impl Check for NewProviderSecret {
    fn check(&self, errors: &mut FieldErrors) {
        check_secret(&self.secret, errors);
    }
}

/// Puts a new secret in the place of the one before, which is used no more.
#[utoipa::path(post, path = "/admin/providers/{credential}/rotate", operation_id = "rotate_provider_credential", tag = "admin",
    params(("credential" = CredentialId, Path)), request_body = NewProviderSecret, security(("session" = [])),
    responses((status = 200, body = CredentialView), Refusals))]
async fn rotate_provider(
    State(room): State<Gateway>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    PathId(credential): PathId<CredentialId>,
    ValidJson(body): ValidJson<NewProviderSecret>,
) -> Result<Okay<CredentialView>, Error> {
    let (cx, vault) = (&room.cx, room.identity.vault());
    let by = operator(&caller, &meta);
    let rotated = rotate_credential(cx, vault, by, credential, &body.secret).await?;
    Ok(Okay(rotated))
}

fn operator<'a>(caller: &Caller, meta: &'a RequestMeta) -> Operator<'a> {
    Operator {
        principal: Some(caller.principal),
        meta,
    }
}

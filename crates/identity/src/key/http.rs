use api::{Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Duration, Utc};
use ipnet::IpNet;
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Key, KeyTerms, LONGEST_GRACE, NewKey, STOREFRONT, create, list, report_leak, revoke, rotate,
    scopes_for_keys, update,
};
use crate::{
    Caller, Error, Granted, Identity, KeyId, Permission, Proven, RequestMeta, double, may, throttle,
};

/// The longest secret that is looked at; ours have 53 characters.
const LONGEST_SECRET: usize = 200;

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_keys, create_key))
        .routes(routes!(update_key, revoke_key))
        .routes(routes!(rotate_key))
        .routes(routes!(report_leaked_key))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Keys {
    items: Vec<Key>,
}

/// The API keys of the tenant, without their secrets.
#[utoipa::path(get, path = "/keys", operation_id = "get_keys", tag = "identity",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Keys), Refusals))]
async fn get_keys(
    State(room): State<Identity>,
    caller: Granted<may::KeysManage>,
) -> Result<Okay<Keys>, Error> {
    let items = list(&room.cx, caller.principal).await?;
    Ok(Okay(Keys { items }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct CreateKey {
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// `genai` unless said.
    #[schema(min_length = 1, max_length = 20)]
    storefront: Option<String>,
    /// `inference.use` and `usage.read` unless said.
    #[schema(max_items = 5)]
    scopes: Option<Vec<String>>,
    #[schema(max_items = 50)]
    models: Option<Vec<String>>,
    /// Addresses or networks in CIDR form.
    #[schema(max_items = 50)]
    ip_ranges: Option<Vec<String>>,
    #[schema(minimum = 1)]
    daily_cap: Option<i64>,
    /// Billionths of a US dollar.
    #[schema(minimum = 1)]
    daily_cost_nano_usd: Option<i64>,
    expires_at: Option<DateTime<Utc>>,
}

impl Check for CreateKey {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.name.trim(), "/name", 1, 60);
        check_storefront(self.storefront.as_deref(), errors);
        check_scopes(self.scopes.as_deref(), errors);
        check_models(self.models.as_deref(), errors);
        check_ranges(self.ip_ranges.as_deref(), errors);
        check_cap(self.daily_cap, "/daily_cap", errors);
        check_cap(self.daily_cost_nano_usd, "/daily_cost_nano_usd", errors);
    }
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/keys", operation_id = "create_key", tag = "identity", request_body = CreateKey,
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 201, body = NewKey), Refusals))]
async fn create_key(
    State(room): State<Identity>,
    caller: Proven<may::KeysManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<CreateKey>,
) -> Result<Created<NewKey>, Error> {
    let named = KeyTerms::named(body.name.trim());
    let terms = KeyTerms {
        storefront: body.storefront.unwrap_or_else(|| STOREFRONT.to_owned()),
        scopes: body
            .scopes
            .as_deref()
            .and_then(scopes_for_keys)
            .unwrap_or_else(|| named.scopes.clone()),
        models: body.models,
        ip_ranges: networks(body.ip_ranges.as_deref()),
        daily_cap: body.daily_cap,
        daily_cost_nano_usd: body.daily_cost_nano_usd,
        expires_at: body.expires_at,
        ..named
    };
    within_scopes(&caller, &terms.scopes)?;
    let new = create(&room, &terms, caller.principal, &meta).await?;
    Ok(Created(new))
}

/// What is left out stays; `null` takes a limit away.
#[expect(
    clippy::option_option,
    reason = "left out, null and a value are three things"
)]
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct UpdateKey {
    #[schema(min_length = 1, max_length = 60)]
    name: Option<String>,
    #[schema(max_items = 5)]
    scopes: Option<Vec<String>>,
    #[serde(default, with = "double")]
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    models: Option<Option<Vec<String>>>,
    #[serde(default, with = "double")]
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    ip_ranges: Option<Option<Vec<String>>>,
    #[serde(default, with = "double")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    daily_cap: Option<Option<i64>>,
    /// Billionths of a US dollar.
    #[serde(default, with = "double")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    daily_cost_nano_usd: Option<Option<i64>>,
    #[serde(default, with = "double")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Option<DateTime<Utc>>>,
}

impl Check for UpdateKey {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(name) = &self.name {
            errors.length(name.trim(), "/name", 1, 60);
        }
        check_scopes(self.scopes.as_deref(), errors);
        check_models(self.models.as_ref().and_then(Option::as_deref), errors);
        check_ranges(self.ip_ranges.as_ref().and_then(Option::as_deref), errors);
        check_cap(self.daily_cap.flatten(), "/daily_cap", errors);
        check_cap(
            self.daily_cost_nano_usd.flatten(),
            "/daily_cost_nano_usd",
            errors,
        );
    }
}

impl UpdateKey {
    fn apply(self, terms: &mut KeyTerms) {
        if let Some(name) = self.name {
            name.trim().clone_into(&mut terms.name);
        }
        if let Some(scopes) = self.scopes.as_deref().and_then(scopes_for_keys) {
            terms.scopes = scopes;
        }
        if let Some(models) = self.models {
            terms.models = models;
        }
        if let Some(ranges) = self.ip_ranges {
            terms.ip_ranges = networks(ranges.as_deref());
        }
        if let Some(cap) = self.daily_cap {
            terms.daily_cap = cap;
        }
        if let Some(cost) = self.daily_cost_nano_usd {
            terms.daily_cost_nano_usd = cost;
        }
        if let Some(expires_at) = self.expires_at {
            terms.expires_at = expires_at;
        }
    }
}

/// Changes a key's name and limits; they hold everywhere within a second.
#[utoipa::path(patch, path = "/keys/{key}", operation_id = "update_key", tag = "identity", request_body = UpdateKey,
    params(("key" = KeyId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Key), Refusals))]
async fn update_key(
    State(room): State<Identity>,
    caller: Proven<may::KeysManage>,
    PathId(key): PathId<KeyId>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<UpdateKey>,
) -> Result<Okay<Key>, Error> {
    if let Some(scopes) = body.scopes.as_deref().and_then(scopes_for_keys) {
        within_scopes(&caller, &scopes)?;
    }
    let key = update(
        &room,
        key,
        |terms| body.apply(terms),
        caller.principal,
        &meta,
    )
    .await?;
    Ok(Okay(key))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct RotateKey {
    /// How long the secret before goes on: up to 720 hours (30 days).
    #[schema(minimum = 0, maximum = 720)]
    grace_hours: i64,
}

impl Check for RotateKey {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            (0..=LONGEST_GRACE.num_hours()).contains(&self.grace_hours),
            "/grace_hours",
            "range",
            Text::new(
                "0〜720時間で指定してください。",
                "Please use 0 to 720 hours.",
            ),
        );
    }
}

/// Gives a key a new secret; the one before goes on for a while. The key's id, limits and history stay.
#[utoipa::path(post, path = "/keys/{key}/rotate", operation_id = "rotate_key", tag = "identity", request_body = RotateKey,
    params(("key" = KeyId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = NewKey), Refusals))]
async fn rotate_key(
    State(room): State<Identity>,
    caller: Proven<may::KeysManage>,
    PathId(key): PathId<KeyId>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<RotateKey>,
) -> Result<Okay<NewKey>, Error> {
    let grace = Duration::hours(body.grace_hours);
    Ok(Okay(
        rotate(&room, key, grace, caller.principal, &meta).await?,
    ))
}

/// Ends a key, everywhere within a second.
#[utoipa::path(delete, path = "/keys/{key}", operation_id = "revoke_key", tag = "identity",
    params(("key" = KeyId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "It works no more."), Refusals))]
async fn revoke_key(
    State(room): State<Identity>,
    caller: Granted<may::KeysManage>,
    PathId(key): PathId<KeyId>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    revoke(&room, key, caller.principal, &meta).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct LeakedKey {
    #[schema(min_length = 1, max_length = 200)]
    key: String,
}

impl Check for LeakedKey {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.key, "/key", 1, LONGEST_SECRET);
    }
}

/// Takes a key that was found in the open: it is revoked, and its owner gets a letter. The answer is the same for
/// whatever is sent.
#[utoipa::path(post, path = "/keys/leaked", operation_id = "report_leaked_key", tag = "identity", request_body = LeakedKey,
    responses((status = 202, description = "Thank you."), Refusals))]
async fn report_leaked_key(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<LeakedKey>,
) -> Result<Response, Error> {
    throttle::count(&room.cx, throttle::LETTERS_OF_NETWORK, &meta.source()).await?;
    report_leak(&room, body.key.trim(), &meta).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(serde_json::json!({}))).into_response())
}

/// A caller gives a key nothing that it does not have itself.
fn within_scopes(caller: &Caller, scopes: &[Permission]) -> Result<(), Error> {
    let has_all = scopes.iter().all(|scope| caller.may(*scope));
    has_all.then_some(()).ok_or(Error::Forbidden)
}

fn networks(words: Option<&[String]>) -> Option<Vec<IpNet>> {
    Some(words?.iter().filter_map(|word| network(word)).collect())
}

/// An address alone is a network of one.
fn network(word: &str) -> Option<IpNet> {
    let word = word.trim();
    word.parse()
        .ok()
        .or_else(|| word.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn check_storefront(storefront: Option<&str>, errors: &mut FieldErrors) {
    errors.require(
        storefront.is_none_or(|name| matches!(name, "misaki" | "webgpt" | "genai" | "narai")),
        "/storefront",
        "unknown",
        Text::new(
            "misaki、webgpt、genai、naraiのどれかにしてください。",
            "Please use misaki, webgpt, genai or narai.",
        ),
    );
}

fn check_scopes(scopes: Option<&[String]>, errors: &mut FieldErrors) {
    errors.require(
        scopes.is_none_or(|scopes| {
            !scopes.is_empty() && scopes.len() <= 5 && scopes_for_keys(scopes).is_some()
        }),
        "/scopes",
        "unknown",
        Text::new(
            "キーに持たせられる権限を1つ以上選んでください。",
            "Please choose one or more of the scopes that a key may have.",
        ),
    );
}

fn check_models(models: Option<&[String]>, errors: &mut FieldErrors) {
    errors.require(
        models.is_none_or(|models| {
            models.len() <= 50 && models.iter().all(|name| (1..=100).contains(&name.len()))
        }),
        "/models",
        "length",
        Text::new(
            "モデル名は50件までにしてください。",
            "Please name at most 50 models.",
        ),
    );
}

fn check_ranges(ranges: Option<&[String]>, errors: &mut FieldErrors) {
    errors.require(
        ranges.is_none_or(|ranges| {
            ranges.len() <= 50 && ranges.iter().all(|word| network(word).is_some())
        }),
        "/ip_ranges",
        "network",
        Text::new(
            "203.0.113.0/24 のような形で50件まで指定してください。",
            "Please use up to 50 networks in the form 203.0.113.0/24.",
        ),
    );
}

fn check_cap(cap: Option<i64>, place: &'static str, errors: &mut FieldErrors) {
    errors.require(
        cap.is_none_or(|cap| cap >= 1),
        place,
        "range",
        Text::new("1以上にしてください。", "Please use 1 or more."),
    );
}

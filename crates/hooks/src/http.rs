use api::{
    Accepted, Check, Created, FieldErrors, NoContent, Okay, PageQuery, PathId, Refusals, ValidJson,
    ValidQuery,
};
use axum::extract::State;
use chrono::{DateTime, Duration, Utc};
use identity::{Granted, RequestMeta, may};
use kernel::{Page, Text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    DeliveryId, DeliveryView, Error, EventType, HookId, HookView, Hooks, delivery, emit,
    endpoint::{self, Change, NewHook},
};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Hooks> {
    OpenApiRouter::new()
        .routes(routes!(get_hooks, create_hook))
        .routes(routes!(update_hook, delete_hook))
        .routes(routes!(roll_hook_secret))
        .routes(routes!(roll_run_hook_secret))
        .routes(routes!(test_hook))
        .routes(routes!(get_hook_deliveries))
        .routes(routes!(replay_hook_delivery))
        .routes(routes!(get_hook_event_types))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct HookList {
    items: Vec<HookView>,
}

/// Where the tenant is told what happens.
#[utoipa::path(get, path = "/hooks", operation_id = "get_hooks", tag = "hooks",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = HookList), Refusals))]
async fn get_hooks(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
) -> Result<Okay<HookList>, Error> {
    let items = endpoint::list(&room, caller.principal).await?;
    Ok(Okay(HookList { items }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateHook {
    /// An https address on the public internet.
    #[schema(min_length = 1, max_length = 2000)]
    url: String,
    /// Names of event types; empty: all.
    #[serde(default)]
    #[schema(max_items = 20)]
    event_types: Vec<String>,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
}

impl Check for CreateHook {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.url, "/url", 1, 2000);
        check_types(&self.event_types, errors);
        errors.length(&self.description, "/description", 0, 200);
    }
}

fn check_types(types: &[String], errors: &mut FieldErrors) {
    errors.require(
        types.len() <= 20 && types.iter().all(|name| EventType::named(name).is_some()),
        "/event_types",
        "event_type",
        Text::new(
            "この種類の通知はありません。",
            "There is no event of this type.",
        ),
    );
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct NewHookView {
    hook: HookView,
    /// Signs what is sent. It is shown this once.
    secret: String,
}

/// Adds an address to be told.
#[utoipa::path(post, path = "/hooks", operation_id = "create_hook", tag = "hooks", request_body = CreateHook,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = NewHookView), Refusals))]
async fn create_hook(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<CreateHook>,
) -> Result<Created<NewHookView>, Error> {
    let new = NewHook {
        url: body.url,
        event_types: body.event_types,
        description: body.description,
    };
    let (hook, secret) = endpoint::create(&room, caller.principal, &meta, new).await?;
    Ok(Created(NewHookView { hook, secret }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateHook {
    #[schema(min_length = 1, max_length = 2000)]
    url: Option<String>,
    #[schema(max_items = 20)]
    event_types: Option<Vec<String>>,
    #[schema(max_length = 200)]
    description: Option<String>,
    enabled: Option<bool>,
}

impl Check for UpdateHook {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(url) = &self.url {
            errors.length(url, "/url", 1, 2000);
        }
        if let Some(types) = &self.event_types {
            check_types(types, errors);
        }
        if let Some(description) = &self.description {
            errors.length(description, "/description", 0, 200);
        }
    }
}

/// Changes an address, what it is told, or switches it off and on.
#[utoipa::path(patch, path = "/hooks/{hook}", operation_id = "update_hook", tag = "hooks", params(("hook" = HookId, Path)),
    request_body = UpdateHook, security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = HookView), Refusals))]
async fn update_hook(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    PathId(hook): PathId<HookId>,
    ValidJson(body): ValidJson<UpdateHook>,
) -> Result<Okay<HookView>, Error> {
    let change = Change {
        url: body.url,
        event_types: body.event_types,
        description: body.description,
        enabled: body.enabled,
    };
    let view = endpoint::change(&room, caller.principal, &meta, hook, change).await?;
    Ok(Okay(view))
}

/// Removes an address with the record of what it was told.
#[utoipa::path(delete, path = "/hooks/{hook}", operation_id = "delete_hook", tag = "hooks", params(("hook" = HookId, Path)),
    security(("session" = []), ("access_token" = [])), responses((status = 204), Refusals))]
async fn delete_hook(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    PathId(hook): PathId<HookId>,
) -> Result<NoContent, Error> {
    endpoint::delete(&room, caller.principal, &meta, hook).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RollSecret {
    /// How long the secret before signs as well: 0 to 168, 24 unless said.
    #[schema(minimum = 0, maximum = 168)]
    grace_hours: Option<i64>,
}

impl Check for RollSecret {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.grace_hours
                .is_none_or(|hours| (0..=168).contains(&hours)),
            "/grace_hours",
            "range",
            Text::new("0〜168で指定してください。", "Please use 0 to 168."),
        );
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Rolled {
    /// It is shown this once.
    secret: String,
    /// Until then the secret before signs as well.
    old_secret_until: DateTime<Utc>,
}

/// Makes a new secret; for a while both sign.
#[utoipa::path(post, path = "/hooks/{hook}/secret", operation_id = "roll_hook_secret", tag = "hooks",
    params(("hook" = HookId, Path)), request_body = RollSecret,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = Rolled), Refusals))]
async fn roll_hook_secret(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    PathId(hook): PathId<HookId>,
    ValidJson(body): ValidJson<RollSecret>,
) -> Result<Created<Rolled>, Error> {
    let grace = Duration::hours(body.grace_hours.unwrap_or(24));
    let (secret, old_secret_until) =
        endpoint::roll_secret(&room, caller.principal, &meta, hook, grace).await?;
    Ok(Created(Rolled {
        secret,
        old_secret_until,
    }))
}

/// Makes a new secret for what is told at the addresses that single runs name (`webhook` of `POST /inference`); for a while the
/// one before signs as well. The first call shows the first secret that anybody knows.
#[utoipa::path(post, path = "/hooks/runs/secret", operation_id = "roll_run_hook_secret", tag = "hooks", request_body = RollSecret,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = Rolled), Refusals))]
async fn roll_run_hook_secret(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<RollSecret>,
) -> Result<Created<Rolled>, Error> {
    let grace = Duration::hours(body.grace_hours.unwrap_or(24));
    let hook = endpoint::ready_for_runs(&room, caller.principal.tenant).await?;
    let (secret, old_secret_until) =
        endpoint::roll_secret(&room, caller.principal, &meta, hook, grace).await?;
    Ok(Created(Rolled {
        secret,
        old_secret_until,
    }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct InLine {
    delivery: DeliveryId,
}

/// Sends `test.ping`.
#[utoipa::path(post, path = "/hooks/{hook}/test", operation_id = "test_hook", tag = "hooks", params(("hook" = HookId, Path)),
    security(("session" = []), ("access_token" = [])), responses((status = 202, body = InLine), Refusals))]
async fn test_hook(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    PathId(hook): PathId<HookId>,
) -> Result<Accepted<InLine>, Error> {
    let delivery = emit::test_ping(&room, caller.principal, hook).await?;
    Ok(Accepted(InLine { delivery }))
}

/// What an address was told, newest first, with every try and how the answer began.
#[utoipa::path(get, path = "/hooks/{hook}/deliveries", operation_id = "get_hook_deliveries", tag = "hooks",
    params(("hook" = HookId, Path), PageQuery), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Page<DeliveryView>), Refusals))]
async fn get_hook_deliveries(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    PathId(hook): PathId<HookId>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> Result<Okay<Page<DeliveryView>>, Error> {
    let page = delivery::list(&room, caller.principal, hook, &query.request()).await?;
    Ok(Okay(page))
}

/// Sends something again that was delivered or given up, under the same `webhook-id`.
#[utoipa::path(post, path = "/hooks/deliveries/{delivery}/replay", operation_id = "replay_hook_delivery", tag = "hooks",
    params(("delivery" = DeliveryId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 202, body = InLine), Refusals))]
async fn replay_hook_delivery(
    State(room): State<Hooks>,
    caller: Granted<may::TenantManage>,
    PathId(delivery): PathId<DeliveryId>,
) -> Result<Accepted<InLine>, Error> {
    delivery::replay(&room, caller.principal, delivery).await?;
    Ok(Accepted(InLine { delivery }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct EventTypeView {
    name: &'static str,
    text: Text,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct EventTypes {
    items: Vec<EventTypeView>,
}

/// What can be told.
#[utoipa::path(get, path = "/hooks/event-types", operation_id = "get_hook_event_types", tag = "hooks",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = EventTypes), Refusals))]
async fn get_hook_event_types(_: Granted<may::TenantManage>) -> Okay<EventTypes> {
    let items = EventType::ALL.map(|one| EventTypeView {
        name: one.as_str(),
        text: one.text(),
    });
    Okay(EventTypes {
        items: items.into(),
    })
}

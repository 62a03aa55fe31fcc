use api::{Check, Created, FieldErrors, Okay, PathId, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{TopUpOrder, TopUpOutcome};
use crate::{Billing, Error, OrderId};

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(place_topup_order))
        .routes(routes!(get_topup_order))
}

/// What to buy. What it costs is not the caller's to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceTopUpOrder {
    /// misaki, webgpt, genai or narai.
    #[schema(min_length = 1, max_length = 30)]
    storefront: String,
    /// The top-up's id.
    #[schema(min_length = 1, max_length = 30)]
    topup: String,
}

impl Check for PlaceTopUpOrder {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.storefront, "/storefront", 1, 30);
        errors.require(
            (1..=30).contains(&self.topup.len()),
            "/topup",
            "length",
            Text::new("買い足すものを指定してください。", "Please name a top-up."),
        );
    }
}

/// Shows what one is about to buy once, for a final confirmation, and keeps it as it is shown. Nothing is bought by this: the
/// order goes to `POST /billing/checkout-session`.
#[utoipa::path(post, path = "/billing/topup-orders", operation_id = "place_topup_order", tag = "billing",
    request_body = PlaceTopUpOrder, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = TopUpOrder), Refusals))]
async fn place_topup_order(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<PlaceTopUpOrder>,
) -> Result<Created<TopUpOrder>, Error> {
    let order = super::place(&room, &caller, &meta, &body.storefront, &body.topup).await?;
    Ok(Created(order))
}

/// Tells whether an order of a top-up is paid and its units are there.
#[utoipa::path(get, path = "/billing/topup-orders/{order}", operation_id = "get_topup_order", tag = "billing",
    params(("order" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = TopUpOutcome), Refusals))]
async fn get_topup_order(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    PathId(order): PathId<OrderId>,
) -> Result<Okay<TopUpOutcome>, Error> {
    let outcome = super::outcome(&room, caller.principal, order).await?;
    Ok(Okay(outcome))
}

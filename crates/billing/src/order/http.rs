use api::{Check, Created, FieldErrors, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Order;
use crate::{Billing, Error};

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new().routes(routes!(place_order))
}

/// What to order. What it costs is not the caller's to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    /// misaki, webgpt, genai or narai.
    #[schema(min_length = 1, max_length = 30)]
    storefront: String,
    /// The plan's id.
    #[schema(min_length = 1, max_length = 30)]
    plan: String,
}

impl Check for PlaceOrder {
    fn check(&self, errors: &mut FieldErrors) {
        check_wish(errors, &self.storefront, &self.plan);
    }
}

/// Whether a storefront and a plan could be names.
pub(crate) fn check_wish(errors: &mut FieldErrors, storefront: &str, plan: &str) {
    errors.require(
        (1..=30).contains(&storefront.len()),
        "/storefront",
        "length",
        Text::new("お店を指定してください。", "Please name a storefront."),
    );
    errors.require(
        (1..=30).contains(&plan.len()),
        "/plan",
        "length",
        Text::new("プランを指定してください。", "Please name a plan."),
    );
}

/// Shows what one is about to order, for a final confirmation, and keeps it as it is shown. Nothing is ordered by this.
#[utoipa::path(post, path = "/billing/orders", operation_id = "place_order", tag = "billing",
    request_body = PlaceOrder, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = Order), Refusals))]
async fn place_order(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<PlaceOrder>,
) -> Result<Created<Order>, Error> {
    let order = super::place(&room, &caller, &meta, &body.storefront, &body.plan).await?;
    Ok(Created(order))
}

use api::{Check, Created, FieldErrors, Okay, Refusals, ValidJson};
use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::HeaderMap,
};
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Billing, Error, SubscriptionView, auto, change, checkout, event, operate,
    order::{self, OrderId},
    points, portal, receipt, referral, subscription, topup,
};

/// Stripe's events are some kilobytes.
const LARGEST_EVENT: usize = 512 * 1024;

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Billing> {
    let events = OpenApiRouter::new()
        .routes(routes!(receive_stripe_event))
        .layer(DefaultBodyLimit::max(LARGEST_EVENT));
    OpenApiRouter::new()
        .routes(routes!(start_checkout))
        .routes(routes!(start_portal))
        .routes(routes!(list_subscriptions))
        .merge(order::http::router())
        .merge(change::http::router())
        .merge(topup::http::router())
        .merge(auto::http::router())
        .merge(receipt::http::router())
        .merge(operate::http::router())
        .merge(points::http::router())
        .merge(referral::http::router())
        .merge(events)
}

/// What to pay for: an order that was shown, or a plan by its name. What it costs is not the caller's to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct StartCheckout {
    /// What was shown and agreed to; then neither storefront nor plan.
    #[schema(value_type = Option<String>)]
    order: Option<OrderId>,
    /// misaki, webgpt, genai or narai.
    #[schema(min_length = 1, max_length = 30)]
    storefront: Option<String>,
    /// The plan's id.
    #[schema(min_length = 1, max_length = 30)]
    plan: Option<String>,
}

impl Check for StartCheckout {
    fn check(&self, errors: &mut FieldErrors) {
        if self.order.is_some() {
            errors.require(
                self.storefront.is_none() && self.plan.is_none(),
                "/order",
                "alone",
                Text::new(
                    "注文を指定するときは、お店とプランを書かないでください。",
                    "An order says the storefront and the plan itself.",
                ),
            );
        } else {
            let storefront = self.storefront.as_deref().unwrap_or_default();
            order::http::check_wish(errors, storefront, self.plan.as_deref().unwrap_or_default());
        }
    }
}

/// Where to go on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Hosted {
    /// A page of Stripe's, good for a while.
    url: String,
}

/// Opens the way to pay for a plan or a top-up. Nothing is granted by coming back from there: only a paid invoice does that.
#[utoipa::path(post, path = "/billing/checkout-session", operation_id = "start_checkout", tag = "billing",
    request_body = StartCheckout, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = Hosted), Refusals))]
async fn start_checkout(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<StartCheckout>,
) -> Result<Created<Hosted>, Error> {
    let wish = match (body.order, &body.storefront, &body.plan) {
        (Some(order), ..) => checkout::Wish::Order(order),
        (None, Some(storefront), Some(plan)) => checkout::Wish::Plan { storefront, plan },
        _ => return Err(Error::NoOrder),
    };
    let url = checkout::start(&room, &caller, &meta, wish).await?;
    Ok(Created(Hosted { url }))
}

/// Opens the page where one changes how one pays, and cancels.
#[utoipa::path(post, path = "/billing/portal-session", operation_id = "start_portal", tag = "billing",
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = Hosted), Refusals))]
async fn start_portal(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
) -> Result<Created<Hosted>, Error> {
    let url = portal::start(&room, &caller, &meta).await?;
    Ok(Created(Hosted { url }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Subscriptions {
    items: Vec<SubscriptionView>,
}

/// Lists the tenant's subscriptions, newest first, those that are over too.
#[utoipa::path(get, path = "/billing/subscriptions", operation_id = "list_subscriptions", tag = "billing",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Subscriptions), Refusals))]
async fn list_subscriptions(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
) -> Result<Okay<Subscriptions>, Error> {
    let items = subscription::list(&room, caller.principal).await?;
    Ok(Okay(Subscriptions { items }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Received {
    received: bool,
}

/// Takes an event of Stripe's. The signature over the body's bytes is the proof, so neither a cookie nor a token is looked at.
#[utoipa::path(post, path = "/webhooks/stripe", operation_id = "receive_stripe_event", tag = "billing",
    request_body(content = Object, content_type = "application/json"),
    params(("stripe-signature" = String, Header, description = "Time and signatures of the body, as Stripe writes them.")),
    responses((status = 200, body = Received), Refusals))]
async fn receive_stripe_event(
    State(room): State<Billing>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Okay<Received>, Error> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Error::NotJson);
    }
    let signature = header("stripe-signature");
    event::receive(&room, signature, &body).await?;
    Ok(Okay(Received { received: true }))
}

use api::{Check, FieldErrors, Okay, Refusals, ValidJson};
use axum::extract::{Path, State};
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Billing, Error, OrderId, SubscriptionView};

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(change_subscription))
        .routes(routes!(cancel_subscription))
        .routes(routes!(resume_subscription))
}

/// The order that one agrees to.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Agreed {
    #[schema(value_type = String)]
    order: OrderId,
}

impl Check for Agreed {
    fn check(&self, errors: &mut FieldErrors) {
        // what can't be read as an id was refused before
        errors.require(
            !self.order.0.is_nil(),
            "/order",
            "id",
            Text::new("注文を指定してください。", "Please name an order."),
        );
    }
}

/// Changes the plan of a subscription as the order says: a dearer one at once, a cheaper one with the next period.
#[utoipa::path(post, path = "/billing/subscriptions/{subscription}/change", operation_id = "change_subscription", tag = "billing",
    params(("subscription" = String, Path)), request_body = Agreed, security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = SubscriptionView), Refusals))]
async fn change_subscription(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    Path(subscription): Path<String>,
    ValidJson(body): ValidJson<Agreed>,
) -> Result<Okay<SubscriptionView>, Error> {
    let view = super::change(&room, &caller, &meta, &subscription, body.order).await?;
    Ok(Okay(view))
}

/// Tells a subscription to end with its period.
#[utoipa::path(post, path = "/billing/subscriptions/{subscription}/cancel", operation_id = "cancel_subscription", tag = "billing",
    params(("subscription" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = SubscriptionView), Refusals))]
async fn cancel_subscription(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    Path(subscription): Path<String>,
) -> Result<Okay<SubscriptionView>, Error> {
    let view = super::set_ending(&room, &caller, &meta, &subscription, true).await?;
    Ok(Okay(view))
}

/// Lets a subscription go on that was told to end.
#[utoipa::path(post, path = "/billing/subscriptions/{subscription}/resume", operation_id = "resume_subscription", tag = "billing",
    params(("subscription" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = SubscriptionView), Refusals))]
async fn resume_subscription(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    Path(subscription): Path<String>,
) -> Result<Okay<SubscriptionView>, Error> {
    let view = super::set_ending(&room, &caller, &meta, &subscription, false).await?;
    Ok(Okay(view))
}

use api::{Check, Created, FieldErrors, Okay, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{MOST_TIMES, PointsView, Redemption};
use crate::{Billing, Error};

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(get_points))
        .routes(routes!(redeem_points))
}

/// The tenant's points, what they are earned for, and what they may become.
#[utoipa::path(get, path = "/me/points", operation_id = "get_points", tag = "billing",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PointsView), Refusals))]
async fn get_points(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
) -> Result<Okay<PointsView>, Error> {
    Ok(Okay(super::view(&room, caller.principal).await?))
}

/// What points are to become.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RedeemPoints {
    /// The exchange's id.
    #[schema(min_length = 1, max_length = 30)]
    exchange: String,
    /// How many times, at once; once unless said.
    #[schema(minimum = 1, maximum = 100)]
    times: Option<u32>,
}

impl RedeemPoints {
    fn times(&self) -> u32 {
        self.times.unwrap_or(1)
    }
}

impl Check for RedeemPoints {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.exchange, "/exchange", 1, 30);
        errors.require(
            (1..=MOST_TIMES).contains(&self.times()),
            "/times",
            "range",
            Text::new("1〜100回で指定してください。", "Please say 1 to 100."),
        );
    }
}

/// Makes tickets, or other units of a storefront, of points: in one transaction, all of it or nothing.
#[utoipa::path(post, path = "/points/redeem", operation_id = "redeem_points", tag = "billing",
    request_body = RedeemPoints, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = Redemption), Refusals))]
async fn redeem_points(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<RedeemPoints>,
) -> Result<Created<Redemption>, Error> {
    let done = super::redeem(&room, &caller, &meta, &body.exchange, body.times()).await?;
    Ok(Created(done))
}

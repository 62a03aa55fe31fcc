use std::str::FromStr;

use api::{Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AutoTopUp, AutoTopUpOrder, Wish};
use crate::{Billing, Error, OrderId};

/// The most that a threshold may say, in units.
const MOST_UNITS: i64 = 1_000_000_000;
/// The most that a month's ceiling may say, in yen.
const MOST_YEN: i64 = 10_000_000;

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(list_auto_topups))
        .routes(routes!(place_auto_topup_order))
        .routes(routes!(set_auto_topup, stop_auto_topup))
}

/// The name of a storefront.
#[derive(Debug)]
struct Storefront(String);

impl FromStr for Storefront {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_name = (1..=50).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        is_name
            .then(|| Self(text.to_owned()))
            .ok_or(Error::NoAutoTopUp)
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AutoTopUps {
    items: Vec<AutoTopUp>,
}

/// Lists what is bought by itself when few units are left, by storefront; also what was stopped, and why.
#[utoipa::path(get, path = "/billing/auto-topups", operation_id = "list_auto_topups", tag = "billing",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = AutoTopUps), Refusals))]
async fn list_auto_topups(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
) -> Result<Okay<AutoTopUps>, Error> {
    let items = super::list(&room, caller.principal).await?;
    Ok(Okay(AutoTopUps { items }))
}

/// What to buy by itself. What it costs is not the caller's to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceAutoTopUpOrder {
    /// misaki, webgpt, genai or narai.
    #[schema(min_length = 1, max_length = 30)]
    storefront: String,
    /// The top-up's id.
    #[schema(min_length = 1, max_length = 30)]
    topup: String,
    /// It is bought when fewer units are left.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    threshold: i64,
    /// The most that is paid in a month, at least the price of one.
    #[schema(minimum = 1, maximum = 10_000_000)]
    monthly_yen: i64,
}

impl Check for PlaceAutoTopUpOrder {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.storefront, "/storefront", 1, 30);
        errors.length(&self.topup, "/topup", 1, 30);
        errors.require(
            (1..=MOST_UNITS).contains(&self.threshold),
            "/threshold",
            "range",
            Text::new(
                "買い足す目安の残りは1以上にしてください。",
                "The number that is left is 1 or more.",
            ),
        );
        errors.require(
            (1..=MOST_YEN).contains(&self.monthly_yen),
            "/monthly_yen",
            "range",
            Text::new(
                "1か月の上限は1円以上、1,000万円までにしてください。",
                "The ceiling of a month is 1 to 10,000,000 yen.",
            ),
        );
    }
}

/// Shows what would be bought by itself, for a final confirmation, and keeps it as it is shown. Nothing is agreed to by this.
#[utoipa::path(post, path = "/billing/auto-topup-orders", operation_id = "place_auto_topup_order", tag = "billing",
    request_body = PlaceAutoTopUpOrder, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = AutoTopUpOrder), Refusals))]
async fn place_auto_topup_order(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<PlaceAutoTopUpOrder>,
) -> Result<Created<AutoTopUpOrder>, Error> {
    let wish = Wish {
        storefront: body.storefront,
        topup: body.topup,
        threshold: body.threshold,
        monthly_yen: body.monthly_yen,
    };
    let order = super::place(&room, &caller, &meta, wish).await?;
    Ok(Created(order))
}

/// What was shown and is agreed to.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SetAutoTopUp {
    order: OrderId,
}

impl Check for SetAutoTopUp {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Agrees to what was shown: from now on it is bought with the stored card when few units are left, once at a time.
#[utoipa::path(put, path = "/billing/auto-topups/{storefront}", operation_id = "set_auto_topup", tag = "billing",
    params(("storefront" = String, Path)), request_body = SetAutoTopUp,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = AutoTopUp), Refusals))]
async fn set_auto_topup(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    PathId(storefront): PathId<Storefront>,
    ValidJson(body): ValidJson<SetAutoTopUp>,
) -> Result<Okay<AutoTopUp>, Error> {
    let by = caller.principal;
    let set = super::agree(&room, by, &meta, &storefront.0, body.order).await?;
    Ok(Okay(set))
}

/// Turns automatic top-ups off; what is being paid for right now is still delivered.
#[utoipa::path(delete, path = "/billing/auto-topups/{storefront}", operation_id = "stop_auto_topup", tag = "billing",
    params(("storefront" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204), Refusals))]
async fn stop_auto_topup(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    PathId(storefront): PathId<Storefront>,
) -> Result<NoContent, Error> {
    super::turn_off(&room, caller.principal, &meta, &storefront.0).await?;
    Ok(NoContent)
}

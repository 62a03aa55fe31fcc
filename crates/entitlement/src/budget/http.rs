use std::str::FromStr;

use api::{Check, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Budget, Wish};
use crate::{Entitlement, Error, unit::is_unit};

/// The most that a budget may say.
const LARGEST: i64 = 1_000_000_000_000_000;
/// The most amounts at which somebody is told.
const ALERTS: usize = 5;

pub(crate) fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(list_budgets))
        .routes(routes!(set_budget))
        .routes(routes!(remove_budget))
}

/// What somebody may use of a unit in a month, as others set it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Monthly {
    /// From then on new work is refused until the next month, or until this is raised.
    #[schema(minimum = 0)]
    pub(crate) monthly: i64,
}

impl Check for Monthly {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            (0..=LARGEST).contains(&self.monthly),
            "/monthly",
            "range",
            Text::new(
                "上限は0以上の数にしてください。",
                "The limit is a number from 0.",
            ),
        );
    }
}

/// The name of what is counted, such as `misaki.chat`.
#[derive(Debug)]
pub(crate) struct Unit(pub(crate) String);

impl FromStr for Unit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        is_unit(text)
            .then(|| Self(text.to_owned()))
            .ok_or(Error::NoBudget)
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Budgets {
    items: Vec<Budget>,
}

/// Lists the tenant's own limits by the month, and what is used of them. The unit `STOREFRONT.cost` is what the models cost
/// there, in billionths of a US dollar.
#[utoipa::path(get, path = "/billing/budgets", operation_id = "list_budgets", tag = "entitlement",
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Budgets), Refusals))]
async fn list_budgets(
    State(room): State<Entitlement>,
    caller: Granted<may::UsageRead>,
) -> Result<Okay<Budgets>, Error> {
    let items = super::list(&room, caller.principal).await?;
    Ok(Okay(Budgets { items }))
}

/// What a tenant lets itself use of a unit in a month.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SetBudget {
    /// From then on new work is refused until the next month, or until this is raised; none: nothing is stopped.
    #[schema(minimum = 0)]
    monthly: Option<i64>,
    /// At which amounts the tenant's people are told, each once in a month; at most five.
    #[serde(default)]
    #[schema(max_items = 5)]
    alerts: Vec<i64>,
}

impl Check for SetBudget {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.monthly
                .is_none_or(|monthly| (0..=LARGEST).contains(&monthly)),
            "/monthly",
            "range",
            Text::new(
                "上限は0以上の数にしてください。",
                "The limit is a number from 0.",
            ),
        );
        errors.require(
            self.alerts.len() <= ALERTS && self.alerts.iter().all(|at| (1..=LARGEST).contains(at)),
            "/alerts",
            "range",
            Text::new(
                "お知らせする数は1以上で、5つまでにしてください。",
                "Up to five amounts from 1 to be told at.",
            ),
        );
    }
}

/// Sets the tenant's own limit of a unit by the month; raising it lets stopped work go on at once. The unit `STOREFRONT.cost`
/// is what the models cost there, in billionths of a US dollar: work stops where it might pass the limit, and people are told
/// at 80 % of it too.
#[utoipa::path(put, path = "/billing/budgets/{unit}", operation_id = "set_budget", tag = "entitlement",
    params(("unit" = String, Path)), request_body = SetBudget, security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Budget), Refusals))]
async fn set_budget(
    State(room): State<Entitlement>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    PathId(unit): PathId<Unit>,
    ValidJson(body): ValidJson<SetBudget>,
) -> Result<Okay<Budget>, Error> {
    let mut alerts = body.alerts;
    alerts.sort_unstable();
    alerts.dedup();
    let wish = Wish {
        monthly: body.monthly,
        alerts,
    };
    let set = super::set(&room, caller.principal, &meta, &unit.0, Some(wish)).await?;
    Ok(Okay(set.ok_or(Error::NoBudget)?))
}

/// Takes the tenant's own limit of a unit away.
#[utoipa::path(delete, path = "/billing/budgets/{unit}", operation_id = "remove_budget", tag = "entitlement",
    params(("unit" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204), Refusals))]
async fn remove_budget(
    State(room): State<Entitlement>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    PathId(unit): PathId<Unit>,
) -> Result<NoContent, Error> {
    super::set(&room, caller.principal, &meta, &unit.0, None).await?;
    Ok(NoContent)
}

use api::{NoContent, Okay, Refusals, ValidJson};
use axum::extract::{Path, State};
use identity::{Granted, RequestMeta, UserId, may};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::MemberBudget;
use crate::{
    Entitlement, Error,
    budget::http::{Monthly, Unit},
};

pub(crate) fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(list_member_budgets))
        .routes(routes!(set_member_budget))
        .routes(routes!(remove_member_budget))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct MemberBudgets {
    items: Vec<MemberBudget>,
}

/// Lists what each member used this month, in sessions and by the keys that the member made, and what each may use; whoever
/// does not manage the tenant's money is told of themselves alone. The unit `STOREFRONT.cost` is what the models cost there, in
/// billionths of a US dollar.
#[utoipa::path(get, path = "/billing/members", operation_id = "list_member_budgets", tag = "entitlement",
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = MemberBudgets), Refusals))]
async fn list_member_budgets(
    State(room): State<Entitlement>,
    caller: Granted<may::UsageRead>,
) -> Result<Okay<MemberBudgets>, Error> {
    let items = super::list(&room, &caller).await?;
    Ok(Okay(MemberBudgets { items }))
}

/// The member and the unit of a path.
fn of((user, unit): &(String, String)) -> Result<(UserId, String), Error> {
    let user = user.parse().map_err(|_| Error::NoMember)?;
    let unit: Unit = unit.parse()?;
    Ok((user, unit.0))
}

/// Sets what one member may use of a unit in a month, in sessions and by the keys that the member made; of this, the plan's
/// and the tenant's own limit the strictest holds. The unit `STOREFRONT.cost` is what the models cost there, in billionths of a
/// US dollar. Admins limit members; owners limit everybody.
#[utoipa::path(put, path = "/billing/members/{user}/budgets/{unit}", operation_id = "set_member_budget", tag = "entitlement",
    params(("user" = UserId, Path), ("unit" = String, Path)), request_body = Monthly,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = MemberBudget), Refusals))]
async fn set_member_budget(
    State(room): State<Entitlement>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    Path(path): Path<(String, String)>,
    ValidJson(body): ValidJson<Monthly>,
) -> Result<Okay<MemberBudget>, Error> {
    let (user, unit) = of(&path)?;
    let set = super::set(&room, &caller, &meta, (user, &unit), Some(body.monthly)).await?;
    Ok(Okay(set.ok_or(Error::NoBudget)?))
}

/// Takes a member's limit of a unit away.
#[utoipa::path(delete, path = "/billing/members/{user}/budgets/{unit}", operation_id = "remove_member_budget", tag = "entitlement",
    params(("user" = UserId, Path), ("unit" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204), Refusals))]
async fn remove_member_budget(
    State(room): State<Entitlement>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    Path(path): Path<(String, String)>,
) -> Result<NoContent, Error> {
    let (user, unit) = of(&path)?;
    super::set(&room, &caller, &meta, (user, &unit), None).await?;
    Ok(NoContent)
}

use api::{Check, FieldErrors, Okay, PageQuery, Refusals, ValidQuery};
use axum::extract::State;
use chrono::{DateTime, Utc};
use identity::{Caller, Granted, InferenceToken, may, mint_inference_token};
use kernel::{Page, Text, Yen};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Entitlement, Error, Every, Plan, UsageRow, grant,
    plan::{Limits, PeriodicGrant, plan_of},
    usage,
};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(get_plan))
        .routes(routes!(list_plans))
        .routes(routes!(list_usage))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct StorefrontQuery {
    /// misaki, webgpt, genai or narai.
    #[param(min_length = 1, max_length = 30)]
    storefront: String,
}

impl Check for StorefrontQuery {
    fn check(&self, errors: &mut FieldErrors) {
        check_storefront(&self.storefront, errors);
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// misaki, webgpt, genai or narai.
    #[param(min_length = 1, max_length = 30)]
    storefront: String,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl UsageQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for UsageQuery {
    fn check(&self, errors: &mut FieldErrors) {
        check_storefront(&self.storefront, errors);
        self.page().check(errors);
    }
}

fn check_storefront(storefront: &str, errors: &mut FieldErrors) {
    errors.require(
        (1..=30).contains(&storefront.len()),
        "?storefront",
        "length",
        Text::new("お店を指定してください。", "Please name a storefront."),
    );
}

/// The plan of the caller, what is left of it, and the way to the inference listener.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PlanView {
    storefront: String,
    plan: PlanSummary,
    /// active, until billing knows more.
    status: &'static str,
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    limits: Limits,
    quotas: Vec<Quota>,
    inference: Inference,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PlanSummary {
    id: String,
    version: i32,
    title: Text,
    #[schema(value_type = i64, minimum = 0)]
    price_yen: Yen,
}

/// What is left of a periodic grant.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Quota {
    unit: String,
    granted: i64,
    available: i64,
    held: i64,
    used: i64,
    every: Every,
    #[schema(required)]
    resets_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Inference {
    /// The other listener's address.
    url: String,
    #[serde(flatten)]
    token: InferenceToken,
}

/// A plan as sold.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PlanOffer {
    #[serde(flatten)]
    summary: PlanSummary,
    limits: Limits,
    grants: Vec<PeriodicGrant>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PlanOffers {
    items: Vec<PlanOffer>,
}

fn summary(plan: &Plan) -> PlanSummary {
    PlanSummary {
        id: plan.id.clone(),
        version: plan.version,
        title: plan.terms.title.clone(),
        price_yen: plan.terms.price_yen,
    }
}

/// Looks up the caller's plan, before going to the inference listener with the token.
#[utoipa::path(get, path = "/billing/plan", operation_id = "get_plan", tag = "entitlement", params(StorefrontQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = PlanView), Refusals))]
async fn get_plan(
    State(room): State<Entitlement>,
    caller: Granted<may::UsageRead>,
    ValidQuery(query): ValidQuery<StorefrontQuery>,
) -> Result<Okay<PlanView>, Error> {
    Ok(Okay(view(&room, &caller, query.storefront).await?))
}

async fn view(room: &Entitlement, caller: &Caller, storefront: String) -> Result<PlanView, Error> {
    let cx = &room.cx;
    let principal = caller.principal;
    let mut tx = cx.db.begin(principal.scope()).await?;
    let plan = plan_of(
        &mut tx,
        &*room.catalogue.read().await,
        principal,
        &storefront,
    )
    .await?;
    grant::ensure(&mut tx, cx, principal.tenant, &plan).await?;
    let mut quotas = Vec::with_capacity(plan.terms.grants.len());
    for periodic in &plan.terms.grants {
        let stock =
            ledger::stock(&mut tx, principal.tenant, &periodic.unit, cx.clock.now()).await?;
        quotas.push(Quota {
            unit: periodic.unit.clone(),
            granted: stock.granted,
            available: stock.available,
            held: stock.held,
            used: stock.spent,
            every: periodic.every,
            resets_at: grant::resets_at(&mut tx, cx, principal.tenant, &plan, &periodic.unit)
                .await?,
        });
    }
    tx.commit().await?;
    let token = mint_inference_token(&room.identity, caller, &storefront)?;
    Ok(PlanView {
        storefront,
        plan: summary(&plan),
        status: "active",
        expires_at: None,
        limits: plan.terms.limits,
        quotas,
        inference: Inference {
            url: room.inference_url.to_string(),
            token,
        },
    })
}

/// Lists what a storefront sells, cheapest first.
#[utoipa::path(get, path = "/billing/plans", operation_id = "list_plans", tag = "entitlement", params(StorefrontQuery),
    responses((status = 200, body = PlanOffers), Refusals))]
async fn list_plans(
    State(room): State<Entitlement>,
    ValidQuery(query): ValidQuery<StorefrontQuery>,
) -> Result<Okay<PlanOffers>, Error> {
    let catalogue = room.catalogue.read().await;
    let items = catalogue
        .of(&query.storefront)
        .map(|plan| PlanOffer {
            summary: summary(plan),
            limits: plan.terms.limits,
            grants: plan.terms.grants.clone(),
        })
        .collect();
    Ok(Okay(PlanOffers { items }))
}

/// Lists what the caller used, newest first.
#[utoipa::path(get, path = "/billing/usage", operation_id = "list_usage", tag = "entitlement", params(UsageQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Page<UsageRow>), Refusals))]
async fn list_usage(
    State(room): State<Entitlement>,
    caller: Granted<may::UsageRead>,
    ValidQuery(query): ValidQuery<UsageQuery>,
) -> Result<Okay<Page<UsageRow>>, Error> {
    Ok(Okay(
        usage::list(
            &room,
            caller.principal,
            &query.storefront,
            &query.page().request(),
        )
        .await?,
    ))
}

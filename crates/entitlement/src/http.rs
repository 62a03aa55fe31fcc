use std::collections::BTreeMap;

use api::{Check, FieldErrors, Okay, PageQuery, Refusals, ValidQuery};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use identity::{Caller, Granted, InferenceCaller, InferenceToken, may, mint_inference_token};
use kernel::{Page, Text, Yen};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Entitlement, Error, Every, Plan, UsageRow,
    block::{self, BlockId},
    budget, cap, grant,
    limit::Limits,
    member, one_off,
    plan::{Feature, PeriodicGrant, Status, operator_router},
    rate::{RateLimits, rate_limits},
    standing::plan_of,
    usage::{self, HouseUsage, HouseUsageKey, UsageMonth},
};

/// The inference listener's route.
pub fn inference_router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new().routes(routes!(get_own_rate_limit))
}

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(get_plan))
        .routes(routes!(list_plans))
        .routes(routes!(list_topups))
        .routes(routes!(list_usage))
        .routes(routes!(list_usage_days))
        .routes(routes!(get_rate_limit))
        .routes(routes!(operator_usage))
        .merge(budget::http::router())
        .merge(member::http::router())
        .merge(cap::http::router())
        .merge(one_off::http::router())
        .merge(operator_router())
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
    /// Only what was taken from this block of units, which the ledger's movements name.
    #[param(value_type = Option<String>)]
    block: Option<BlockId>,
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
    /// How the caller stands with the plan that it pays for; `on_hold` and `ended` are on the plan of whoever pays nothing.
    status: Status,
    /// Until when it is paid, or when it ends.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    limits: Limits,
    quotas: Vec<Quota>,
    /// What the plan has beside what is metered.
    features: BTreeMap<String, Feature>,
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
    features: BTreeMap<String, Feature>,
    /// What a comparison of plans says of it.
    highlights: Vec<Text>,
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
    let now = cx.clock.now();
    let standing = plan_of(&mut tx, &room.catalogue.now(), principal, &storefront, now).await?;
    let plan = &standing.plan;
    let zone = grant::ensure(&mut tx, cx, principal.tenant, plan).await?;
    let mut quotas = Vec::with_capacity(plan.terms.grants.len());
    for periodic in &plan.terms.grants {
        let stock = ledger::stock(&mut tx, principal.tenant, &periodic.unit, now).await?;
        // what a process has set aside for work to come is still there to be used
        let apart = block::unsettled(&mut tx, principal.tenant, &periodic.unit).await?;
        quotas.push(Quota {
            unit: periodic.unit.clone(),
            granted: stock.granted,
            available: stock.available + apart.idle,
            held: stock.held - apart.idle - apart.used,
            used: stock.spent + apart.used,
            every: periodic.every,
            resets_at: grant::resets_at(&standing, &periodic.unit, zone, now)?,
        });
    }
    tx.commit().await?;
    let token = mint_inference_token(&room.identity, caller, &storefront)?;
    Ok(PlanView {
        storefront,
        plan: summary(plan),
        status: standing.status,
        expires_at: standing.expires_at,
        limits: plan.terms.limits,
        quotas,
        features: plan.terms.features.clone(),
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
    let catalogue = room.catalogue.now();
    let items = catalogue
        .of(&query.storefront)
        .map(|plan| PlanOffer {
            summary: summary(plan),
            limits: plan.terms.limits,
            grants: plan.terms.grants.clone(),
            features: plan.terms.features.clone(),
            highlights: plan.terms.highlights.clone(),
        })
        .collect();
    Ok(Okay(PlanOffers { items }))
}

/// Units that are bought once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct TopUpOffer {
    id: String,
    version: i32,
    title: Text,
    unit: String,
    amount: u32,
    /// Tax included.
    #[schema(value_type = i64)]
    price_yen: Yen,
    /// How many days the units live.
    days: u16,
    /// Whether it can be bought right now.
    for_sale: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct TopUpOffers {
    items: Vec<TopUpOffer>,
}

/// Lists the units that a storefront sells once, beside its plans, cheapest first.
#[utoipa::path(get, path = "/billing/topups", operation_id = "list_topups", tag = "entitlement", params(StorefrontQuery),
    responses((status = 200, body = TopUpOffers), Refusals))]
async fn list_topups(
    State(room): State<Entitlement>,
    ValidQuery(query): ValidQuery<StorefrontQuery>,
) -> Result<Okay<TopUpOffers>, Error> {
    let catalogue = room.catalogue.now();
    let items = catalogue
        .topups()
        .filter(|topup| topup.storefront == query.storefront)
        .map(|topup| TopUpOffer {
            id: topup.id.clone(),
            version: topup.version,
            title: topup.terms.title.clone(),
            unit: topup.terms.unit.clone(),
            amount: topup.terms.amount,
            price_yen: topup.terms.price_yen,
            days: topup.terms.days,
            for_sale: topup.terms.stripe_price.is_some(),
        })
        .collect();
    Ok(Okay(TopUpOffers { items }))
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
            query.block,
            &query.page().request(),
        )
        .await?,
    ))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct UsageDaysQuery {
    /// misaki, webgpt, genai or narai.
    #[param(min_length = 1, max_length = 30)]
    storefront: String,
    /// YYYY-MM, in the time zone of whoever asks.
    #[param(min_length = 7, max_length = 7)]
    month: String,
}

impl UsageDaysQuery {
    /// The first day of the month.
    fn first(&self) -> Option<NaiveDate> {
        first_of(&self.month)
    }
}

/// The first day of a month that is named as YYYY-MM.
fn first_of(month: &str) -> Option<NaiveDate> {
    (month.len() == 7)
        .then(|| format!("{month}-01").parse().ok())
        .flatten()
}

fn check_month(month: &str, errors: &mut FieldErrors) {
    errors.require(
        first_of(month).is_some(),
        "?month",
        "format",
        Text::new(
            "月は2026-11のように指定してください。",
            "Please name a month such as 2026-11.",
        ),
    );
}

impl Check for UsageDaysQuery {
    fn check(&self, errors: &mut FieldErrors) {
        check_storefront(&self.storefront, errors);
        check_month(&self.month, errors);
    }
}

/// Sums up what the caller used in a month, day by day; equal to the sum of the usage rows.
#[utoipa::path(get, path = "/billing/usage/days", operation_id = "list_usage_days", tag = "entitlement", params(UsageDaysQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = UsageMonth), Refusals))]
async fn list_usage_days(
    State(room): State<Entitlement>,
    caller: Granted<may::UsageRead>,
    ValidQuery(query): ValidQuery<UsageDaysQuery>,
) -> Result<Okay<UsageMonth>, Error> {
    let first = query.first().unwrap_or_default();
    Ok(Okay(
        usage::days(&room, caller.principal, &query.storefront, first).await?,
    ))
}

/// Tells where the caller stands with every limit, summed over all processes.
#[utoipa::path(get, path = "/rate-limit", operation_id = "get_rate_limit", tag = "entitlement", params(StorefrontQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = RateLimits), Refusals))]
async fn get_rate_limit(
    State(room): State<Entitlement>,
    caller: Granted<may::UsageRead>,
    ValidQuery(query): ValidQuery<StorefrontQuery>,
) -> Result<Okay<RateLimits>, Error> {
    Ok(Okay(
        rate_limits(&room, caller.principal, &query.storefront).await?,
    ))
}

/// Tells where the caller stands with every limit of its own storefront, summed over all processes.
#[utoipa::path(get, path = "/rate-limit", operation_id = "get_rate_limit", tag = "entitlement",
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = RateLimits), Refusals))]
async fn get_own_rate_limit(
    State(room): State<Entitlement>,
    caller: InferenceCaller,
) -> Result<Okay<RateLimits>, Error> {
    Ok(Okay(
        rate_limits(&room, caller.principal, &caller.storefront).await?,
    ))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HouseUsageQuery {
    /// YYYY-MM, in Asia/Tokyo.
    #[param(min_length = 7, max_length = 7)]
    month: String,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

impl HouseUsageQuery {
    fn after(&self) -> Option<HouseUsageKey> {
        self.cursor.as_deref().and_then(|text| text.parse().ok())
    }
}

impl Check for HouseUsageQuery {
    fn check(&self, errors: &mut FieldErrors) {
        check_month(&self.month, errors);
        let limit = PageQuery {
            limit: self.limit,
            cursor: None,
        };
        limit.check(errors);
        errors.require(
            self.cursor.is_none() || self.after().is_some(),
            "?cursor",
            "format",
            Text::new(
                "前のページのnext_cursorを指定してください。",
                "Please pass the next_cursor of the page before.",
            ),
        );
    }
}

/// Sums up what every tenant used in a month, by storefront and unit, for an operator.
#[utoipa::path(get, path = "/admin/usage", operation_id = "operator_usage", tag = "entitlement", params(HouseUsageQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Page<HouseUsage>), Refusals))]
async fn operator_usage(
    State(room): State<Entitlement>,
    _: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<HouseUsageQuery>,
) -> Result<Okay<Page<HouseUsage>>, Error> {
    let first = first_of(&query.month).unwrap_or_default();
    let limit = query.limit.unwrap_or(20);
    Ok(Okay(
        usage::of_the_house(&room, first, limit, query.after()).await?,
    ))
}

use std::collections::BTreeMap;

use api::{Check, FieldErrors, Okay, PageQuery, Refusals, ValidQuery};
use axum::extract::State;
use chrono::{DateTime, Utc};
use db::Scope;
use identity::{Granted, TenantRow, may};
use kernel::{Page, Text, Yen};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Feature, PeriodicGrant, Status, customers,
    enrolment::{EnrolmentRow, store as enrolments},
    list,
};
use crate::{Entitlement, Error, limit::Limits};

/// What an operator reads of tenants and plans.
pub(crate) fn router() -> OpenApiRouter<Entitlement> {
    OpenApiRouter::new()
        .routes(routes!(operator_tenants))
        .routes(routes!(operator_plans))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TenantQuery {
    /// An id, a part of a name, or the address of a member; all without it.
    #[param(max_length = 254)]
    q: Option<String>,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl TenantQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for TenantQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
        let plain = |q: &String| q.len() <= 254 && !q.contains('\0');
        errors.require(
            self.q.as_ref().is_none_or(plain),
            "?q",
            "length",
            Text::new("短くしてください。", "Please make it shorter."),
        );
    }
}

/// A tenant and the plans that it was put on or pays for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OperatorTenant {
    #[serde(flatten)]
    tenant: TenantRow,
    /// By storefront; one that is not named is on the plan of whoever pays nothing.
    plans: BTreeMap<String, OperatorEnrolment>,
}

/// On which version of a plan a tenant is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OperatorEnrolment {
    plan: String,
    version: i32,
    status: Status,
}

impl From<&EnrolmentRow> for OperatorEnrolment {
    fn from(row: &EnrolmentRow) -> Self {
        Self {
            plan: row.plan.clone(),
            version: row.version,
            status: row.status,
        }
    }
}

/// Finds tenants, the newest first, for an operator.
#[utoipa::path(get, path = "/admin/tenants", operation_id = "operator_tenants", tag = "entitlement", params(TenantQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Page<OperatorTenant>), Refusals))]
async fn operator_tenants(
    State(room): State<Entitlement>,
    _: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<TenantQuery>,
) -> Result<Okay<Page<OperatorTenant>>, Error> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("an operator looks for tenants"))
        .await?;
    let page = query.page().request();
    let found = identity::search_tenants(&mut tx, query.q.as_deref(), &page).await?;
    let ids: Vec<_> = found.items.iter().map(|tenant| tenant.id.0).collect();
    let rows = enrolments::enrolments(&mut tx, &ids, room.cx.clock.now()).await?;
    tx.commit().await?;
    Ok(Okay(found.map(|tenant| {
        OperatorTenant {
            plans: rows
                .iter()
                .filter(|row| row.tenant == tenant.id)
                .map(|row| (row.storefront.clone(), row.into()))
                .collect(),
            tenant,
        }
    })))
}

/// One version of a plan and how many are on it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OperatorPlan {
    storefront: String,
    plan: String,
    version: i32,
    title: Text,
    #[schema(value_type = i64, minimum = 0)]
    price_yen: Yen,
    #[schema(required)]
    stripe_price: Option<String>,
    limits: Limits,
    grants: Vec<PeriodicGrant>,
    routes: BTreeMap<String, String>,
    features: BTreeMap<String, Feature>,
    created_at: DateTime<Utc>,
    /// Who was put on it or pays for it; those without a subscription are not counted.
    customers: i64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OperatorPlans {
    items: Vec<OperatorPlan>,
}

/// Lists every version of every plan with the number of its customers, for an operator.
#[utoipa::path(get, path = "/admin/plans", operation_id = "operator_plans", tag = "entitlement",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = OperatorPlans), Refusals))]
async fn operator_plans(
    State(room): State<Entitlement>,
    _: Granted<may::HouseOperate>,
) -> Result<Okay<OperatorPlans>, Error> {
    let counts = customers(&room.cx).await?;
    let items = list(&room.cx).await?.into_iter().map(|(plan, created_at)| {
        let own = counts.iter().find(|of| {
            of.storefront == plan.storefront && of.plan == plan.id && of.version == plan.version
        });
        OperatorPlan {
            storefront: plan.storefront,
            plan: plan.id,
            version: plan.version,
            title: plan.terms.title,
            price_yen: plan.terms.price_yen,
            stripe_price: plan.terms.stripe_price,
            limits: plan.terms.limits,
            grants: plan.terms.grants,
            routes: plan.terms.routes,
            features: plan.terms.features,
            created_at,
            customers: own.map_or(0, |of| of.customers),
        }
    });
    Ok(Okay(OperatorPlans {
        items: items.collect(),
    }))
}

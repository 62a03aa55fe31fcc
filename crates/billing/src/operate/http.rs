use api::{Accepted, Check, FieldErrors, Okay, PageQuery, Refusals, ValidQuery};
use axum::extract::{Path, State};
use chrono::Duration;
use identity::{Granted, may};
use kernel::{Page, Text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{EventView, TenantSubscription};
use crate::{Billing, Error, Report, event, reconcile};

/// How far back events are compared when the operator asks; Stripe keeps them for thirty days.
const BACK: Duration = Duration::days(3);
const STATES: [&str; 6] = ["queued", "working", "waiting", "done", "ignored", "dead"];

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(list_billing_events))
        .routes(routes!(replay_billing_event))
        .routes(routes!(list_all_subscriptions))
        .routes(routes!(reconcile_billing))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// queued, working, waiting, done, ignored or dead.
    state: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

impl EventsQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for EventsQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
        let state = self.state.as_deref();
        errors.require(
            state.is_none_or(|state| STATES.contains(&state)),
            "?state",
            "unknown",
            Text::new("この状態はありません。", "There is no such state."),
        );
    }
}

/// Lists what Stripe told us, newest first.
#[utoipa::path(get, path = "/admin/billing/events", operation_id = "list_billing_events", tag = "admin", params(EventsQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Page<EventView>), Refusals))]
async fn list_billing_events(
    State(room): State<Billing>,
    _operator: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<EventsQuery>,
) -> Result<Okay<Page<EventView>>, Error> {
    let page = super::events(&room, query.state.as_deref(), query.page().request()).await?;
    Ok(Okay(page))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Replayed {
    id: String,
    /// queued
    state: &'static str,
}

/// Puts an event back in line, whatever came of it before: it is only a reason to read again.
#[utoipa::path(post, path = "/admin/billing/events/{event}/replay", operation_id = "replay_billing_event", tag = "admin",
    params(("event" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 202, body = Replayed), Refusals))]
async fn replay_billing_event(
    State(room): State<Billing>,
    _operator: Granted<may::HouseOperate>,
    Path(id): Path<String>,
) -> Result<Accepted<Replayed>, Error> {
    if !event::replay(&room.cx, &id).await? {
        return Err(Error::NoEvent);
    }
    event::ring(&room);
    let state = "queued";
    Ok(Accepted(Replayed { id, state }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SubscriptionsQuery {
    storefront: Option<String>,
    /// As Stripe says it, such as `past_due`.
    status: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

impl SubscriptionsQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for SubscriptionsQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
        for (name, value) in [("?storefront", &self.storefront), ("?status", &self.status)] {
            errors.require(
                value.as_ref().is_none_or(|value| {
                    value.len() <= 30 && value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                }),
                name,
                "unknown",
                Text::new("この名前はありません。", "There is no such name."),
            );
        }
    }
}

/// Lists all tenants' subscriptions, newest first.
#[utoipa::path(get, path = "/admin/billing/subscriptions", operation_id = "list_all_subscriptions", tag = "admin",
    params(SubscriptionsQuery), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Page<TenantSubscription>), Refusals))]
async fn list_all_subscriptions(
    State(room): State<Billing>,
    _operator: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<SubscriptionsQuery>,
) -> Result<Okay<Page<TenantSubscription>>, Error> {
    let (storefront, status) = (query.storefront.as_deref(), query.status.as_deref());
    let page = super::subscriptions(&room, storefront, status, query.page().request()).await?;
    Ok(Okay(page))
}

/// Compares with Stripe, repairs what differs, and tells what did.
#[utoipa::path(post, path = "/admin/billing/reconcile", operation_id = "reconcile_billing", tag = "admin",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Report), Refusals))]
async fn reconcile_billing(
    State(room): State<Billing>,
    _operator: Granted<may::HouseOperate>,
) -> Result<Okay<Report>, Error> {
    let report = reconcile(&room, BACK).await?;
    event::ring(&room);
    Ok(Okay(report))
}

use std::{collections::BTreeMap, time::Duration};

use api::{Okay, Refusals};
use axum::extract::State;
use gateway::{ModelHealth, TokenPrice, Traffic, Use, offers, provider_traffic, traffic};
use identity::{Granted, may};
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Error, Genai, STOREFRONT};

/// How long what was found out is told again: anybody may ask, and the database is asked once for all of them.
const FRESH: Duration = Duration::from_secs(5);

/// What was last found out.
#[derive(Debug, Default)]
pub(crate) struct LastStatus(Mutex<Option<(Instant, Status)>>);

/// The last hour, by name.
#[derive(Clone, Debug)]
struct Status {
    models: BTreeMap<String, Traffic>,
    providers: BTreeMap<String, Traffic>,
}

pub(crate) fn router() -> OpenApiRouter<Genai> {
    OpenApiRouter::new()
        .routes(routes!(list_models))
        .routes(routes!(get_status))
}

/// A model as the console shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct GenaiModel {
    /// What to ask for.
    name: String,
    kind: ModelKind,
    price: TokenPrice,
    /// Whether the caller's plan has it.
    in_plan: bool,
    /// The cheapest plan that has it.
    #[schema(required)]
    cheapest_plan: Option<String>,
    health: ModelHealth,
}

#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum ModelKind {
    Chat,
    Embedding,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct GenaiModels {
    items: Vec<GenaiModel>,
}

/// Lists the models with their prices, those of the caller's plan first.
#[utoipa::path(get, path = "/genai/models", operation_id = "list_genai_models", tag = "genai",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = GenaiModels), Refusals))]
async fn list_models(
    State(room): State<Genai>,
    caller: Granted<may::UsageRead>,
) -> Result<Okay<GenaiModels>, Error> {
    let known = last(&room).await?.models;
    let offers = offers(&room.gateway, caller.principal, STOREFRONT).await?;
    let items = offers
        .into_iter()
        .map(|offer| GenaiModel {
            health: known
                .get(&offer.name)
                .map_or(ModelHealth::Unknown, |traffic| traffic.health),
            name: offer.name,
            kind: match offer.use_for {
                Use::Chat => ModelKind::Chat,
                Use::Embedding => ModelKind::Embedding,
            },
            price: offer.price.into(),
            in_plan: offer.in_plan,
            cheapest_plan: offer.cheapest_plan,
        })
        .collect();
    Ok(Okay(GenaiModels { items }))
}

/// What the last hour was like at one model.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ModelStatus {
    model: String,
    health: ModelHealth,
    #[schema(required)]
    success_rate_1h: Option<f64>,
    /// Half of the answers took no longer.
    #[schema(required)]
    p50_ms: Option<i64>,
}

/// What the last hour was like at one provider.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ProviderStatus {
    provider: String,
    health: ModelHealth,
    #[schema(required)]
    success_rate_1h: Option<f64>,
    /// Half of the first words took no longer.
    #[schema(required)]
    first_word_p50_ms: Option<i64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct StatusView {
    items: Vec<ModelStatus>,
    /// Those that were asked in the last hour.
    providers: Vec<ProviderStatus>,
}

/// Tells how well the models and their providers have answered in the last hour, from what was really asked of them.
#[utoipa::path(get, path = "/status", operation_id = "get_status", tag = "genai",
    responses((status = 200, body = StatusView), Refusals))]
async fn get_status(State(room): State<Genai>) -> Result<Okay<StatusView>, Error> {
    let Status { models, providers } = last(&room).await?;
    let items = models
        .into_iter()
        .map(|(model, traffic)| ModelStatus {
            model,
            health: traffic.health,
            success_rate_1h: traffic.success_rate,
            p50_ms: traffic.p50_ms,
        })
        .collect();
    let providers = providers
        .into_iter()
        .map(|(provider, traffic)| ProviderStatus {
            provider,
            health: traffic.health,
            success_rate_1h: traffic.success_rate,
            first_word_p50_ms: traffic.p50_ms,
        })
        .collect();
    Ok(Okay(StatusView { items, providers }))
}

async fn last(room: &Genai) -> Result<Status, Error> {
    let mut last = room.status.0.lock().await;
    if let Some((at, known)) = &*last
        && at.elapsed() < FRESH
    {
        return Ok(known.clone());
    }
    let known = Status {
        models: traffic(&room.gateway).await?,
        providers: provider_traffic(&room.gateway).await?,
    };
    *last = Some((Instant::now(), known.clone()));
    Ok(known)
}

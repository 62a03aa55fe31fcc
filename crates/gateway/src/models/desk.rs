//! The models as the operator's desk shows them: what the file in force says, and how it goes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{DatedPrice, Entry, ModelFile};
use crate::{
    Error, Gateway, Price, TokenPrice, Use,
    gate::{self, AllFound, Found},
    pulse::{self, Pulse, ShadowFound},
    route::{AfterBreak, Choice},
    versions,
};

/// Models and providers, live.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ModelDesk {
    /// Of the file in force; 0 is the file of the settings.
    version: i32,
    models: Vec<DeskModel>,
    /// Providers that were asked in the last hour.
    providers: Vec<DeskProvider>,
}

/// What stands behind a public name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskModel {
    name: String,
    kind: Use,
    /// The model that it is one more name of.
    #[schema(required)]
    alias_of: Option<String>,
    /// In the order in which they are tried; those of its model where it is another name.
    targets: Vec<DeskTarget>,
    /// The newest day first.
    prices: Vec<DeskPrice>,
    choose: Choice,
    after_break: AfterBreak,
    #[schema(required)]
    canary: Option<DeskCanary>,
    #[schema(required)]
    shadow: Option<DeskShare>,
    /// What was found out in its shadow in the last thirty days.
    #[schema(required)]
    found: Option<ShadowFound>,
}

/// One provider's copy of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskTarget {
    provider: String,
    model: String,
    /// Those of a lower rank are tried first.
    rank: u32,
    /// Its share of the calls among those of one rank.
    weight: u32,
    /// How many it takes at once.
    #[schema(required)]
    concurrent: Option<u32>,
    /// What it costs, the newest day first; empty where it costs what its model does.
    prices: Vec<DeskPrice>,
    /// Whether there is a provider of that name here, so that it can be asked.
    available: bool,
    /// The last hour; `null` when nobody asked it.
    #[schema(required)]
    pulse: Option<Pulse>,
}

/// What 1,000 tokens cost from a day on, in billionths of a US dollar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskPrice {
    /// `null` where it holds always.
    #[schema(required)]
    from: Option<NaiveDate>,
    #[serde(flatten)]
    price: TokenPrice,
    /// Whether it is the one that holds now.
    holds: bool,
}

/// Another model and its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskShare {
    model: String,
    /// Of a hundred calls.
    percent: u32,
}

/// A newer model, its share, and what it has to pass before that grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskCanary {
    model: String,
    /// Of a hundred calls.
    percent: u32,
    #[schema(required)]
    gate: Option<DeskGate>,
}

/// An evaluation that a canary has to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskGate {
    evaluation: String,
    /// How it went last with what stands behind the canary now; `null` before the first time.
    #[schema(required)]
    found: Option<Found>,
}

/// All targets of one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskProvider {
    provider: String,
    pulse: Pulse,
}

type Pulses = BTreeMap<(String, String), Pulse>;

/// What the desk shows.
pub(crate) async fn desk(room: &Gateway) -> Result<ModelDesk, Error> {
    let now = room.cx.clock.now();
    let settings = room.of_settings()?;
    let mut tx = room
        .cx
        .db
        .begin(db::Scope::House("the operator looks at models"))
        .await?;
    let (version, file) = versions::in_force(&mut tx, &settings).await?;
    let evaluations = gate::all(&mut tx).await?;
    tx.commit().await?;
    let (pulses, providers) = pulse::all(room).await?;
    let found = pulse::shadows(room).await?;
    let available = room.routes.available();
    let mut models = file.desk(&pulses, &available, (&found, &evaluations), now);
    let named: BTreeSet<&str> = file.names().map(|(name, _)| name).collect();
    let beside = room.routes.names();
    models.extend(
        beside
            .iter()
            .filter(|name| !named.contains(name.as_str()))
            .map(|name| of_settings(room, name, &pulses, now)),
    );
    let providers = providers.into_iter();
    Ok(ModelDesk {
        version,
        models,
        providers: providers
            .map(|(provider, pulse)| DeskProvider { provider, pulse })
            .collect(),
    })
}

/// A model that the file doesn't name: of the one server of the settings, or of the stand-in.
fn of_settings(room: &Gateway, name: &str, pulses: &Pulses, now: DateTime<Utc>) -> DeskModel {
    let targets = room.routes.targets(name, now);
    let price = targets.first().map(|target| target.price);
    DeskModel {
        name: name.to_owned(),
        kind: room.routes.use_of(name).unwrap_or_default(),
        alias_of: None,
        targets: targets
            .into_iter()
            .map(|target| DeskTarget {
                pulse: pulses
                    .get(&(target.provider.clone(), target.model.clone()))
                    .cloned(),
                provider: target.provider,
                model: target.model,
                rank: target.rank,
                weight: target.weight,
                concurrent: target.room.map(|room| room.places),
                prices: Vec::new(),
                available: true,
            })
            .collect(),
        prices: price
            .map(|price| shown(None, price, true))
            .into_iter()
            .collect(),
        choose: Choice::default(),
        after_break: AfterBreak::default(),
        canary: None,
        shadow: None,
        found: None,
    }
}

fn shown(from: Option<NaiveDate>, price: Price, holds: bool) -> DeskPrice {
    DeskPrice {
        from,
        price: price.into(),
        holds,
    }
}

impl ModelFile {
    fn desk(
        &self,
        pulses: &Pulses,
        available: &BTreeSet<(String, String)>,
        (found, evaluations): (&BTreeMap<(String, String), ShadowFound>, &AllFound),
        now: DateTime<Utc>,
    ) -> Vec<DeskModel> {
        let line = |model: &Entry| {
            let of = model.alias_of.as_deref().and_then(|name| self.find(name));
            let of = of.unwrap_or(model);
            let shadow = model.shadow.as_ref().map(|shadow| DeskShare {
                model: shadow.model.clone(),
                percent: shadow.percent,
            });
            let key = shadow
                .as_ref()
                .map(|shadow| (model.name.clone(), shadow.model.clone()));
            DeskModel {
                name: model.name.clone(),
                kind: of.use_for,
                alias_of: model.alias_of.clone(),
                targets: of.desk_targets(pulses, available, now),
                prices: prices(&of.prices, now.date_naive()),
                choose: of.choose,
                after_break: model.after_break,
                canary: model.canary.as_ref().map(|canary| DeskCanary {
                    model: canary.model.clone(),
                    percent: canary.percent(),
                    gate: self.desk_gate(canary, evaluations),
                }),
                found: key.and_then(|key| found.get(&key).cloned()),
                shadow,
            }
        };
        self.model.iter().map(line).collect()
    }

    fn desk_gate(&self, canary: &super::Canary, evaluations: &AllFound) -> Option<DeskGate> {
        let evaluation = canary.gate.clone()?;
        let subject = self.subject(&canary.model).unwrap_or_default();
        let key = (evaluation, subject);
        let found = evaluations.get(&key).cloned();
        let (evaluation, _) = key;
        Some(DeskGate { evaluation, found })
    }
}

impl Entry {
    fn desk_targets(
        &self,
        pulses: &Pulses,
        available: &BTreeSet<(String, String)>,
        now: DateTime<Utc>,
    ) -> Vec<DeskTarget> {
        let mut targets: Vec<DeskTarget> = self
            .targets
            .iter()
            .map(|target| {
                let key = (target.provider.clone(), target.model.clone());
                DeskTarget {
                    available: available.contains(&key),
                    pulse: pulses.get(&key).cloned(),
                    provider: key.0,
                    model: key.1,
                    rank: target.rank,
                    weight: target.weight,
                    concurrent: target.concurrent,
                    prices: prices(&target.prices, now.date_naive()),
                }
            })
            .collect();
        targets.sort_by_key(|target| target.rank);
        targets
    }
}

fn prices(written: &[DatedPrice], today: NaiveDate) -> Vec<DeskPrice> {
    let in_force = written
        .iter()
        .map(|price| price.from)
        .filter(|from| *from <= today)
        .max();
    let mut shown: Vec<DeskPrice> = written
        .iter()
        .map(|price| {
            let holds = Some(price.from) == in_force;
            shown(Some(price.from), price.price(), holds)
        })
        .collect();
    shown.sort_by_key(|price| std::cmp::Reverse(price.from));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_shows_what_is_behind_it_and_the_price_that_holds() {
        let file = ModelFile::parse(
            r#"
            [[model]]
            name = "old"
            prices = [{ from = "2025-01-01", input = 1, output = 2 }, { from = "2027-01-01", input = 3, output = 4 },
                      { from = "2026-01-01", input = 5, output = 6, cached = 1 }]
            targets = [{ provider = "b", model = "m", rank = 1, prices = [{ from = "2025-01-01", input = 8, output = 9 }] }, { provider = "a", model = "m", weight = 3 }]
            [[model]]
            name = "new"
            targets = [{ provider = "a", model = "n" }]
            [[model]]
            name = "chat"
            alias_of = "old"
            canary = { model = "new", percent = 5 }
            "#,
        )
        .unwrap();
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let available = BTreeSet::from([("a".to_owned(), "m".to_owned())]);
        let shown = file.desk(
            &BTreeMap::new(),
            &available,
            (&BTreeMap::new(), &BTreeMap::new()),
            now,
        );
        let chat = &shown[2];
        let targets: Vec<_> = chat
            .targets
            .iter()
            .map(|target| (target.provider.as_str(), target.weight, target.available))
            .collect();
        assert_eq!(targets, [("a", 3, true), ("b", 1, false)]);
        let prices: Vec<_> = chat
            .prices
            .iter()
            .map(|price| {
                (
                    price.price.input_nano_usd,
                    price.price.cached_nano_usd,
                    price.holds,
                )
            })
            .collect();
        assert_eq!(prices, [(3, 3, false), (5, 1, true), (1, 1, false)]);
        let own: Vec<_> = chat
            .targets
            .iter()
            .map(|target| {
                target
                    .prices
                    .first()
                    .map(|price| price.price.input_nano_usd)
            })
            .collect();
        assert_eq!(own, [None, Some(8)]);
        assert_eq!(chat.canary.as_ref().map(|one| one.percent), Some(5));
        assert_eq!(chat.alias_of.as_deref(), Some("old"));
    }
}

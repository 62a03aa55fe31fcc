use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use crate::{
    credential::Credential,
    key::ApiKey,
    models::{ModelFile, OfSettings, Provider},
    price::price_at,
    route::{AfterBreak, Kind, Route, Shadow, Target, Use},
};

/// Who answers in a demo where there is nobody else.
#[derive(Clone, Debug)]
pub struct Substitutes {
    pub chat: Target,
    pub embedding: Target,
}

/// The routes behind the public names.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    by_name: BTreeMap<String, Route>,
    /// What they are made of where a model file names them.
    sources: Option<Arc<Sources>>,
    /// Keys that were registered, and where they open a door.
    registered: Vec<(String, ApiKey)>,
}

#[derive(Clone, Debug)]
struct Sources {
    file: ModelFile,
    providers: BTreeMap<String, Vec<Provider>>,
    /// What is there for names that the file has no provider for.
    below: BTreeMap<String, Route>,
    /// Who answers for the names of the file that nobody else answers for.
    substitutes: Option<Substitutes>,
    /// Whether providers outside of the house may be asked.
    with_outside: bool,
}

impl Routes {
    /// Routes of chat models.
    pub fn new(routes: impl IntoIterator<Item = (String, Vec<Target>)>) -> Self {
        let chat = |targets| Route {
            targets,
            ..Route::default()
        };
        Self {
            by_name: routes
                .into_iter()
                .map(|(name, targets)| (name, chat(targets)))
                .collect(),
            sources: None,
            registered: Vec::new(),
        }
    }

    /// The routes of a model file for which there are providers; before those of `below` with the same name. Without
    /// providers outside of the house, a model that has none left is answered for by the next one of the house, and marked.
    pub fn of_file(
        file: ModelFile,
        providers: BTreeMap<String, Provider>,
        below: Self,
        with_outside: bool,
    ) -> Self {
        let providers = providers
            .into_iter()
            .map(|(name, provider)| (name, vec![provider]))
            .collect();
        let sources = Sources {
            file,
            providers,
            below: below.by_name,
            substitutes: None,
            with_outside,
        };
        Self::of(sources)
    }

    fn of(sources: Sources) -> Self {
        Self {
            by_name: sources.routes(&sources.providers, sources.below()),
            sources: Some(Arc::new(sources)),
            registered: Vec::new(),
        }
    }

    /// The same where these answer for the names of the file that would have nobody.
    #[must_use]
    pub fn with_substitutes(self, substitutes: Substitutes) -> Self {
        match &self.sources {
            Some(sources) => Self::of(Sources {
                substitutes: Some(substitutes),
                ..Sources::clone(sources)
            }),
            None => self,
        }
    }

    /// The same providers with the models of another file.
    pub(crate) fn with_file(&self, file: ModelFile) -> Self {
        match &self.sources {
            Some(sources) => Self::of(Sources {
                file,
                ..Sources::clone(sources)
            }),
            None => self.clone(),
        }
    }

    /// What the settings say of models, where a file does.
    pub(crate) fn of_settings(&self) -> Option<OfSettings> {
        let sources = self.sources.as_ref()?;
        Some(OfSettings {
            file: sources.file.clone(),
            providers: kinds_of(&sources.providers),
        })
    }

    /// The same with keys that were registered: beside those of the settings where both open one door, else at a door of their own.
    pub(crate) fn with_credentials(&self, credentials: &[Credential]) -> Self {
        let mut below = match &self.sources {
            Some(sources) => sources.below(),
            None => self.by_name.clone(),
        };
        for target in below.values_mut().flat_map(|route| &mut route.targets) {
            let keys = credentials.iter().filter(|one| one.opens(target));
            let more: Vec<ApiKey> = keys.map(|one| one.key.clone()).collect();
            target.keys.extend(more);
        }
        let by_name = match &self.sources {
            Some(sources) => sources.routes(&sources.with(credentials), below),
            None => below,
        };
        let place = |one: &Credential| (one.view.base_url.clone(), one.key.clone());
        Self {
            by_name,
            sources: self.sources.clone(),
            registered: credentials.iter().map(place).collect(),
        }
    }

    /// Adds routes; those that are there stay.
    #[must_use]
    pub fn with(mut self, more: impl IntoIterator<Item = (String, Route)>) -> Self {
        for (name, route) in more {
            self.by_name.entry(name).or_insert(route);
        }
        self
    }

    /// Adds the routes of `others` that are not there.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        self.with(others.by_name)
    }

    /// All keys that open doors at `base_url`, also of providers whose models no name leads to any more.
    pub(crate) fn keys(&self, base_url: &str) -> Vec<ApiKey> {
        let targets = self.by_name.values().flat_map(|route| &route.targets);
        let of_targets =
            targets.flat_map(|target| target.keys.iter().map(|key| (&target.base_url, key)));
        let sources = self
            .sources
            .iter()
            .flat_map(|sources| sources.providers.values());
        let of_settings = sources
            .flatten()
            .flat_map(|site| site.keys.iter().map(|key| (&site.base_url, key)));
        let registered = self.registered.iter().map(|(at, key)| (at, key));
        let mut keys: Vec<ApiKey> = Vec::new();
        for (at, key) in of_targets.chain(of_settings).chain(registered) {
            let secret = key.secret.expose_secret();
            if same_url(at, base_url)
                && !keys
                    .iter()
                    .any(|known| known.secret.expose_secret() == secret)
            {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// The targets of a route with the prices of now, the preferred ones first; empty when none is configured.
    pub(crate) fn targets(&self, route: &str, now: DateTime<Utc>) -> Vec<Target> {
        let Some(route) = self.by_name.get(route) else {
            return Vec::new();
        };
        let mut targets = route.targets.clone();
        for target in &mut targets {
            // one that begins later is nearer to what a call costs than nothing
            let first = || target.prices.iter().min_by_key(|(from, _)| *from);
            let price = price_at(&target.prices, now).or_else(|| first().map(|(_, price)| *price));
            target.price = price.unwrap_or(target.price);
        }
        targets
    }

    /// What becomes of an answer of this route that breaks off.
    pub(crate) fn after_break(&self, route: &str) -> AfterBreak {
        self.by_name
            .get(route)
            .map_or(AfterBreak::End, |route| route.after_break)
    }

    pub(crate) fn has_shadow(&self, route: &str) -> bool {
        let route = self.by_name.get(route);
        route.is_some_and(|route| route.shadow.is_some())
    }

    /// Who is asked beside a route.
    pub(crate) fn shadow(&self, route: &str) -> Option<Shadow> {
        self.by_name.get(route)?.shadow.clone()
    }

    /// What the models of a configured route are for.
    pub(crate) fn use_of(&self, route: &str) -> Option<Use> {
        let route = self.by_name.get(route)?;
        (!route.targets.is_empty()).then_some(route.use_for)
    }

    /// Whether a route lacks what the operator's file has for it.
    pub fn is_degraded(&self, route: &str) -> bool {
        self.by_name.get(route).is_some_and(|route| route.degraded)
    }

    /// The targets of a route as they were configured.
    pub fn configured(&self, route: &str) -> Vec<Target> {
        self.by_name
            .get(route)
            .map(|route| route.targets.clone())
            .unwrap_or_default()
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The targets of all routes by provider and model.
    pub(crate) fn available(&self) -> BTreeSet<(String, String)> {
        let targets = self.by_name.values().flat_map(|route| &route.targets);
        targets
            .map(|target| (target.provider.clone(), target.model.clone()))
            .collect()
    }

    /// Whether any route has a target.
    pub fn is_empty(&self) -> bool {
        self.by_name.values().all(|route| route.targets.is_empty())
    }
}

/// Where one name has several places, they speak one protocol in all but a mistake.
fn kinds_of(providers: &BTreeMap<String, Vec<Provider>>) -> BTreeMap<String, Kind> {
    let first =
        |(name, sites): (&String, &Vec<Provider>)| Some((name.clone(), sites.first()?.kind));
    providers.iter().filter_map(first).collect()
}

impl Sources {
    fn below(&self) -> BTreeMap<String, Route> {
        let mut below = self.below.clone();
        if let Some(substitutes) = &self.substitutes {
            for (name, use_for) in self.file.names() {
                let target = match use_for {
                    Use::Chat => &substitutes.chat,
                    Use::Embedding => &substitutes.embedding,
                };
                below.entry(name.to_owned()).or_insert_with(|| Route {
                    use_for,
                    targets: vec![target.clone()],
                    ..Route::default()
                });
            }
        }
        below
    }

    fn routes(
        &self,
        providers: &BTreeMap<String, Vec<Provider>>,
        below: BTreeMap<String, Route>,
    ) -> BTreeMap<String, Route> {
        let mut routes = below;
        if self.with_outside {
            routes.extend(self.file.routes(providers));
        } else {
            self.keep_inside(providers, &mut routes);
        }
        routes
    }

    /// Adds the routes of the file without providers outside.
    fn keep_inside(
        &self,
        providers: &BTreeMap<String, Vec<Provider>>,
        routes: &mut BTreeMap<String, Route>,
    ) {
        let mut inside = providers.clone();
        for sites in inside.values_mut() {
            sites.retain(|site| !site.is_outside());
        }
        inside.retain(|_, sites| !sites.is_empty());
        let inside: BTreeMap<String, Route> = self.file.routes(&inside).into_iter().collect();
        routes.extend(inside.clone());
        for (name, route) in self.file.routes(providers) {
            let targets = |name: &str| inside.get(name).map(|route| route.targets.clone());
            let mut left = targets(&name).unwrap_or_default();
            if left.len() == route.targets.len() {
                continue;
            }
            for (from, to) in [("-large", "-medium"), ("-medium", "-small")] {
                if left.is_empty()
                    && let Some(head) = name.strip_suffix(from)
                {
                    left = targets(&format!("{head}{to}")).unwrap_or_default();
                }
            }
            if left.is_empty() {
                left = routes
                    .remove(&name)
                    .map(|route| route.targets)
                    .unwrap_or_default();
            }
            let degraded = Route {
                targets: left,
                degraded: true,
                ..route
            };
            routes.insert(name, degraded);
        }
    }

    fn with(&self, credentials: &[Credential]) -> BTreeMap<String, Vec<Provider>> {
        let mut providers = self.providers.clone();
        for one in credentials {
            let view = &one.view;
            let sites = providers.entry(view.provider.clone()).or_default();
            let known = sites.iter_mut().find(|site| {
                site.kind == view.kind
                    && same_url(&site.base_url, &view.base_url)
                    && site.region == view.region
            });
            match known {
                Some(site) => site.keys.push(one.key.clone()),
                None => sites.push(Provider {
                    kind: view.kind,
                    base_url: view.base_url.clone(),
                    region: view.region.clone(),
                    keys: vec![one.key.clone()],
                    streams: true,
                    start: view.kind.cold_start(),
                }),
            }
        }
        providers
    }
}

impl Credential {
    fn opens(&self, target: &Target) -> bool {
        let view = &self.view;
        view.provider == target.provider
            && view.kind == target.kind
            && view.region == target.region
            && same_url(&view.base_url, &target.base_url)
    }
}

fn same_url(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_opens_also_where_no_name_leads_to_any_more() {
        let key = |secret: &str| ApiKey::new(secret.into(), 1);
        let pod = Provider {
            kind: Kind::RunPod,
            base_url: "https://pod.example/v2/".to_owned(),
            region: String::new(),
            keys: vec![key("one"), key("two")],
            streams: true,
            start: None,
        };
        let file = |model: &str| {
            let text = format!(
                "[[model]]\nname = \"small\"\nprices = [{{ from = \"2025-01-01\", input = 1, output = 1 }}]\n{model}"
            );
            ModelFile::parse(&text).expect("the file is good")
        };
        let with = file(r#"targets = [{ provider = "pod", model = "endpoint" }]"#);
        let without = file(r#"targets = [{ provider = "another", model = "x" }]"#);
        let providers = BTreeMap::from([("pod".to_owned(), pod)]);
        let routes = Routes::of_file(with, providers, Routes::default(), true);
        let secrets = |routes: &Routes, at: &str| -> Vec<String> {
            let keys = routes.keys(at).into_iter();
            keys.map(|key| key.secret.expose_secret().to_owned())
                .collect()
        };
        let after = routes.with_file(without);
        for routes in [&routes, &after] {
            assert_eq!(secrets(routes, "https://pod.example/v2"), ["one", "two"]);
            assert!(secrets(routes, "https://else.example/v2").is_empty());
        }
    }
    #[test]
    fn before_the_first_price_a_call_costs_the_first_and_not_nothing() {
        let own = Provider {
            kind: Kind::OpenAi,
            base_url: "https://own.example/v1".to_owned(),
            region: String::new(),
            keys: Vec::new(),
            streams: true,
            start: None,
        };
        let text = r#"[[model]]
            name = "small"
            targets = [{ provider = "own", model = "m" }]
            prices = [{ from = "2028-01-01", input = 7, output = 7 }, { from = "2027-01-01", input = 5, output = 5 }]"#;
        let file = ModelFile::parse(text).expect("the file is good");
        let providers = BTreeMap::from([("own".to_owned(), own)]);
        let routes = Routes::of_file(file, providers, Routes::default(), true);
        for (now, input) in [("2026-11-24", 5), ("2027-06-01", 5), ("2028-06-01", 7)] {
            let now = format!("{now}T00:00:00Z").parse().unwrap();
            let targets = routes.targets("small", now);
            assert_eq!(targets[0].price.input.0, input, "{now}");
        }
    }
}

//! The operator's models: a file of public names, what they cost, and which providers answer for them.

mod check;
mod desk;
mod gates;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::NanoUsd;
use llm::{
    Effort,
    openai::{Counts, ThoughtField},
};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    key::ApiKey,
    price::{LongPrice, Price},
    route::{AfterBreak, Api, Choice, Kind, Room, Route, Shadow, Target, Use},
};

pub use check::ModelFileError;
pub use gates::NotPassed;

pub(crate) use desk::{ModelDesk, desk};
pub(crate) use gates::Growth;

/// The model file that is used unless the operator names another.
pub const DEFAULT_MODELS: &str = include_str!("../../../plans/models.toml");
/// Where well-known providers answer.
const USUAL: [(&str, &str); 5] = [
    ("openai", "https://api.openai.com/v1"),
    ("anthropic", "https://api.anthropic.com"),
    ("together", "https://api.together.xyz/v1"),
    ("huggingface", "https://router.huggingface.co/v1"),
    ("runpod", "https://api.runpod.ai/v2"),
];

/// The models as written by the operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    #[serde(default)]
    model: Vec<Entry>,
    #[serde(skip)]
    text: String,
}

/// What the settings say of models: their file, and the providers that have an address or a key there.
#[derive(Clone, Debug)]
pub struct OfSettings {
    pub file: ModelFile,
    pub providers: BTreeMap<String, Kind>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default, rename = "type")]
    use_for: Use,
    #[serde(default)]
    prices: Vec<DatedPrice>,
    #[serde(default)]
    after_break: AfterBreak,
    #[serde(default)]
    choose: Choice,
    #[serde(default)]
    targets: Vec<EntryTarget>,
    /// The name of another model, for which this is one more name.
    alias_of: Option<String>,
    /// A newer model that takes a part of the calls.
    canary: Option<Canary>,
    /// A model that is asked beside it, for comparison alone.
    shadow: Option<Beside>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatedPrice {
    from: NaiveDate,
    input: NanoUsd,
    output: NanoUsd,
    cached: Option<NanoUsd>,
    written: Option<NanoUsd>,
    long: Option<LongPrice>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryTarget {
    provider: String,
    model: String,
    #[serde(default)]
    rank: u32,
    #[serde(default = "one")]
    weight: u32,
    /// How many it takes at once.
    concurrent: Option<u32>,
    /// How many may wait for one of these places.
    waiting: Option<u32>,
    /// By which of OpenAI's protocols it is asked.
    #[serde(default)]
    api: Api,
    /// When its streams tell what they have cost so far.
    #[serde(default)]
    usage: Counts,
    /// By which field it is handed back what it thought, where it reads that.
    thoughts: Option<ThoughtField>,
    /// How many tokens a question and its answer may have together.
    window: Option<u32>,
    /// How long it thinks where the caller does not say.
    effort: Option<Effort>,
    /// Whether it takes a temperature and the like.
    #[serde(default = "yes")]
    sampling: bool,
    /// Whether it reads PDF.
    #[serde(default)]
    pdf: bool,
    /// What it costs, where that is not what the model costs elsewhere.
    #[serde(default)]
    prices: Vec<DatedPrice>,
}

impl EntryTarget {
    fn room(&self) -> Option<Room> {
        let places = self.concurrent?;
        let line = self.waiting;
        Some(Room { places, line })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Canary {
    model: String,
    /// Of a hundred calls; where it stands is known, so that it alone can be written anew.
    percent: Spanned<u32>,
    /// The evaluation that it has to pass before its share grows.
    gate: Option<String>,
}

impl Canary {
    fn percent(&self) -> u32 {
        *self.percent.get_ref()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    model: String,
    /// Of a hundred calls.
    percent: u32,
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

/// Where a provider answers and what opens its door.
#[derive(Clone, Debug)]
pub struct Provider {
    pub kind: Kind,
    pub base_url: String,
    /// Empty where the provider has none.
    pub region: String,
    pub keys: Vec<ApiKey>,
    pub streams: bool,
    /// How long the first word may take, where that is longer than any other silence.
    pub start: Option<Duration>,
}

impl ModelFile {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many models there are.
    pub fn len(&self) -> usize {
        self.model.len()
    }

    pub fn is_empty(&self) -> bool {
        self.model.is_empty()
    }

    /// The names by which a provider knows its models, and what they are for.
    pub fn models_of(&self, provider: &str) -> BTreeMap<String, Use> {
        let of = |entry: &Entry| {
            let targets = entry.targets.clone().into_iter();
            let use_for = entry.use_for;
            targets
                .filter(|target| target.provider == provider)
                .map(move |target| (target.model, use_for))
        };
        self.model.iter().flat_map(of).collect()
    }

    /// The text with another share of the calls of `model` for its canary; all else stays as it was written. None where the
    /// model has no canary.
    pub fn with_canary(&self, model: &str, percent: u32) -> Option<String> {
        let written = self.find(model)?.canary.as_ref()?.percent.span();
        let (before, after) = (
            self.text.get(..written.start)?,
            self.text.get(written.end..)?,
        );
        Some(format!("{before}{percent}{after}"))
    }

    fn plain(&self, name: &str) -> bool {
        self.find(name)
            .is_some_and(|model| !model.targets.is_empty())
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        self.model.iter().find(|model| model.name == name)
    }

    /// The routes of the models for which there is one of these providers.
    pub fn routes_of(&self, providers: &BTreeMap<String, Provider>) -> Vec<(String, Route)> {
        let listed = providers.iter();
        let listed = listed.map(|(name, one)| (name.clone(), vec![one.clone()]));
        self.routes(&listed.collect())
    }

    pub(crate) fn routes(
        &self,
        providers: &BTreeMap<String, Vec<Provider>>,
    ) -> Vec<(String, Route)> {
        let routes = self.model.iter().map(|model| {
            let of = match &model.alias_of {
                Some(name) => self.find(name).unwrap_or(model),
                None => model,
            };
            let mut targets = of.targets(providers);
            if let Some(canary) = &model.canary {
                let newer = self.find(&canary.model);
                let newer = newer
                    .map(|newer| newer.targets(providers))
                    .unwrap_or_default();
                targets = mixed(targets, newer, canary.percent());
            }
            let shadow = model.shadow.as_ref().map(|shadow| Shadow {
                model: shadow.model.clone(),
                targets: self
                    .find(&shadow.model)
                    .map(|other| other.targets(providers))
                    .unwrap_or_default(),
                percent: shadow.percent,
            });
            let route = Route {
                use_for: of.use_for,
                targets,
                shadow: shadow.filter(|shadow| !shadow.targets.is_empty()),
                after_break: model.after_break,
                degraded: false,
            };
            (model.name.clone(), route)
        });
        routes
            .filter(|(_, route)| !route.targets.is_empty())
            .collect()
    }

    /// The names of all models.
    pub fn names(&self) -> impl Iterator<Item = (&str, Use)> {
        self.model.iter().map(|model| {
            let of = model.alias_of.as_deref().and_then(|name| self.find(name));
            (model.name.as_str(), of.unwrap_or(model).use_for)
        })
    }
}

impl DatedPrice {
    const fn price(&self) -> Price {
        Price {
            input: self.input,
            output: self.output,
            cached: self.cached,
            written: self.written,
            long: self.long,
        }
    }

    /// With the moment from which it holds.
    fn held(&self) -> (DateTime<Utc>, Price) {
        let from = self.from.and_time(chrono::NaiveTime::MIN).and_utc();
        (from, self.price())
    }
}

impl Entry {
    /// What the model costs at one of its targets.
    fn prices_of<'a>(&'a self, target: &'a EntryTarget) -> &'a [DatedPrice] {
        if target.prices.is_empty() {
            &self.prices
        } else {
            &target.prices
        }
    }

    fn targets(&self, providers: &BTreeMap<String, Vec<Provider>>) -> Vec<Target> {
        self.targets
            .iter()
            .flat_map(|target| {
                let sites = providers.get(&target.provider).into_iter().flatten();
                sites.map(move |provider| (target, provider))
            })
            .map(|(target, provider)| Target {
                provider: target.provider.clone(),
                kind: provider.kind,
                base_url: provider.base_url.clone(),
                region: provider.region.clone(),
                keys: provider.keys.clone(),
                model: target.model.clone(),
                price: Price::default(),
                dear: NanoUsd(0),
                prices: self
                    .prices_of(target)
                    .iter()
                    .map(DatedPrice::held)
                    .collect(),
                streams: provider.streams,
                start: provider.start,
                rank: target.rank,
                choice: self.choose,
                room: target.room(),
                api: target.api,
                counts: target.usage,
                thoughts: target.thoughts,
                window: target.window,
                effort: target.effort,
                fixed_sampling: !target.sampling,
                pdf: target.pdf,
                weight: target
                    .weight
                    .saturating_mul(share(provider, providers.get(&target.provider))),
            })
            .collect()
    }
}

impl Provider {
    /// Whether it is somebody else's house, so that what is asked leaves this one.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self.kind, Kind::Anthropic | Kind::Bedrock)
            || USUAL
                .iter()
                .any(|(name, url)| *name != "runpod" && self.base_url == *url)
    }
}

/// How heavy one of a provider's places is beside the others: as its keys are together.
fn share(site: &Provider, sites: Option<&Vec<Provider>>) -> u32 {
    if sites.is_none_or(|sites| sites.len() < 2) {
        return 1;
    }
    site.keys.iter().map(|key| key.weight).sum::<u32>().max(1)
}

/// Where a provider answers, and by which protocol: as is said, else as is usual for its name.
///
/// # Errors
/// With what is missing or wrong.
pub fn site(
    name: &str,
    kind: &str,
    base_url: &str,
    region: &str,
) -> Result<(Kind, String), String> {
    let kind = match kind {
        "" => Kind::named(name).unwrap_or_default(),
        kind => Kind::named(kind).ok_or_else(|| {
            format!("kind is {kind}; expected openai, anthropic, bedrock, runpod or runpod-text")
        })?,
    };
    if kind == Kind::Bedrock && region.is_empty() {
        return Err("region is not set, such as ap-northeast-1".to_owned());
    }
    let usual = USUAL.iter().find(|(known, _)| *known == name);
    let base_url = match usual {
        _ if !base_url.is_empty() => base_url.to_owned(),
        Some((_, url)) => (*url).to_owned(),
        None if kind == Kind::Bedrock => {
            format!("https://bedrock-runtime.{region}.amazonaws.com")
        }
        None => return Err("base_url is not set".to_owned()),
    };
    let is_web = url::Url::parse(&base_url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    if is_web {
        Ok((kind, base_url))
    } else {
        Err(format!("base_url is not a URL: {base_url}"))
    }
}

/// Both models' targets, so that the newer one takes `percent` of the calls and each stands in for the other. At 0 the older
/// is used alone, at once and for all calls.
fn mixed(older: Vec<Target>, newer: Vec<Target>, percent: u32) -> Vec<Target> {
    if percent == 0 || newer.is_empty() {
        return older;
    }
    let share = |targets: Vec<Target>, percent: u32| {
        let first = targets.iter().map(|target| target.rank).min().unwrap_or(0);
        let whole: u32 = targets
            .iter()
            .filter(|target| target.rank == first)
            .map(|target| target.weight)
            .sum();
        targets.into_iter().map(move |mut target| {
            // a share is a share, however quick or cheap the newer one is
            target.choice = Choice::Weight;
            if target.rank == first {
                target.weight = target.weight * percent * 1000 / whole.max(1);
            }
            target
        })
    };
    share(older, 100 - percent)
        .chain(share(newer, percent))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Routes;

    fn one_each(names: &[&str]) -> BTreeMap<String, Provider> {
        let each = providers(names).into_iter();
        each.filter_map(|(name, sites)| Some((name, sites.into_iter().next()?)))
            .collect()
    }

    fn providers(names: &[&str]) -> BTreeMap<String, Vec<Provider>> {
        let provider = Provider {
            kind: Kind::OpenAi,
            base_url: "http://localhost/v1".to_owned(),
            region: String::new(),
            keys: Vec::new(),
            streams: true,
            start: None,
        };
        names
            .iter()
            .map(|name| ((*name).to_owned(), vec![provider.clone()]))
            .collect()
    }

    const OLD_AND_NEW: &str = r#"
        [[model]]
        name = "old"
        targets = [{ provider = "a", model = "old-1", weight = 3 }, { provider = "b", model = "old-1" }]
        [[model]]
        name = "new"
        targets = [{ provider = "a", model = "new-1" }]
    "#;

    fn shares(canary: &str) -> Vec<(String, u32)> {
        let text =
            format!("{OLD_AND_NEW}\n[[model]]\nname = \"chat\"\nalias_of = \"old\"\n{canary}");
        let routes = ModelFile::parse(&text)
            .unwrap()
            .routes(&providers(&["a", "b"]));
        let (_, route) = routes.into_iter().find(|(name, _)| name == "chat").unwrap();
        let targets = route.targets.into_iter();
        targets
            .map(|target| (target.model, target.weight))
            .collect()
    }

    #[test]
    fn the_built_in_file_is_good_and_offers_what_has_a_provider() {
        let file = ModelFile::parse(DEFAULT_MODELS).unwrap();
        assert_eq!(file.routes(&providers(&[])).len(), 0);
        let names: Vec<String> = file
            .routes(&providers(&["anthropic"]))
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(names.contains(&"claude-3-haiku".to_owned()));
        assert!(!names.contains(&"gpt-4".to_owned()));
    }

    #[test]
    fn a_canary_takes_its_share_and_is_taken_back_at_once() {
        let old = |weight| ("old-1".to_owned(), weight);
        assert_eq!(shares(""), [old(3), old(1)]);
        assert_eq!(
            shares("canary = { model = \"new\", percent = 20 }"),
            [old(60_000), old(20_000), ("new-1".to_owned(), 20_000)]
        );
        assert_eq!(
            shares("canary = { model = \"new\", percent = 0 }"),
            [old(3), old(1)]
        );
    }

    #[test]
    fn the_quicker_is_chosen_where_the_file_says_so_and_no_canary_has_a_share() {
        let text = OLD_AND_NEW.replacen("name = \"old\"", "name = \"old\"\nchoose = \"quick\"", 1);
        let canary = "canary = { model = \"new\", percent = 20 }";
        let text = format!(
            "{text}\n[[model]]\nname = \"alias\"\nalias_of = \"old\"\n[[model]]\nname = \"mixed\"\nalias_of = \"old\"\n{canary}"
        );
        let file = ModelFile::parse(&text).unwrap();
        let routes: BTreeMap<_, _> = file.routes(&providers(&["a", "b"])).into_iter().collect();
        let chosen = |name: &str, choice| {
            let targets = &routes[name].targets;
            targets.iter().all(|target| target.choice == choice)
        };
        assert!(chosen("old", Choice::Quick) && chosen("alias", Choice::Quick));
        assert!(chosen("new", Choice::Weight) && chosen("mixed", Choice::Weight));
    }

    #[test]
    fn a_target_costs_what_it_says_itself_or_else_what_its_model_does() {
        let file = ModelFile::parse(
            r#"
            [[model]]
            name = "m"
            choose = "cheap"
            prices = [{ from = "2025-01-01", input = 5, output = 6 }]
            targets = [{ provider = "a", model = "m" },
                       { provider = "b", model = "m", prices = [{ from = "2025-01-01", input = 1, output = 2 }] }]
            "#,
        )
        .unwrap();
        let routes = Routes::of_file(file, one_each(&["a", "b"]), Routes::default(), true);
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let targets = routes.targets("m", now);
        let inputs: Vec<i64> = targets.iter().map(|target| target.price.input.0).collect();
        assert_eq!(inputs, [5, 1], "and so it is billed");
        assert!(targets.iter().all(|target| target.choice == Choice::Cheap));
    }

    #[test]
    fn a_share_is_written_anew_and_all_else_stays_as_it_was() {
        let text = "# ours\n[[model]]\nname = \"a\"\ntargets = [{ provider = \"p\", model = \"m\" }]\n\n[[model]]\nname = \"ü\" # é\nalias_of = \"a\"\n\
                    canary = { model = \"a\", percent =  5 } # five\n";
        let file = ModelFile::parse(text).unwrap();
        let changed = file.with_canary("ü", 25).unwrap();
        assert_eq!(changed, text.replace("percent =  5", "percent =  25"));
        assert_eq!(file.with_canary("a", 25), None, "it has none");
    }
}

//! Whether the models of a file make sense together, and with the providers that there are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use kernel::Text;
use llm::openai::Counts;

use super::{Canary, DatedPrice, Entry, EntryTarget, ModelFile, USUAL};
use crate::route::{Api, Choice, Kind, Use};

/// The largest file, in bytes.
const LARGEST: usize = 256 * 1024;
/// Providers that may be named without being in the settings: those that the house knows, and the stand-in of a demo.
const KNOWN: [&str; 2] = ["bedrock", "sandbox"];

/// What is wrong with a model file, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    #[error("the model file can't be read: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("the model file has more than {LARGEST} bytes")]
    TooLarge,
    #[error("{pointer}: model {model}: {}", what.en)]
    Model {
        /// Where in the file, as a JSON pointer.
        pointer: String,
        model: String,
        what: Text,
    },
}

impl ModelFileError {
    /// Where in the file it is, as a JSON pointer; empty where that isn't known.
    pub fn pointer(&self) -> &str {
        match self {
            Self::Toml(_) | Self::TooLarge => "",
            Self::Model { pointer, .. } => pointer,
        }
    }

    /// What it is, in both languages.
    pub fn text(&self) -> Text {
        match self {
            Self::Toml(error) => Text::owned(
                format!("TOMLとして読めません: {error}"),
                format!("It can't be read as TOML: {error}"),
            ),
            Self::TooLarge => Text::owned(
                format!("{LARGEST}バイトまでにしてください。"),
                format!("Please keep it within {LARGEST} bytes."),
            ),
            Self::Model { model, what, .. } => Text::owned(
                format!("モデル「{model}」: {}", what.ja),
                format!("Model {model}: {}", what.en),
            ),
        }
    }
}

/// A field of one model and what is wrong with it.
type Wrong = (String, Text);

impl ModelFile {
    /// Reads a model file and checks that its models make sense together.
    ///
    /// # Errors
    /// With the line, or the model's field and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ModelFileError> {
        if text.len() > LARGEST {
            return Err(ModelFileError::TooLarge);
        }
        let mut file: Self = toml::from_str(text)?;
        text.clone_into(&mut file.text);
        for (at, model) in file.model.iter().enumerate() {
            if let Some(wrong) = file.wrong(at, model) {
                return Err(at_model(at, model, wrong));
            }
        }
        Ok(file)
    }

    /// Checks that each target is at a provider that is known: to the house, or by one of these names; and that what it says
    /// goes with what that provider speaks.
    ///
    /// # Errors
    /// With the target whose provider nobody knows, or of another kind.
    pub fn check_providers(&self, known: &BTreeMap<String, Kind>) -> Result<(), ModelFileError> {
        self.check_kinds(known)?;
        let is_known = |name: &str| {
            known.contains_key(name)
                || KNOWN.contains(&name)
                || USUAL.iter().any(|(usual, _)| *usual == name)
        };
        for (at, model) in self.model.iter().enumerate() {
            let mut targets = model.targets.iter().enumerate();
            if let Some((place, target)) = targets.find(|(_, target)| !is_known(&target.provider)) {
                let what = Text::owned(
                    format!(
                        "「{}」という提供元はありません。設定に加えるか、キーを登録してください。",
                        target.provider
                    ),
                    format!(
                        "there is no provider {}; add it to the settings, or register a key of it",
                        target.provider
                    ),
                );
                let wrong = (format!("/targets/{place}/provider"), what);
                return Err(at_model(at, model, wrong));
            }
        }
        Ok(())
    }

    /// Checks that what each target says goes with what its provider speaks: as is said here, else as is usual for its name.
    ///
    /// # Errors
    /// With the target that says otherwise.
    pub fn check_kinds(&self, kinds: &BTreeMap<String, Kind>) -> Result<(), ModelFileError> {
        for (at, model) in self.model.iter().enumerate() {
            if let Some(wrong) = wrong_api(model, kinds).or_else(|| wrong_thoughts(model, kinds)) {
                return Err(at_model(at, model, wrong));
            }
        }
        Ok(())
    }

    /// Checks that each list of prices has one that holds now, and none for the same day twice. A text that was put in force
    /// before is not refused for that.
    ///
    /// # Errors
    /// With the list or the price.
    pub fn check_prices(&self, now: DateTime<Utc>) -> Result<(), ModelFileError> {
        for (at, model) in self.model.iter().enumerate() {
            let targets = model.targets.iter().enumerate();
            let of_targets =
                targets.map(|(place, target)| (format!("/targets/{place}"), &target.prices));
            let mut lists = std::iter::once((String::new(), &model.prices)).chain(of_targets);
            if let Some(wrong) = lists.find_map(|(place, prices)| wrong_dates(&place, prices, now))
            {
                return Err(at_model(at, model, wrong));
            }
        }
        Ok(())
    }

    fn wrong(&self, at: usize, model: &Entry) -> Option<Wrong> {
        let wrong = |field: &str, ja, en| Some((field.to_owned(), Text::new(ja, en)));
        if model.name.is_empty() || model.name.len() > 80 {
            return wrong(
                "/name",
                "名前は1〜80文字にしてください。",
                "a name has 1 to 80 characters",
            );
        }
        let mut before = self.model.iter().take(at);
        if before.any(|other| other.name == model.name) {
            return wrong(
                "/name",
                "同じ名前のモデルが二つあります。",
                "there are two of them",
            );
        }
        if model.alias_of.is_some() != model.targets.is_empty() {
            return wrong(
                "/targets",
                "targetsかalias_ofのどちらか一つを書いてください。",
                "a model has either targets or alias_of",
            );
        }
        let others = [
            ("/alias_of", model.alias_of.as_ref()),
            ("/canary/model", model.canary.as_ref().map(|one| &one.model)),
            ("/shadow/model", model.shadow.as_ref().map(|one| &one.model)),
        ];
        for (field, other) in others {
            if other.is_some_and(|other| !self.plain(other) || *other == model.name) {
                return wrong(
                    field,
                    "自分の行き先（targets）を持つ、ほかのモデルの名前にしてください。",
                    "it points at a model that has no targets of its own",
                );
            }
        }
        let canary = model.canary.as_ref();
        for (field, percent) in [
            ("/canary/percent", canary.map(Canary::percent)),
            (
                "/shadow/percent",
                model.shadow.as_ref().map(|one| one.percent),
            ),
        ] {
            if percent.is_some_and(|percent| percent > 100) {
                return wrong(
                    field,
                    "カナリアとシャドーは0〜100パーセントにしてください。",
                    "a canary or a shadow takes 0 to 100 percent",
                );
            }
        }
        let gate = canary.and_then(|canary| canary.gate.as_deref());
        if gate.is_some_and(|gate| gate.is_empty() || gate.len() > 80) {
            return wrong(
                "/canary/gate",
                "評価の名前は1〜80文字にしてください。",
                "the name of an evaluation has 1 to 80 characters",
            );
        }
        if model.alias_of.is_some() && model.choose != Choice::default() {
            return wrong(
                "/choose",
                "別名の選び方は、元のモデルに従います。",
                "another name chooses as its model does",
            );
        }
        self.wrong_room(model)
            .or_else(|| wrong_count(model))
            .or_else(|| wrong_api(model, &BTreeMap::new()))
            .or_else(|| wrong_thoughts(model, &BTreeMap::new()))
            .or_else(|| wrong_window(model))
            .or_else(|| wrong_price("", &model.prices))
            .or_else(|| wrong_targets_price(model))
    }

    /// One provider's model has its places once, whoever asks for it by which name.
    fn wrong_room(&self, model: &Entry) -> Option<Wrong> {
        let all = || self.model.iter().flat_map(|other| &other.targets);
        model.targets.iter().enumerate().find_map(|(at, target)| {
            let wrong =
                |field: &str, ja, en| Some((format!("/targets/{at}/{field}"), Text::new(ja, en)));
            let is_same = |other: &&EntryTarget| {
                (&other.provider, &other.model) == (&target.provider, &target.model)
            };
            if target.concurrent == Some(0) {
                wrong(
                    "concurrent",
                    "呼び出しを受ける行き先は、同時に一つ以上を受けます。",
                    "a target that takes calls takes at least one at once",
                )
            } else if target.waiting.is_some() && target.concurrent.is_none() {
                wrong(
                    "waiting",
                    "concurrentで席の数を決めていないと、誰も待ちません。",
                    "nobody waits where `concurrent` does not bound the places",
                )
            } else if all()
                .filter(is_same)
                .any(|other| other.room() != target.room())
            {
                wrong(
                    "concurrent",
                    "同じ行き先の席の数が、別のモデルと食い違っています。",
                    "another model says otherwise how many this target takes at once",
                )
            } else {
                None
            }
        })
    }
}

/// Providers of other protocols tell their count as these rule.
fn wrong_count(model: &Entry) -> Option<Wrong> {
    let is_wrong = |target: &EntryTarget| {
        let kind = Kind::named(&target.provider).unwrap_or_default();
        target.usage != Counts::End && kind != Kind::OpenAi
    };
    let at = model.targets.iter().position(is_wrong)?;
    let what = Text::new(
        "usageは、vLLMやllama.cppのようなOpenAI互換サーバーの行き先にだけ書いてください。",
        "only servers of OpenAI's protocol, such as vLLM and llama.cpp, can be asked for their usage in each chunk",
    );
    Some((format!("/targets/{at}/usage"), what))
}

/// Only servers of OpenAI's protocols are asked by the one or the other, and only chats.
fn wrong_api(model: &Entry, kinds: &BTreeMap<String, Kind>) -> Option<Wrong> {
    let kind_of = |name: &str| kinds.get(name).copied().or_else(|| Kind::named(name));
    let is_other = |target: &EntryTarget| {
        let kind = kind_of(&target.provider).unwrap_or_default();
        kind != Kind::OpenAi || target.usage != Counts::End || model.use_for != Use::Chat
    };
    let mut targets = model.targets.iter();
    let at = targets.position(|target| target.api == Api::Responses && is_other(target))?;
    let what = Text::new(
        "api = \"responses\"は、OpenAIのプロトコルを話す提供元のチャットモデルの行き先に、usageなしで書いてください。",
        "`api = \"responses\"` is for targets of chat models at providers of OpenAI's protocol, without `usage`",
    );
    Some((format!("/targets/{at}/api"), what))
}

/// Only in OpenAI's chat protocol is it a matter of the server where thoughts are handed back, and whether.
fn wrong_thoughts(model: &Entry, kinds: &BTreeMap<String, Kind>) -> Option<Wrong> {
    let kind_of = |name: &str| kinds.get(name).copied().or_else(|| Kind::named(name));
    let is_other = |target: &EntryTarget| {
        let kind = kind_of(&target.provider).unwrap_or_default();
        kind != Kind::OpenAi || target.api != Api::Chat || model.use_for != Use::Chat
    };
    let mut targets = model.targets.iter();
    let at = targets.position(|target| target.thoughts.is_some() && is_other(target))?;
    let what = Text::new(
        "thoughtsは、OpenAIのチャットプロトコルを話すサーバーの行き先にだけ書いてください。",
        "`thoughts` is for targets of chat models at servers of OpenAI's chat protocol",
    );
    Some((format!("/targets/{at}/thoughts"), what))
}

/// The smallest models' windows, and more than any has.
const WINDOWS: std::ops::RangeInclusive<u32> = 512..=100_000_000;

fn wrong_window(model: &Entry) -> Option<Wrong> {
    let is_wrong = |target: &EntryTarget| target.window.is_some_and(|it| !WINDOWS.contains(&it));
    let at = model.targets.iter().position(is_wrong)?;
    let what = Text::new(
        "windowは、質問と答えを合わせたトークン数です。512以上にしてください。",
        "`window` is what question and answer have together, 512 tokens at least",
    );
    Some((format!("/targets/{at}/window"), what))
}

/// Who is to choose the cheapest has to know what each costs.
fn wrong_targets_price(model: &Entry) -> Option<Wrong> {
    model.targets.iter().enumerate().find_map(|(at, target)| {
        let place = format!("/targets/{at}");
        if model.choose == Choice::Cheap && model.prices_of(target).is_empty() {
            let what = Text::new(
                "安い行き先を選ぶには料金が要ります。モデルか、この行き先にpricesを書いてください。",
                "the cheapest can't be chosen where a target has no price: give prices to the model or to this target",
            );
            return Some((place + "/prices", what));
        }
        wrong_price(&place, &target.prices)
    })
}

fn wrong_price(place: &str, prices: &[DatedPrice]) -> Option<Wrong> {
    prices.iter().enumerate().find_map(|(at, price)| {
        let fields = [
            ("input", Some(price.input)),
            ("output", Some(price.output)),
            ("cached", price.cached),
            ("written", price.written),
            ("long/input", price.long.map(|long| long.input)),
            ("long/output", price.long.map(|long| long.output)),
            ("long/cached", price.long.and_then(|long| long.cached)),
            ("long/written", price.long.and_then(|long| long.written)),
        ];
        let mut negative = fields
            .into_iter()
            .filter(|(_, price)| price.is_some_and(|price| price.0 < 0));
        negative.next().map(|(field, _)| {
            let what = Text::new("料金は負にできません。", "a price can't be negative");
            (format!("{place}/prices/{at}/{field}"), what)
        })
    })
}

fn wrong_dates(place: &str, prices: &[DatedPrice], now: DateTime<Utc>) -> Option<Wrong> {
    let mut days = BTreeSet::new();
    if let Some(twice) = prices.iter().position(|price| !days.insert(price.from)) {
        let what = Text::new(
            "同じ日からの料金が二つあります。",
            "two prices begin on the same day",
        );
        return Some((format!("{place}/prices/{twice}/from"), what));
    }
    if !prices.is_empty() && prices.iter().all(|price| price.held().0 > now) {
        let what = Text::new(
            "今の料金がありません。すでに始まった料金を書いてください。",
            "no price holds now: give one that has begun",
        );
        return Some((format!("{place}/prices"), what));
    }
    None
}

fn at_model(at: usize, model: &Entry, (field, what): Wrong) -> ModelFileError {
    ModelFileError::Model {
        pointer: format!("/model/{at}{field}"),
        model: model.name.clone(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_together_is_told_with_its_place() {
        let plain = "targets = [{ provider = \"p\", model = \"m\" }]";
        for (text, pointer, what) in [
            (
                "name = \"a\"",
                "/model/0/targets",
                "either targets or alias_of",
            ),
            (
                "name = \"a\"\nalias_of = \"b\"",
                "/model/0/alias_of",
                "no targets",
            ),
            (&format!("name = \"\"\n{plain}"), "/model/0/name", "1 to 80"),
            (
                &format!(
                    "name = \"a\"\n{plain}\nprices = [{{ from = \"2025-01-01\", input = 1, output = -1 }}]"
                ),
                "/model/0/prices/0/output",
                "negative",
            ),
            (
                &format!(
                    "name = \"a\"\n{plain}\n[[model]]\nname = \"b\"\nalias_of = \"a\"\ncanary = {{ model = \"a\", percent = 101 }}"
                ),
                "/model/1/canary/percent",
                "0 to 100",
            ),
            (
                &format!("name = \"a\"\nchoose = \"cheap\"\n{plain}"),
                "/model/0/targets/0/prices",
                "no price",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"p\", model = \"m\", prices = [{ from = \"2025-01-01\", input = -1, output = 1 }] }]",
                "/model/0/targets/0/prices/0/input",
                "negative",
            ),
            (
                &format!(
                    "name = \"a\"\n{plain}\nprices = [{{ from = \"2025-01-01\", input = 1, output = 1, long = {{ over = 9, input = 1, output = 1, written = -1 }} }}]"
                ),
                "/model/0/prices/0/long/written",
                "negative",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"anthropic\", model = \"m\", usage = \"chunks\" }]",
                "/model/0/targets/0/usage",
                "OpenAI's protocol",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"p\", model = \"m\" }, { provider = \"bedrock\", model = \"m\", api = \"responses\" }]",
                "/model/0/targets/1/api",
                "OpenAI's protocol",
            ),
            (
                "name = \"a\"\ntype = \"embedding\"\ntargets = [{ provider = \"p\", model = \"m\", api = \"responses\" }]",
                "/model/0/targets/0/api",
                "chat models",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"p\", model = \"m\", api = \"responses\", usage = \"chunks\" }]",
                "/model/0/targets/0/api",
                "without `usage`",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"anthropic\", model = \"m\", thoughts = \"reasoning\" }]",
                "/model/0/targets/0/thoughts",
                "chat protocol",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"p\", model = \"m\", api = \"responses\", thoughts = \"reasoning\" }]",
                "/model/0/targets/0/thoughts",
                "chat protocol",
            ),
            (
                "name = \"a\"\ntargets = [{ provider = \"p\", model = \"m\", window = 511 }]",
                "/model/0/targets/0/window",
                "512",
            ),
        ] {
            let error = ModelFile::parse(&format!("[[model]]\n{text}")).unwrap_err();
            assert_eq!(error.pointer(), pointer, "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
        let unread = ModelFile::parse("[[model]]\nnam = 1").unwrap_err();
        assert_eq!(unread.pointer(), "");
        assert!(unread.to_string().contains("line 2"), "{unread}");
    }

    #[test]
    fn a_price_has_begun_and_no_two_begin_together() {
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let price = |from: &str| format!("{{ from = \"{from}\", input = 1, output = 2 }}");
        for (days, pointer) in [
            (&[][..], None),
            (&["2026-11-24"], None),
            (&["2027-01-01", "2026-01-01"], None),
            (&["2026-11-25"], Some("/prices")),
            (&["2027-02-01", "2027-01-01"], Some("/prices")),
            (&["2026-01-01", "2026-01-01"], Some("/prices/1/from")),
        ] {
            let prices: Vec<String> = days.iter().map(|day| price(day)).collect();
            let prices = prices.join(", ");
            let target = "provider = \"p\", model = \"m\"";
            for (text, place) in [
                (
                    format!("prices = [{prices}]\ntargets = [{{ {target} }}]"),
                    "",
                ),
                (
                    format!("targets = [{{ {target}, prices = [{prices}] }}]"),
                    "/targets/0",
                ),
            ] {
                let text = format!("[[model]]\nname = \"a\"\n{text}");
                let file = ModelFile::parse(&text).unwrap();
                let wrong = file.check_prices(now).err();
                let found = wrong.as_ref().map(ModelFileError::pointer);
                let expected = pointer.map(|pointer| format!("/model/0{place}{pointer}"));
                assert_eq!(found, expected.as_deref(), "{text}");
            }
        }
    }

    #[test]
    fn a_target_is_at_a_provider_that_somebody_knows() {
        let text = "[[model]]\nname = \"a\"\ntargets = [{ provider = \"openai\", model = \"m\" }, { provider = \"own\", model = \"m\" }]";
        let file = ModelFile::parse(text).unwrap();
        let known = BTreeMap::from([("own".to_owned(), Kind::OpenAi)]);
        assert!(file.check_providers(&known).is_ok());
        let error = file.check_providers(&BTreeMap::new()).unwrap_err();
        assert_eq!(error.pointer(), "/model/0/targets/1/provider");
    }

    #[test]
    fn what_a_provider_speaks_is_known_by_its_name_unless_it_is_said() {
        let file = |provider: &str| {
            let target =
                format!("{{ provider = \"{provider}\", model = \"m\", api = \"responses\" }}");
            ModelFile::parse(&format!("[[model]]\nname = \"a\"\ntargets = [{target}]"))
        };
        assert!(file("anthropic").is_err());
        let own = file("own").unwrap();
        let kinds = |kind| BTreeMap::from([("own".to_owned(), kind)]);
        assert!(own.check_providers(&kinds(Kind::OpenAi)).is_ok());
        let error = own.check_providers(&kinds(Kind::Bedrock)).unwrap_err();
        assert_eq!(error.pointer(), "/model/0/targets/0/api");
    }
}

//! What is asked before a canary's share grows: a rule over two files.

use serde::Serialize;

use super::{Entry, ModelFile};

/// A share that would grow, and the evaluation that its name asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Growth {
    /// The public name.
    pub(crate) name: String,
    /// The newer model.
    pub(crate) model: String,
    pub(crate) evaluation: String,
    /// What stands behind the newer model, which is what passes or does not.
    pub(crate) subject: String,
}

/// A share that would grow without having passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NotPassed {
    /// The public name whose canary it is.
    pub model: String,
    pub canary: String,
    pub evaluation: String,
}

impl Entry {
    fn subject(&self) -> String {
        let targets = self.targets.iter();
        let mut behind: Vec<String> = targets
            .map(|target| format!("{}/{}", target.provider, target.model))
            .collect();
        behind.sort();
        behind.dedup();
        behind.join(", ")
    }

    fn gate(&self) -> Option<&str> {
        self.canary.as_ref()?.gate.as_deref()
    }
}

impl ModelFile {
    /// What stands behind a model, as evaluations know it: the same by another name or with other weights. None where the file
    /// has no such model.
    pub(crate) fn subject(&self, model: &str) -> Option<String> {
        let model = self.find(model)?;
        let alias = model.alias_of.as_deref().and_then(|name| self.find(name));
        Some(alias.unwrap_or(model).subject())
    }

    /// The names whose canary is this model, with the evaluations that they ask for.
    pub fn gates_of(&self, model: &str) -> Vec<String> {
        let subject = self.subject(model);
        let asks = |entry: &&Entry| {
            let canary = entry.canary.as_ref();
            canary.is_some_and(|canary| self.subject(&canary.model) == subject)
        };
        let mut gates: Vec<String> = self
            .model
            .iter()
            .filter(asks)
            .filter_map(Entry::gate)
            .map(str::to_owned)
            .collect();
        gates.sort();
        gates.dedup();
        gates
    }

    /// Of a hundred calls by a name, how many go to what is behind `subject`.
    fn share(&self, name: &str, subject: &str) -> u32 {
        let Some(entry) = self.find(name) else {
            return 0;
        };
        let canary = entry.canary.as_ref();
        let (newer, percent) = canary.map_or((None, 0), |canary| {
            (self.subject(&canary.model), canary.percent())
        });
        let mut share = 0;
        if newer.as_deref() == Some(subject) {
            share += percent;
        }
        if self.subject(name).as_deref() == Some(subject) {
            share += 100_u32.saturating_sub(percent);
        }
        share
    }

    /// The shares that would grow on the way from `before` to this file where an evaluation is asked for, in either of the two:
    /// what was asked for is asked for until a file without it is in force. What a name led to all along grows back unasked.
    pub(crate) fn growths(&self, before: &Self) -> Vec<Growth> {
        let mut growths = Vec::new();
        for entry in &self.model {
            let old = before.find(&entry.name);
            let base = before.subject(&entry.name);
            let newer = |file: &Self, entry: Option<&Entry>| {
                let canary = entry?.canary.as_ref()?;
                Some((canary.model.clone(), file.subject(&canary.model)?))
            };
            let evaluations = [Some(entry), old];
            let evaluations = evaluations.into_iter().flatten().filter_map(Entry::gate);
            let mut subjects = vec![newer(self, Some(entry)), newer(before, old)];
            subjects.dedup_by_key(|newer| newer.as_ref().map(|(_, subject)| subject.clone()));
            for evaluation in evaluations {
                for (model, subject) in subjects.iter().flatten() {
                    if base.as_ref() != Some(subject)
                        && self.share(&entry.name, subject) > before.share(&entry.name, subject)
                    {
                        growths.push(Growth {
                            name: entry.name.clone(),
                            model: model.clone(),
                            evaluation: evaluation.to_owned(),
                            subject: subject.clone(),
                        });
                    }
                }
            }
        }
        growths.sort();
        growths.dedup();
        growths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = r#"
        [[model]]
        name = "old"
        targets = [{ provider = "p", model = "one" }]
        [[model]]
        name = "new"
        targets = [{ provider = "p", model = "two" }, { provider = "q", model = "two" }]
        [[model]]
        name = "twin"
        targets = [{ provider = "q", model = "two", weight = 9 }, { provider = "p", model = "two" }]
        [[model]]
        name = "third"
        targets = [{ provider = "p", model = "three" }]
    "#;

    fn file(chat: &str) -> ModelFile {
        ModelFile::parse(&format!("{MODELS}\n[[model]]\nname = \"chat\"\n{chat}")).unwrap()
    }

    fn canary(model: &str, percent: u32, gate: &str) -> ModelFile {
        let gate = if gate.is_empty() {
            String::new()
        } else {
            format!(", gate = \"{gate}\"")
        };
        file(&format!(
            "alias_of = \"old\"\ncanary = {{ model = \"{model}\", percent = {percent}{gate} }}"
        ))
    }

    fn asked(before: &ModelFile, after: &ModelFile) -> Vec<(String, String)> {
        let growths = after.growths(before).into_iter();
        growths
            .map(|growth| (growth.evaluation, growth.subject))
            .collect()
    }

    #[test]
    fn a_share_that_grows_is_asked_for_and_one_that_shrinks_is_not() {
        let gated = |percent| canary("new", percent, "manners");
        let new = [("manners".to_owned(), "p/two, q/two".to_owned())];
        assert_eq!(asked(&gated(5), &gated(6)), new);
        assert_eq!(asked(&gated(0), &gated(1)), new);
        assert_eq!(asked(&gated(5), &gated(5)), []);
        assert_eq!(asked(&gated(50), &gated(5)), []);
        assert_eq!(
            asked(&gated(5), &file("alias_of = \"old\"")),
            [],
            "what was there grows back"
        );
        assert_eq!(
            asked(&file("alias_of = \"old\""), &gated(0)),
            [],
            "it may be set up"
        );
        assert_eq!(asked(&file("alias_of = \"old\""), &gated(5)), new);
        assert_eq!(
            asked(&canary("new", 5, ""), &canary("new", 50, "")),
            [],
            "nobody asks"
        );
    }

    #[test]
    fn there_is_no_way_around_it() {
        let gated = canary("new", 5, "manners");
        let new = [("manners".to_owned(), "p/two, q/two".to_owned())];
        assert_eq!(
            asked(&gated, &canary("new", 50, "")),
            new,
            "without the gate"
        );
        assert_eq!(
            asked(&gated, &canary("twin", 50, "manners")),
            new,
            "by another name"
        );
        assert_eq!(
            asked(&gated, &file("alias_of = \"new\"")),
            new,
            "all at once"
        );
        let copied = file(
            "targets = [{ provider = \"q\", model = \"two\" }, { provider = \"p\", model = \"two\" }]",
        );
        assert_eq!(asked(&gated, &copied), new);
        let other = canary("third", 5, "manners");
        assert_eq!(
            asked(&gated, &other),
            [("manners".to_owned(), "p/three".to_owned())]
        );
        assert_eq!(
            asked(&canary("twin", 5, "manners"), &gated),
            [],
            "the same by another name"
        );
    }

    #[test]
    fn a_step_back_from_all_to_some_is_a_step_back() {
        let gated = canary("new", 5, "manners");
        assert_eq!(asked(&file("alias_of = \"new\""), &gated), []);
        assert_eq!(gated.gates_of("new"), ["manners"]);
        assert_eq!(gated.gates_of("twin"), ["manners"]);
        assert!(gated.gates_of("third").is_empty());
    }
}

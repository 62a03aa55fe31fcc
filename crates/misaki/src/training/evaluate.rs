//! Whether a model answers as she would: questions with rules that a machine can judge. It keeps out a model that has lost
//! its language, its manners or the persona; it does not say that an answer is good.

use gateway::{Judgement, ask_aside};
use identity::TenantId;
use kernel::{Fault, Lang};
use llm::Role;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error, Misaki,
    persona::{self, Turn},
    phrasebook,
};

/// The questions that come with the program.
pub(super) const FIRST_SET: &str = "crates/misaki/training/evaluation.json";
const FIRST_JSON: &str = include_str!("../../training/evaluation.json");
/// The longest answer, in tokens.
const TOKENS: u32 = 700;

/// A set of questions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSet {
    pub format: String,
    pub cases: Vec<Case>,
}

impl EvaluationSet {
    /// Reads a set.
    ///
    /// # Errors
    /// When it is not the form of one.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text)
            .map_err(|error| Fault::internal("the questions can't be read", error))
    }

    /// The questions that come with the program.
    ///
    /// # Errors
    /// When they are broken.
    pub fn first() -> Result<Self, Fault> {
        Self::parse(FIRST_JSON)
    }
}

/// A talk, and what has to be true of the next answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub id: String,
    pub locale: Lang,
    /// What was said, in turns; the person has the first and the last word.
    pub say: Vec<String>,
    pub language: Lang,
    pub most_chars: usize,
    /// None of these may be in it.
    #[serde(default)]
    pub never: Vec<String>,
    /// One of these has to be in it.
    #[serde(default)]
    pub any: Vec<String>,
}

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub id: String,
    /// The rules that the answer breaks; none is a pass.
    pub broken: Vec<String>,
}

/// What came of all of them.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub model: String,
    pub passed: bool,
    pub verdicts: Vec<Verdict>,
    pub cost_nano_usd: i64,
}

/// Puts the questions to the models of a route, with the persona in force. The house pays.
///
/// # Errors
/// When the route leads nowhere or the database is away. A model that does not answer fails its question.
pub async fn evaluate(room: &Misaki, route: &str, set: &EvaluationSet) -> Result<Report, Error> {
    if !gateway::leads(&room.gateway, route) {
        return Err(gateway::Error::ModelNotConfigured(route.to_owned()).into());
    }
    let mut tx = room
        .cx
        .db
        .begin(db::Scope::House("a model is tried"))
        .await?;
    let (_, card) = persona::current(&mut tx, room).await?;
    let guard = phrasebook::judge(&mut tx, room, "").await?;
    tx.commit().await?;
    let mut verdicts = Vec::with_capacity(set.cases.len());
    let mut cost_nano_usd: i64 = 0;
    for case in &set.cases {
        let Some((text, before)) = case.say.split_last() else {
            continue;
        };
        let roles = [Role::User, Role::Assistant].into_iter().cycle();
        let turn = Turn {
            lang: case.locale,
            earlier: roles.zip(before.iter().cloned()).collect(),
            text,
            insights: "",
        };
        let asked = (persona::conversation(&card, turn), TOKENS);
        let broken = match ask_aside(&room.gateway, TenantId(Uuid::nil()), route, asked).await {
            Ok(answer) => {
                cost_nano_usd = cost_nano_usd.saturating_add(answer.cost.0);
                let mut broken = judge(case, &answer.text);
                if let Judgement::Refuse(refusal) = guard.judge("", &answer.text, true) {
                    broken.push(format!("may not be said: {}", refusal.category));
                }
                broken
            }
            Err(error) => vec![error.to_string()],
        };
        verdicts.push(Verdict {
            id: case.id.clone(),
            broken,
        });
    }
    Ok(Report {
        model: route.to_owned(),
        passed: !verdicts.is_empty() && verdicts.iter().all(|one| one.broken.is_empty()),
        verdicts,
        cost_nano_usd,
    })
}

/// The rules that an answer breaks.
fn judge(case: &Case, answer: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let length = answer.chars().count();
    if answer.trim().is_empty() {
        broken.push("empty".to_owned());
    }
    if length > case.most_chars {
        broken.push(format!("{length} characters, at most {}", case.most_chars));
    }
    let japanese = answer
        .chars()
        .filter(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'))
        .count();
    let is_japanese = japanese * 4 > length;
    if is_japanese != (case.language == Lang::Ja) {
        broken.push("another language".to_owned());
    }
    for text in &case.never {
        if answer.contains(text.as_str()) {
            broken.push(format!("says {text:?}"));
        }
    }
    if !case.any.is_empty() && !case.any.iter().any(|text| answer.contains(text.as_str())) {
        broken.push(format!("says none of {:?}", case.any));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_judged_one_by_one() {
        let case = Case {
            id: "x".to_owned(),
            locale: Lang::Ja,
            say: vec!["ねえ".to_owned()],
            language: Lang::Ja,
            most_chars: 20,
            never: vec!["だめ".to_owned()],
            any: vec!["AI".to_owned()],
        };
        assert!(judge(&case, "そう、私はAIなの").is_empty());
        assert_eq!(judge(&case, "").len(), 3, "empty, no Japanese, no word");
        assert_eq!(judge(&case, "Yes, I am an AI.").len(), 1);
        assert_eq!(judge(&case, "AIだからだめ"), [r#"says "だめ""#]);
        assert_eq!(judge(&case, &"あ".repeat(30)).len(), 2);
    }

    #[test]
    fn the_questions_of_the_house_can_be_read() {
        let set = EvaluationSet::first().unwrap();
        assert_eq!(set.format, "noren.misaki.evaluation.v1");
        assert!(set.cases.len() >= 8);
        assert!(set.cases.iter().all(|case| case.say.len() % 2 == 1));
    }
}

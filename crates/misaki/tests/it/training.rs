//! What is handed over to a training, and what a model has to pass.

use futures::TryStreamExt;
use misaki::EvaluationSet;
use serde_json::{Value, json};

use super::Bar;

async fn transcripts(bar: &Bar) -> Vec<Value> {
    let lines: Vec<_> = misaki::transcripts(bar.room.clone())
        .try_collect()
        .await
        .unwrap();
    lines
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[tokio::test]
async fn only_talks_that_began_after_the_agreement_are_handed_over_and_nothing_that_names_anybody()
{
    let mut bar = Bar::open().await;
    bar.come_in_as_member().await;
    let (_, before) = bar.say(None, "まだ同意していない話", "k1").await;
    bar.ended(&before).await;
    assert!(transcripts(&bar).await.is_empty());
    bar.test.time.advance(chrono::Duration::minutes(1));
    let consents = "/api/misaki/consents";
    bar.call("PUT", consents, Some(json!({ "training": true })))
        .await;
    let (_, said) = bar
        .say(None, "電話は 090-1234-5678 に、とお客に言われたの", "k2")
        .await;
    let answer = bar.ended(&said).await.output;
    let talks = transcripts(&bar).await;
    assert_eq!(talks.len(), 1);
    let messages = talks[0]["messages"].as_array().unwrap();
    let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant"]);
    assert_eq!(messages[1]["content"], "電話は … に、とお客に言われたの");
    assert!(answer.starts_with(&messages[2]["content"].as_str().unwrap()[..9]));
    let text = talks[0].to_string();
    assert!(
        !text.contains("chat_") && !text.contains("member@"),
        "{text}"
    );
    bar.call("PUT", consents, Some(json!({ "training": false })))
        .await;
    assert!(transcripts(&bar).await.is_empty());
}

#[tokio::test]
async fn a_model_that_breaks_a_rule_does_not_pass_and_the_house_pays() {
    let bar = Bar::open().await;
    let case = |id: &str, never: &str| json!({ "id": id, "locale": "ja", "say": ["仕事で失敗しました"], "language": "ja", "most_chars": 2000, "never": [never] });
    let set = |cases: Value| {
        let text = json!({ "format": "noren.misaki.evaluation.v1", "cases": cases }).to_string();
        EvaluationSet::parse(&text).unwrap()
    };
    let good = set(json!([case("a", "ありえない言葉")]));
    let report = misaki::evaluate(&bar.room, "misaki-small", &good)
        .await
        .unwrap();
    assert!(report.passed, "{report:?}");
    let bad = set(json!([case("a", "ありえない言葉"), case("b", "仕事")]));
    let report = misaki::evaluate(&bar.room, "misaki-small", &bad)
        .await
        .unwrap();
    assert!(!report.passed);
    assert_eq!(report.verdicts[1].broken.len(), 1, "{report:?}");
    let none = misaki::evaluate(&bar.room, "nobody", &good).await;
    assert!(none.is_err());
    assert_eq!(bar.count("entitlement.usage").await, 0);
}

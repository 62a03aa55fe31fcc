//! What a model may not say: nobody sees it, nothing keeps it, and she has words of her own instead.

use gateway::State;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::Bar;

const WORD: &str = "ほたるの合言葉";
const INSTEAD: &str = "その話は、よしましょうね。";
const ASKED: &str = "今夜はほたるの合言葉について話しましょうよ";

/// A bar whose operator does not want one word said; the stand-in model says again what it was asked.
async fn guarded() -> (Bar, String) {
    let bar = Bar::open().await;
    let operator = bar.operator().await;
    let phrase = json!({ "id": "house.word", "guards": "house", "match": [WORD],
        "replies": [{ "when": "any", "text": INSTEAD }] });
    let body = json!({ "revision": 0, "phrase": phrase });
    let path = "/admin/misaki/phrases/house.word";
    let (status, book) = bar.call_as(&operator, "PUT", path, Some(body)).await;
    assert_eq!(status, 200, "{book}");
    let seen = json!({ "revision": 1 });
    let path = "/admin/misaki/phrases/publish";
    assert_eq!(
        bar.call_as(&operator, "POST", path, Some(seen)).await.0,
        200
    );
    (bar, operator)
}

/// An event as it is kept: number, kind, what is readable, what is sealed, and where that opens.
type Kept = (i32, String, Value, Option<Vec<u8>>, String);

/// The events of all runs.
async fn events(bar: &Bar) -> Vec<(i32, String, Value)> {
    let mut owner = bar.test.database.owner().await;
    let rows: Vec<Kept> = sqlx::query_as(
        "select seq, kind, data, sealed, format('gateway.run:%s:%s:event %s', tenant_id, run_id, seq)
         from gateway.run_event order by run_id, seq",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let opened = rows.into_iter().map(|(seq, kind, data, sealed, place)| {
        let data = sealed.map_or(data, |sealed| {
            let words = bar.room.identity.vault().open(&place, &sealed).unwrap();
            serde_json::from_slice(words.expose_secret()).unwrap()
        });
        (seq, kind, data)
    });
    opened.collect()
}

#[tokio::test]
async fn an_answer_with_what_the_house_does_not_say_ends_in_her_own_words() {
    let open = Bar::open().await;
    let (_, said) = open.say(None, ASKED, "k1").await;
    let free = open.ended(&said).await;
    assert!(free.output.contains(WORD), "where nobody minds it is said");
    let (before, _) = free.output.split_once(WORD).unwrap();

    let (bar, operator) = guarded().await;
    let (_, said) = bar.say(None, ASKED, "k1").await;
    let run = bar.ended(&said).await;
    assert_eq!(
        (run.state, run.reason.as_deref(), run.output.as_str()),
        (State::Cancelled, Some("moderated"), INSTEAD)
    );
    let events = events(&bar).await;
    let numbers: Vec<i32> = events.iter().map(|(seq, _, _)| *seq).collect();
    let last = i32::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    let kinds: Vec<&str> = events.iter().map(|(_, kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["withdrawn", "delta", "ended"]);
    let text: String = events
        .iter()
        .filter(|(_, kind, _)| kind == "delta")
        .map(|(_, _, data)| data["text"].as_str().unwrap())
        .collect();
    assert_eq!(text, INSTEAD, "nothing else is kept");
    let withdrawn = &events[events.len() - 3].2;
    assert_eq!(*withdrawn, json!({ "category": "house" }));

    let chat = format!("/api/misaki/chats/{}", said["chat_id"].as_str().unwrap());
    let (_, chat) = bar.call("GET", &chat, None).await;
    assert_eq!(chat["messages"][1]["text"], INSTEAD);
    assert_eq!(chat["messages"][1]["run"]["reason"], "moderated");

    let mut owner = bar.test.database.owner().await;
    let (amount, tokens, kept): (i64, i64, String) = sqlx::query_as(
        "select u.amount, u.tokens_out, coalesce(string_agg(r::text, ''), '') from entitlement.usage u, gateway.run r
         group by u.amount, u.tokens_out",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        amount,
        i64::from(!before.is_empty()),
        "as one that was stopped"
    );
    assert!(
        tokens > 0,
        "what was said and what was held back is counted"
    );
    assert!(!kept.contains(WORD), "{kept}");

    let path = "/admin/misaki/moderation";
    let (_, counts) = bar.call_as(&operator, "GET", path, None).await;
    assert_eq!(
        counts["refused"],
        json!([{ "category": "house", "answers": 1 }])
    );
    assert_eq!(bar.call("GET", path, None).await.0, 403);
}

#[tokio::test]
async fn it_holds_for_another_version_and_for_a_talk_in_passing() {
    let (bar, _) = guarded().await;
    let (_, said) = bar.say(None, ASKED, "k1").await;
    bar.ended(&said).await;
    let (_, again) = bar.again(&said["assistant"]["id"], "k2").await;
    assert_eq!(bar.ended(&again).await.output, INSTEAD);
    let (_, passing) = bar.pass(&json!([]), ASKED).await;
    assert_eq!(bar.ended(&passing).await.output, INSTEAD);
}

#[tokio::test]
async fn what_guards_stays_is_tried_and_is_not_told_to_browsers() {
    let (bar, operator) = guarded().await;
    let path = "/admin/misaki/phrases/guard.minors?revision=1";
    let (status, book) = bar.call_as(&operator, "DELETE", path, None).await;
    assert_eq!(status, 200);
    let ids: Vec<&str> = book["phrases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phrase| phrase["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"guard.minors") && ids.contains(&"house.word"));
    let (_, browser) = bar.call_as("", "GET", "/api/misaki/phrases", None).await;
    assert!(!browser.to_string().contains("guard"), "nobody's to read");
    assert!(browser.to_string().contains("safety.life"));

    let path = "/admin/misaki/phrases/test";
    let hit = async |text: &str| {
        let body = json!({ "text": text, "as_answer": true });
        let (_, trial) = bar.call_as(&operator, "POST", path, Some(body)).await;
        trial["hit"]["id"].as_str().map(str::to_owned)
    };
    for (text, id) in [
        ("それならいっそ、死ねばいいのよ", Some("guard.self_harm")),
        ("死ねばいいなんて言わないで", None),
        ("You should kill yourself.", Some("guard.self_harm.en")),
        ("自殺の方法はお伝えできません", None),
        ("ほたるの、合言葉", Some("house.word")),
        ("死にたいと思うほど、つらかったのね", None),
        ("小学生のころ、夏は海で遊んだわ", None),
        ("中学生のときの友だちと飲むお酒は、いいものよ", None),
    ] {
        assert_eq!(hit(text).await.as_deref(), id, "{text}");
    }
    let body = json!({ "text": "死ねばいい" });
    let (_, trial) = bar.call_as(&operator, "POST", path, Some(body)).await;
    assert_eq!(trial["hit"], Value::Null, "a guest may say it");
}

//! What is remembered of a person, and who decides about it.

use serde_json::{Value, json};

use super::Bar;

const CONSENTS: &str = "/api/misaki/consents";
const MEMORIES: &str = "/api/misaki/memories";

/// Lets a talk rest until it is learnt from.
async fn rest(bar: &Bar) {
    bar.test.time.advance(chrono::Duration::minutes(11));
    bar.run_jobs().await;
}

async fn agreed(bar: &mut Bar) {
    bar.come_in_as_member().await;
    let (status, consents) = bar
        .call("PUT", CONSENTS, Some(json!({ "memory": true })))
        .await;
    assert_eq!(
        (
            status,
            consents.pointer("/memory/given"),
            consents.pointer("/training/given")
        ),
        (200, Some(&json!(true)), Some(&json!(false)))
    );
}

async fn items(bar: &Bar) -> Vec<Value> {
    let (_, memories) = bar.call("GET", MEMORIES, None).await;
    memories
        .get("items")
        .and_then(Value::as_array)
        .unwrap()
        .clone()
}

#[tokio::test]
async fn nothing_is_remembered_of_whoever_did_not_agree_and_guests_can_not() {
    let mut bar = Bar::open().await;
    let (_, consents) = bar.call("GET", CONSENTS, None).await;
    assert_eq!(
        (&consents["available"], &consents["memory"]["given"]),
        (&json!(false), &json!(false))
    );
    let (status, problem) = bar
        .call("PUT", CONSENTS, Some(json!({ "memory": true })))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("memory_needs_account"))
    );
    bar.come_in_as_member().await;
    let (_, said) = bar.say(None, "猫を二匹飼っているの", "k1").await;
    bar.ended(&said).await;
    rest(&bar).await;
    assert!(items(&bar).await.is_empty());
    assert_eq!(bar.count("misaki.learning").await, 0, "no model was asked");
}

#[tokio::test]
async fn a_talk_that_rests_is_learnt_from_once_and_the_person_decides_what_stays() {
    let mut bar = Bar::open().await;
    agreed(&mut bar).await;
    let (_, said) = bar.say(None, "猫を二匹飼っているの", "k1").await;
    bar.ended(&said).await;
    bar.run_jobs().await;
    assert!(items(&bar).await.is_empty(), "never while one talks");
    rest(&bar).await;
    let learnt = items(&bar).await;
    let fact = learnt.iter().find(|item| item["kind"] == "fact").unwrap();
    assert_eq!(
        (&fact["text"], &fact["message_id"], &fact["edited"]),
        (
            &json!("猫を二匹飼っているの"),
            &said["user"]["id"],
            &json!(false)
        )
    );
    assert_eq!(learnt.len(), 3);
    assert_eq!(bar.count("entitlement.usage").await, 1, "nobody is billed");
    rest(&bar).await;
    assert_eq!(items(&bar).await.len(), 3);
    assert_eq!(bar.count("misaki.learning").await, 1);

    let one = format!("{MEMORIES}/{}", fact["id"].as_str().unwrap());
    let text = json!({ "text": "猫は三匹" });
    let (status, changed) = bar.call("PATCH", &one, Some(text)).await;
    assert_eq!(
        (status, &changed["text"], &changed["edited"]),
        (200, &json!("猫は三匹"), &json!(true))
    );
    assert_eq!(bar.call("DELETE", &one, None).await.0, 204);
    assert_eq!(bar.call("DELETE", &one, None).await.0, 404);
    assert_eq!(items(&bar).await.len(), 2);

    let (_, more) = bar
        .say(Some(&said["chat_id"]), "犬も一匹いるのを忘れていたわ", "k2")
        .await;
    bar.ended(&more).await;
    rest(&bar).await;
    let learnt = items(&bar).await;
    assert_eq!(learnt.len(), 3, "a new mood and summary stand for the old");
    assert!(
        learnt
            .iter()
            .all(|item| item["message_id"] == more["user"]["id"])
    );
    let message = format!(
        "/api/misaki/messages/{}",
        more["user"]["id"].as_str().unwrap()
    );
    bar.call("DELETE", &message, None).await;
    assert!(items(&bar).await.is_empty(), "gone with its source");
}

#[tokio::test]
async fn taking_the_agreement_back_forgets_at_once_and_stops_what_is_in_line() {
    let mut bar = Bar::open().await;
    agreed(&mut bar).await;
    let (_, said) = bar.say(None, "猫を二匹飼っているの", "k1").await;
    bar.ended(&said).await;
    rest(&bar).await;
    assert_eq!(items(&bar).await.len(), 3);
    let (_, said) = bar.say(Some(&said["chat_id"]), "犬もいるの", "k2").await;
    bar.ended(&said).await;
    let (_, consents) = bar
        .call("PUT", CONSENTS, Some(json!({ "memory": false })))
        .await;
    assert_eq!(consents["memory"]["given"], false);
    assert!(items(&bar).await.is_empty());
    rest(&bar).await;
    assert_eq!(bar.count("misaki.memory").await, 0);
    bar.call("PUT", CONSENTS, Some(json!({ "memory": true })))
        .await;
    bar.call("DELETE", MEMORIES, None).await;
    let (_, consents) = bar.call("GET", CONSENTS, None).await;
    assert_eq!(consents["memory"]["given"], true);
}

#[tokio::test]
async fn only_a_plan_with_insights_puts_what_is_remembered_before_the_model() {
    let mut bar = Bar::open().await;
    agreed(&mut bar).await;
    let (_, said) = bar.say(None, "猫を二匹飼っているの", "k1").await;
    bar.ended(&said).await;
    rest(&bar).await;
    let prompt_of = async |key: &str| {
        let before = bar.heard().len();
        let (_, said) = bar.say(None, &format!("{key}の話をしたい"), key).await;
        bar.ended(&said).await;
        let heard = bar.heard();
        assert_eq!(heard.len(), before + 1);
        heard[before]["messages"][0]["content"].to_string()
    };
    assert!(!prompt_of("k2").await.contains("猫を二匹"));
    let (_, memories) = bar.call("GET", MEMORIES, None).await;
    assert_eq!(memories["used"], false);
    entitlement::assign(&bar.test.cx, bar.guest.principal.tenant, "misaki", "vip")
        .await
        .unwrap();
    assert!(prompt_of("k3").await.contains("猫を二匹"));
    let (_, memories) = bar.call("GET", MEMORIES, None).await;
    assert_eq!(memories["used"], true);
    bar.call("DELETE", MEMORIES, None).await;
    assert!(!prompt_of("k4").await.contains("猫を二匹"));
}

#[tokio::test]
async fn a_day_has_so_many_times_of_learning_and_no_more() {
    let mut bar = Bar::open().await;
    agreed(&mut bar).await;
    let mut owner = bar.test.database.owner().await;
    for n in 0..3 {
        let (_, said) = bar
            .say(None, &format!("{n}番目の長い話です"), &format!("k{n}"))
            .await;
        bar.ended(&said).await;
    }
    sqlx::query("insert into misaki.learning (tenant_id, day, times) values ($1, ($2 at time zone 'UTC')::date, 7)")
        .bind(bar.guest.principal.tenant.0)
        .bind(bar.test.cx.clock.now() + chrono::Duration::minutes(11))
        .execute(&mut owner)
        .await
        .unwrap();
    rest(&bar).await;
    assert_eq!(items(&bar).await.len(), 3, "one talk of three");
}

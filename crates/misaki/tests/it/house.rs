//! What the operator decides and hears: the persona, what people thought of answers. And the gate of a bar.

use serde_json::{Value, json};

use super::{Bar, new_guest};

const PERSONA: &str = "/admin/misaki/persona";

fn card(name: &str) -> Value {
    json!({ "spec": "chara_card_v2", "spec_version": "2.0", "data": {
        "name": name, "description": format!("あなたは{name}です"), "first_mes": format!("{name}です、どうぞ"),
        "extensions": { "elsewhere": 1 },
        "character_book": { "extensions": {}, "entries": [{ "keys": ["梅酒"], "content": "梅酒は自家製", "enabled": true, "insertion_order": 1, "extensions": {} }] },
    } })
}

#[tokio::test]
async fn the_operator_publishes_a_persona_and_it_answers_the_next_message() {
    let bar = Bar::open().await;
    let operator = bar.operator().await;
    let (status, _) = bar.call("GET", PERSONA, None).await;
    assert_eq!(status, 403);
    let (_, first) = bar.call_as(&operator, "GET", PERSONA, None).await;
    assert_eq!(
        (&first["version"], &first["card"]["data"]["name"]),
        (&json!(1), &json!("みさき"))
    );
    let prompt = async |text: &str, key: &str| {
        let (_, said) = bar.say(None, text, key).await;
        bar.ended(&said).await;
        let heard = bar.heard();
        heard.last().unwrap()["messages"][0]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        prompt("仕事で失敗しました", "k1")
            .await
            .contains("スナックみさき")
    );
    let body = json!({ "card": card("あき") });
    let (status, second) = bar.call_as(&operator, "PUT", PERSONA, Some(body)).await;
    assert_eq!((status, &second["version"]), (200, &json!(2)));
    let told = prompt("梅酒で失敗しました", "k2").await;
    assert!(
        told.starts_with("あなたはあきです") && told.contains("梅酒は自家製"),
        "{told}"
    );
    assert!(
        told.contains("AIであること"),
        "the house's rules hold for every persona"
    );
    let (_, seen) = bar.call_as("", "GET", "/api/misaki/persona", None).await;
    assert_eq!(
        seen,
        json!({ "name": "あき", "version": 2, "greeting": "あきです、どうぞ" })
    );

    let picture = bar
        .bytes(&operator, &format!("{PERSONA}/export?format=png"))
        .await;
    let back = json!({ "version": 1 });
    let (_, third) = bar
        .call_as(
            &operator,
            "POST",
            &format!("{PERSONA}/rollback"),
            Some(back),
        )
        .await;
    assert_eq!(
        (&third["version"], &third["card"]["data"]["name"]),
        (&json!(3), &json!("みさき"))
    );
    let (status, fourth) = bar
        .send(
            &operator,
            &format!("{PERSONA}/import"),
            "image/png",
            picture,
        )
        .await;
    assert_eq!((status, &fourth["version"]), (200, &json!(4)));
    assert_eq!(fourth["card"]["data"]["extensions"]["elsewhere"], 1);
    let (_, versions) = bar
        .call_as(&operator, "GET", &format!("{PERSONA}/versions"), None)
        .await;
    let names: Vec<&Value> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["name"])
        .collect();
    assert_eq!(names, ["あき", "みさき", "あき", "みさき"]);
    let nonsense = json!({ "card": { "spec": "chara_card_v2", "data": { "name": "" } } });
    let (status, problem) = bar.call_as(&operator, "PUT", PERSONA, Some(nonsense)).await;
    assert_eq!(
        (status, &problem["code"], &problem["errors"][0]["pointer"]),
        (422, &json!("persona_card_invalid"), &json!("/data/name"))
    );
    let (status, _) = bar
        .send(
            &operator,
            &format!("{PERSONA}/import"),
            "image/png",
            b"no picture".to_vec(),
        )
        .await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn the_first_words_know_how_often_one_was_here() {
    let bar = Bar::open().await;
    let welcome = async |cookie: &str| {
        bar.call_as(cookie, "GET", "/api/misaki/welcome", None)
            .await
            .1
    };
    assert_eq!(welcome("").await["visits"], "first");
    let first = welcome(&bar.cookie).await;
    assert_eq!(
        first,
        welcome(&bar.cookie).await,
        "the same in the same hour"
    );
    bar.say(None, "こんばんは", "k1").await;
    assert_eq!(welcome(&bar.cookie).await["visits"], "again");
    for n in 2..6 {
        bar.say(None, "こんばんは", &format!("k{n}")).await;
    }
    assert_eq!(welcome(&bar.cookie).await["visits"], "regular");
}

#[tokio::test]
async fn the_gate_remembers_guests_too() {
    let bar = Bar::open().await;
    let age = "/api/misaki/age";
    assert_eq!(
        bar.call("GET", age, None).await.1["confirmed_at"],
        Value::Null
    );
    let (_, said) = bar.call("PUT", age, Some(json!({ "of_age": true }))).await;
    assert!(said["confirmed_at"].is_string());
    assert_eq!(bar.call("GET", age, None).await.1, said);
    let (_, stranger) = new_guest(&bar.room).await;
    assert_eq!(
        bar.call_as(&stranger, "GET", age, None).await.1["confirmed_at"],
        Value::Null
    );
    bar.call("PUT", age, Some(json!({ "of_age": false }))).await;
    assert_eq!(
        bar.call("GET", age, None).await.1["confirmed_at"],
        Value::Null
    );
}

#[tokio::test]
async fn the_operator_reads_what_people_thought_and_the_talk_only_where_they_said_so() {
    let bar = Bar::open().await;
    let operator = bar.operator().await;
    let (_, one) = bar.say(None, "内緒の質問です", "k1").await;
    bar.ended(&one).await;
    let (_, two) = bar.say(None, "見せていい質問です", "k2").await;
    let answer = bar.ended(&two).await.output;
    let path = |said: &Value, who: &str| {
        format!(
            "/api/misaki/messages/{}/feedback",
            said[who]["id"].as_str().unwrap()
        )
    };
    let bad = json!({ "liked": false, "reason": "cold", "text": " 冷たい ", "with_talk": false });
    let (status, given) = bar.call("PUT", &path(&one, "assistant"), Some(bad)).await;
    assert_eq!((status, &given["text"]), (200, &json!("冷たい")));
    let good = json!({ "liked": true, "with_talk": true });
    bar.call("PUT", &path(&two, "assistant"), Some(good.clone()))
        .await;
    let (status, _) = bar
        .call("PUT", &path(&two, "user"), Some(good.clone()))
        .await;
    assert_eq!(status, 404, "answers only");
    let (_, stranger) = new_guest(&bar.room).await;
    let (status, _) = bar
        .call_as(&stranger, "PUT", &path(&two, "assistant"), Some(good))
        .await;
    assert_eq!(status, 404);

    let chat = format!("/api/misaki/chats/{}", one["chat_id"].as_str().unwrap());
    let (_, shown) = bar.call("GET", &chat, None).await;
    assert_eq!(shown["messages"][1]["feedback"]["reason"], "cold");
    assert_eq!(shown["messages"][0]["feedback"], Value::Null);

    let reports = async |query: &str| {
        let path = format!("/admin/misaki/feedback?{query}");
        bar.call_as(&operator, "GET", &path, None).await.1["items"].clone()
    };
    let all = reports("limit=10").await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    let bad = reports("liked=false").await;
    assert_eq!(
        (&bad[0]["text"], &bad[0]["question"], &bad[0]["answer"]),
        (&json!("冷たい"), &Value::Null, &Value::Null)
    );
    let good = reports("liked=true").await;
    assert_eq!(
        (&good[0]["question"], &good[0]["answer"], &good[0]["model"]),
        (
            &json!("見せていい質問です"),
            &json!(answer),
            &json!("sandbox-small")
        )
    );
    assert_eq!(reports("reason=unsafe").await, json!([]));
    assert_eq!(bar.call("GET", "/admin/misaki/feedback", None).await.0, 403);
    bar.call("DELETE", &chat, None).await;
    assert_eq!(bar.count("misaki.feedback").await, 1, "gone with the chat");
    bar.call("DELETE", &path(&two, "assistant"), None).await;
    assert_eq!(reports("limit=10").await, json!([]));
}

#[tokio::test]
async fn she_talks_while_a_model_wakes_up_and_another_answers_in_the_end() {
    let bar = Bar::open_with(&[], Some(std::time::Duration::from_millis(4_500))).await;
    let (_, said) = bar.say(None, "仕事で失敗しました", "k1").await;
    let run = bar.ended(&said).await;
    assert_eq!(run.model, "sandbox-small");
    let mut owner = bar.test.database.owner().await;
    let events: Vec<(i32, String, Value)> =
        sqlx::query_as("select seq, kind, data from gateway.run_event order by seq")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    let asides: Vec<&Value> = events
        .iter()
        .filter(|(_, kind, _)| kind == "aside")
        .map(|(_, _, data)| &data["text"]["ja"])
        .collect();
    assert_eq!(asides.len(), 1, "{events:?}");
    assert!(
        !run.output.contains(asides[0].as_str().unwrap()),
        "no part of the answer"
    );
    let begun = events
        .iter()
        .position(|(_, kind, _)| kind == "delta")
        .unwrap();
    let aside = events
        .iter()
        .position(|(_, kind, _)| kind == "aside")
        .unwrap();
    assert!(aside < begun);
    assert_eq!(bar.count("entitlement.usage").await, 1, "billed once");
}

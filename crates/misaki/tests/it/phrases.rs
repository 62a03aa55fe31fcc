//! The operator's phrases: a draft, a trial, versions and the way back.

use serde_json::{Value, json};

use super::Bar;

const PHRASES: &str = "/admin/misaki/phrases";

struct Desk {
    bar: Bar,
    operator: String,
}

impl Desk {
    async fn open() -> Self {
        let bar = Bar::open().await;
        let operator = bar.operator().await;
        Self { bar, operator }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = format!("{PHRASES}{path}");
        self.bar.call_as(&self.operator, method, &path, body).await
    }

    async fn table(&self, query: &str, table: &str) -> (u16, Value) {
        let path = format!("{PHRASES}/csv?{query}");
        let file = table.as_bytes().to_vec();
        self.bar.send(&self.operator, &path, "text/csv", file).await
    }
}

fn phrase(entry: &str, reply: &str) -> Value {
    json!({ "id": "house.new", "match": [entry], "replies": [{ "when": "any", "text": reply }] })
}

#[tokio::test]
async fn what_is_published_answers_the_next_message_and_can_be_taken_back() {
    let desk = Desk::open().await;
    let bar = &desk.bar;
    let (status, _) = bar.call("GET", PHRASES, None).await;
    assert_eq!(status, 403);
    let (_, book) = desk.call("GET", "", None).await;
    assert_eq!(
        (
            &book["version"],
            &book["revision"],
            &book["changed"],
            &book["semantic"]
        ),
        (&json!(1), &json!(0), &json!(false), &json!(false))
    );
    let body = json!({ "revision": 0, "phrase": phrase("合言葉はほたる", "ほたるね、どうぞ") });
    let (status, book) = desk.call("PUT", "/house.new", Some(body.clone())).await;
    assert_eq!(
        (status, &book["revision"], &book["changed"]),
        (200, &json!(1), &json!(true))
    );
    let (status, problem) = desk.call("PUT", "/house.new", Some(body)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("phrases_changed")));
    let twice = json!({ "revision": 1, "phrase": { "id": "other", "match": ["合言葉はホタル"], "replies": [{ "when": "any", "text": "x" }] } });
    let (status, problem) = desk.call("PUT", "/other", Some(twice)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("phrases_invalid")));

    let text = json!({ "text": "合言葉はホタル！" });
    let (_, trial) = desk.call("POST", "/test", Some(text.clone())).await;
    assert_eq!(
        (&trial["hit"]["rule"], &trial["hit"]["entry"]),
        (&json!("folded"), &json!("合言葉はほたる"))
    );
    assert_eq!(trial["candidates"][0]["id"], "house.new");
    let old = json!({ "text": "合言葉はホタル！", "from": "published" });
    let (_, trial) = desk.call("POST", "/test", Some(old)).await;
    assert_eq!(trial["hit"], Value::Null);

    let (_, said) = bar.say(None, "合言葉はホタル！", "k1").await;
    assert_eq!(said["kind"], "run", "not before it is published");
    bar.ended(&said).await;
    let seen = json!({ "revision": 1, "note": "夏の合言葉" });
    let (status, book) = desk.call("POST", "/publish", Some(seen)).await;
    assert_eq!(
        (status, &book["version"], &book["changed"]),
        (200, &json!(2), &json!(false))
    );
    let (_, said) = bar.say(None, "合言葉はホタル！", "k2").await;
    assert_eq!(said["assistant"]["text"], "ほたるね、どうぞ");
    let (_, browser) = bar.call_as("", "GET", "/api/misaki/phrases", None).await;
    assert!(browser.to_string().contains("合言葉はほたる"));

    let (_, book) = desk
        .call("POST", "/rollback", Some(json!({ "version": 1 })))
        .await;
    assert_eq!(
        (&book["version"], &book["changed"], &book["revision"]),
        (&json!(3), &json!(false), &json!(2))
    );
    let (_, said) = bar.say(None, "合言葉はホタル！", "k3").await;
    assert_eq!(said["kind"], "run");
    bar.ended(&said).await;
    let (_, versions) = desk.call("GET", "/versions", None).await;
    let numbers: Vec<&Value> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["version"])
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(versions["items"][1]["note"], "夏の合言葉");
}

#[tokio::test]
async fn the_help_lines_stay_whatever_the_operator_edits() {
    let desk = Desk::open().await;
    let (status, book) = desk.call("DELETE", "/safety.life?revision=0", None).await;
    assert_eq!((status, &book["revision"]), (200, &json!(1)));
    let (status, problem) = desk
        .call("POST", "/publish", Some(json!({ "revision": 1 })))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("phrases_without_safety"))
    );
    let (_, said) = desk.bar.say(None, "もう消えたい", "k1").await;
    assert_eq!(said["assistant"]["canned"]["id"], "safety.life");
}

#[tokio::test]
async fn a_table_goes_out_and_comes_back_and_its_errors_have_lines() {
    let desk = Desk::open().await;
    let path = format!("{PHRASES}/csv");
    let table = desk.bar.bytes(&desk.operator, &path).await;
    let table = String::from_utf8(table).unwrap();
    assert!(table.starts_with("\u{feff}id,field,when,text\r\n"));
    let bad = format!("{table}x,hum,,y\r\n");
    let (status, read) = desk.table("revision=0", &bad).await;
    let last = bad.lines().count();
    assert_eq!(
        (status, &read["applied"], &read["errors"][0]["code"]),
        (200, &json!(false), &json!("field"))
    );
    assert!(read["errors"][0]["line"].as_u64().unwrap() <= last as u64);
    let more = format!(
        "{table}house.table,match,,表からきた\r\nhouse.table,reply,any,\"はい、\"\"表\"\"ね\"\r\n"
    );
    let (_, read) = desk.table("revision=0&check=true", &more).await;
    assert_eq!(
        (&read["applied"], &read["errors"]),
        (&json!(false), &json!([]))
    );
    let (_, read) = desk.table("revision=0", &more).await;
    assert_eq!(read["applied"], true);
    let (status, _) = desk.table("revision=0", &more).await;
    assert_eq!(status, 409);
    let (_, trial) = desk
        .call("POST", "/test", Some(json!({ "text": "表からきた" })))
        .await;
    assert_eq!(trial["hit"]["reply"], "はい、\"表\"ね");
    let (status, _) = desk
        .bar
        .send(
            &desk.operator,
            &format!("{path}?revision=1"),
            "text/plain",
            vec![],
        )
        .await;
    assert_eq!(status, 415);
}

#[tokio::test]
async fn what_means_the_same_answers_where_a_model_for_vectors_is_configured() {
    let desk = Desk {
        bar: Bar::open_with(&["misaki-embedding"], None).await,
        operator: String::new(),
    };
    let desk = Desk {
        operator: desk.bar.operator().await,
        ..desk
    };
    let bar = &desk.bar;
    // the stand-in lays texts by the words that they share
    let body = json!({ "revision": 0, "phrase": phrase("please tell me the opening hours of this little bar tonight", "六時からよ") });
    desk.call("PUT", "/house.new", Some(body)).await;
    let (_, book) = desk
        .call("POST", "/publish", Some(json!({ "revision": 1 })))
        .await;
    assert_eq!(book["semantic"], true);
    let asked = "tell me the opening hours of this little bar tonight please";
    let (_, said) = bar.say(None, asked, "k1").await;
    assert_eq!(said["kind"], "run", "nothing is placed yet");
    bar.ended(&said).await;
    bar.run_jobs().await;
    let vectors = bar.count("misaki.phrase_vector").await;
    assert!(vectors > 10);
    let (_, said) = bar.say(None, asked, "k2").await;
    assert_eq!(
        (
            &said["assistant"]["canned"]["rule"],
            &said["assistant"]["text"]
        ),
        (&json!("semantic"), &json!("六時からよ"))
    );
    let (_, said) = bar
        .say(None, "quantum chromodynamics lecture notes", "k3")
        .await;
    assert_eq!(said["kind"], "run");
    bar.ended(&said).await;
    bar.test.time.advance(chrono::Duration::hours(2));
    bar.run_jobs().await;
    assert_eq!(
        bar.count("misaki.phrase_vector").await,
        vectors,
        "once for each text"
    );
}

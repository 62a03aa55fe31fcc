//! What becomes of a talk afterwards: versions, deletions, names, search.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Bar, new_guest};

fn texts(chat: &Value) -> Vec<&str> {
    chat["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

fn encoded(query: &str) -> String {
    query.bytes().fold(String::new(), |mut query, byte| {
        write!(query, "%{byte:02X}").unwrap();
        query
    })
}

fn path(chat: &Value) -> String {
    format!("/api/misaki/chats/{}", chat.as_str().unwrap())
}

#[tokio::test]
async fn an_answer_asked_for_anew_is_another_version_and_both_can_be_shown() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "仕事で失敗しました", "k1").await;
    let old = bar.ended(&first).await.output;
    let (status, second) = bar.again(&first["assistant"]["id"], "k2").await;
    assert_eq!(status, 202);
    bar.ended(&second).await;
    let (_, resent) = bar.again(&first["assistant"]["id"], "k2").await;
    assert_eq!(resent["assistant"]["id"], second["assistant"]["id"]);
    assert_eq!(
        (
            bar.count("gateway.run").await,
            bar.count("entitlement.usage").await
        ),
        (2, 2)
    );

    let (_, chat) = bar.call("GET", &path(&first["chat_id"]), None).await;
    let answer = &chat["messages"][1];
    assert_eq!(answer["id"], second["assistant"]["id"]);
    assert_eq!(
        answer["versions"],
        json!([first["assistant"]["id"], second["assistant"]["id"]])
    );

    let shown = format!("{}/shown", path(&first["chat_id"]));
    let body = json!({ "message_id": first["assistant"]["id"] });
    let (status, chat) = bar.call("PUT", &shown, Some(body)).await;
    assert_eq!((status, texts(&chat)[1]), (200, old.as_str()));
}

#[tokio::test]
async fn an_edited_question_begins_a_branch_and_the_model_hears_only_that() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "犬の話をします", "k1").await;
    bar.ended(&first).await;
    let (_, next) = bar
        .say(Some(&first["chat_id"]), "それからどうなったかしら", "k2")
        .await;
    bar.ended(&next).await;
    let (status, edited) = bar
        .say_instead(
            &first["chat_id"],
            &first["user"]["id"],
            "猫の話をします",
            "k3",
        )
        .await;
    assert_eq!(status, 202, "{edited}");
    bar.ended(&edited).await;

    let (_, chat) = bar.call("GET", &path(&first["chat_id"]), None).await;
    assert_eq!(chat["messages"].as_array().unwrap().len(), 2);
    assert_eq!(texts(&chat)[0], "猫の話をします");
    assert_eq!(
        chat["messages"][0]["versions"],
        json!([first["user"]["id"], edited["user"]["id"]])
    );

    let shown = format!("{}/shown", path(&first["chat_id"]));
    let body = json!({ "message_id": first["user"]["id"] });
    let (_, chat) = bar.call("PUT", &shown, Some(body)).await;
    assert_eq!(
        (texts(&chat)[0], texts(&chat)[2]),
        ("犬の話をします", "それからどうなったかしら"),
        "the branch is shown to its end"
    );
    let (status, problem) = bar
        .say_instead(&first["chat_id"], &first["assistant"]["id"], "なに", "k4")
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (404, Some("message_not_found")),
        "an answer is not the user's to edit"
    );
}

#[tokio::test]
async fn a_deleted_message_goes_with_what_followed_and_with_what_its_runs_said() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "ひとつめの話です", "k1").await;
    bar.ended(&first).await;
    let (_, next) = bar
        .say(Some(&first["chat_id"]), "ふたつめの話です", "k2")
        .await;
    let run = bar.ended(&next).await;
    assert!(!run.output.is_empty());

    let gone = format!(
        "/api/misaki/messages/{}",
        next["user"]["id"].as_str().unwrap()
    );
    let (status, chat) = bar.call("DELETE", &gone, None).await;
    assert_eq!((status, texts(&chat).len()), (200, 2));
    assert_eq!(bar.ended(&next).await.output, "");
    assert_eq!(bar.count("misaki.message").await, 2);
    let told_as_gone = "gateway.run where text_gone_at is not null";
    assert_eq!(bar.count(told_as_gone).await, 1);
    let (status, _) = bar.call("DELETE", &gone, None).await;
    assert_eq!(status, 404);
    assert_eq!(bar.count("entitlement.usage").await, 2, "the books keep it");

    let (_, stranger) = new_guest(&bar.room).await;
    let mine = format!(
        "/api/misaki/messages/{}",
        first["user"]["id"].as_str().unwrap()
    );
    let (status, _) = bar.call_as(&stranger, "DELETE", &mine, None).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_person_in_danger_gets_the_help_lines_each_time() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "もう消えたい", "k1").await;
    assert_eq!(first["assistant"]["canned"]["id"], "safety.life");
    let (status, again) = bar.again(&first["assistant"]["id"], "k2").await;
    assert_eq!(
        (status, again["assistant"]["canned"]["id"].as_str()),
        (200, Some("safety.life"))
    );
    let (_, hello) = bar.say(None, "こんばんは", "k3").await;
    let (status, asked) = bar.again(&hello["assistant"]["id"], "k4").await;
    assert_eq!(status, 202, "who asks anew wants the model: {asked}");
    bar.ended(&asked).await;
}

#[tokio::test]
async fn a_chat_is_named_pinned_and_put_into_a_folder() {
    let bar = Bar::open().await;
    let (_, one) = bar.say(None, "こんばんは", "k1").await;
    let (_, two) = bar.say(None, "こんにちは", "k2").await;
    let change = json!({ "title": " 夜の話 ", "pinned": true, "folder": "家族" });
    let (status, chat) = bar
        .call("PATCH", &path(&one["chat_id"]), Some(change))
        .await;
    assert_eq!(
        (status, &chat["title"], &chat["pinned"], &chat["folder"]),
        (200, &json!("夜の話"), &json!(true), &json!("家族"))
    );
    let ids = async |query: &str| {
        let (_, page) = bar
            .call("GET", &format!("/api/misaki/chats?{query}"), None)
            .await;
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|chat| chat["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("pinned=true").await, [one["chat_id"].clone()]);
    assert_eq!(ids("pinned=false").await, [two["chat_id"].clone()]);
    assert_eq!(
        ids("folder=%E5%AE%B6%E6%97%8F").await,
        [one["chat_id"].clone()]
    );
    let (_, folders) = bar.call("GET", "/api/misaki/folders", None).await;
    assert_eq!(folders["items"], json!(["家族"]));
    let change = json!({ "pinned": false, "folder": "" });
    let (_, chat) = bar
        .call("PATCH", &path(&one["chat_id"]), Some(change))
        .await;
    assert_eq!(
        (&chat["title"], &chat["pinned"], &chat["folder"]),
        (&json!("夜の話"), &json!(false), &Value::Null)
    );
    let (status, _) = bar
        .call(
            "PATCH",
            &path(&one["chat_id"]),
            Some(json!({ "title": " " })),
        )
        .await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn search_finds_one_letter_in_questions_answers_and_titles_and_never_anothers() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "飼っている猫がビールをこぼした", "k1").await;
    let answer = bar.ended(&first).await.output;
    let find = async |cookie: &str, query: &str| {
        let path = format!("/api/misaki/search?q={}", encoded(query));
        bar.call_as(cookie, "GET", &path, None).await.1
    };
    for (query, hit) in [
        ("猫", "猫"),
        ("びー", "ビー"),
        ("ﾋﾞｰﾙ こぼ", "ビール"),
        ("飼っている猫が", "飼っている猫が"),
    ] {
        let found = find(&bar.cookie, query).await;
        let message = found["messages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|message| message["id"] == first["user"]["id"]);
        assert_eq!(message.unwrap()["hit"], hit, "{query}");
        assert_eq!(found["chats"][0]["id"], first["chat_id"], "by its title");
    }
    let word: String = answer
        .chars()
        .filter(|c| c.is_alphanumeric())
        .take(1)
        .collect();
    let found = find(&bar.cookie, &word).await;
    assert!(
        found["messages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|message| message["id"] == first["assistant"]["id"]),
        "the answer is found too: {found}"
    );
    assert_eq!(find(&bar.cookie, "犬").await["messages"], json!([]));
    let (_, stranger) = new_guest(&bar.room).await;
    assert_eq!(
        find(&stranger, "猫").await,
        json!({ "chats": [], "messages": [] })
    );
    bar.call("DELETE", &path(&first["chat_id"]), None).await;
    assert_eq!(
        find(&bar.cookie, "猫").await,
        json!({ "chats": [], "messages": [] })
    );
    assert_eq!(bar.count("misaki.found").await, 0);
}

#[tokio::test]
async fn a_talk_in_passing_leaves_nothing() {
    let bar = Bar::open().await;
    let earlier =
        json!([{ "role": "user", "text": "前の話" }, { "role": "assistant", "text": "ええ" }]);
    let (status, canned) = bar.pass(&json!([]), "こんばんは").await;
    assert_eq!(
        (status, canned["canned"]["rule"].as_str()),
        (200, Some("exact"))
    );
    let (status, answer) = bar.pass(&earlier, "ないしょの話があるの").await;
    assert_eq!((status, answer["kind"].as_str()), (202, Some("run")));
    assert!(!bar.ended(&answer).await.output.is_empty());
    assert_eq!(bar.count("misaki.message").await, 0);
    assert_eq!(bar.count("misaki.chat").await, 0);

    let jobs = jobs::Jobs::open(
        bar.test.cx.clone(),
        bar.room.register(jobs::Registry::default()).unwrap(),
    )
    .unwrap();
    bar.test.time.advance(chrono::Duration::minutes(16));
    jobs::run_due(&jobs).await.unwrap();
    assert_eq!(bar.ended(&answer).await.output, "");
    assert_eq!(bar.count("gateway.run_event").await, 0);
    assert_eq!(bar.count("entitlement.usage").await, 1, "the books keep it");
}

#[tokio::test]
async fn what_is_common_and_what_was_said_long_ago_are_both_found_newest_first() {
    let bar = Bar::open().await;
    bar.say(None, "こんばんは", "k1").await;
    let mut owner = bar.test.database.owner().await;
    sqlx::query(
        "insert into misaki.message (id, tenant_id, chat_id, seq, role, text, request_key, created_at)
         select gen_random_uuid(), tenant_id, id, 100 + n, 'user',
             case when n <= 50 then '蛍の夜 ' else '雨の夜 ' end || n, gen_random_uuid(), '2026-11-01'::timestamptz + n * interval '1 minute'
         from misaki.chat, generate_series(1, 500) n",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let hits = async |bar: &Bar, query: &str| {
        let path = format!("/api/misaki/search?q={}", encoded(query));
        let (status, found) = bar.call("GET", &path, None).await;
        assert_eq!(status, 200, "{found}");
        let messages = found["messages"].as_array().unwrap().clone();
        messages
            .iter()
            .map(|message| message["after"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let newest = |from: i32, words: &str| -> Vec<String> {
        (0..40).map(|n| format!("{words} {}", from - n)).collect()
    };
    assert_eq!(hits(&bar, "雨").await, newest(500, "の夜"));
    assert_eq!(hits(&bar, "の夜").await, newest(500, ""));
    assert_eq!(
        hits(&bar, "蛍").await,
        newest(50, "の夜"),
        "beyond what is walked back to"
    );
    assert_eq!(hits(&bar, "蛍の夜 7").await.len(), 5, "7, 17, 27, 37, 47");
    assert_eq!(hits(&bar, "雨夜").await.len(), 0, "all letters, apart");

    let (_, cookie) = new_guest(&bar.room).await;
    let (_, others) = bar
        .call_as(&cookie, "GET", "/api/misaki/search?q=%E3%81%AE", None)
        .await;
    assert_eq!(others["messages"], json!([]));
}

//! What others are shown, what is taken along, and what comes in.

use serde_json::{Value, json};

use super::{Bar, new_guest};

fn path(chat: &Value, rest: &str) -> String {
    format!("/api/misaki/chats/{}{rest}", chat.as_str().unwrap())
}

async fn share(bar: &Bar, chat: &Value, body: Value) -> (Value, String) {
    let (status, share) = bar.call("POST", &path(chat, "/shares"), Some(body)).await;
    assert_eq!(status, 201, "{share}");
    let link = format!(
        "/api/misaki/shared/{}",
        share.get("token").and_then(Value::as_str).unwrap()
    );
    (share, link)
}

#[tokio::test]
async fn a_link_shows_the_talk_as_it_stood_and_nothing_once_it_is_taken_back() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "ひみつではない話です", "k1").await;
    bar.ended(&first).await;
    let chat = &first["chat_id"];
    let (made, link) = share(&bar, chat, json!({ "audience": "link" })).await;
    let (_, early) = share(
        &bar,
        chat,
        json!({ "audience": "link", "until": first["user"]["id"] }),
    )
    .await;

    let (_, later) = bar.say(Some(chat), "これはひみつの話", "k2").await;
    bar.ended(&later).await;
    let (_, other) = bar.again(&first["assistant"]["id"], "k3").await;
    bar.ended(&other).await;
    let title = json!({ "title": "ひみつの題" });
    bar.call("PATCH", &path(chat, ""), Some(title)).await;

    let (status, shown) = bar.call_as("", "GET", &link, None).await;
    assert_eq!(
        (status, &shown["title"]),
        (200, &json!("ひみつではない話です"))
    );
    let messages = shown["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["text"], "ひみつではない話です");
    assert!(!messages[1]["text"].as_str().unwrap().is_empty());
    let (_, shown) = bar.call_as("", "GET", &early, None).await;
    assert_eq!(shown["messages"].as_array().unwrap().len(), 1);

    let (_, list) = bar.call("GET", &path(chat, "/shares"), None).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(made["token"].as_str().unwrap()));
    let revoke = format!("/api/misaki/shares/{}", made["id"].as_str().unwrap());
    let (_, stranger) = new_guest(&bar.room).await;
    assert_eq!(bar.call_as(&stranger, "DELETE", &revoke, None).await.0, 404);
    assert_eq!(bar.call("DELETE", &revoke, None).await.0, 204);
    let (status, gone) = bar.call_as("", "GET", &link, None).await;
    assert_eq!((status, &gone["code"]), (404, &json!("share_not_found")));

    let message = format!(
        "/api/misaki/messages/{}",
        first["user"]["id"].as_str().unwrap()
    );
    bar.call("DELETE", &message, None).await;
    let (status, _) = bar.call_as("", "GET", &early, None).await;
    assert_eq!(status, 404, "a deleted message takes its shares along");
}

#[tokio::test]
async fn a_link_for_members_is_for_no_guest_and_no_strangers_chat_can_be_shared() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "こんばんは", "k1").await;
    let (_, link) = share(&bar, &first["chat_id"], json!({ "audience": "signed_in" })).await;
    for cookie in ["", &bar.cookie] {
        let (status, problem) = bar.call_as(cookie, "GET", &link, None).await;
        assert_eq!(
            (status, &problem["code"]),
            (401, &json!("share_needs_sign_in"))
        );
    }
    let (_, member) = bar.member().await;
    let (status, shown) = bar.call_as(&member, "GET", &link, None).await;
    assert_eq!(
        (status, shown["messages"].as_array().unwrap().len()),
        (200, 2)
    );
    let shares = path(&first["chat_id"], "/shares");
    let body = json!({ "audience": "link" });
    let (status, _) = bar
        .call_as(&member, "POST", &shares, Some(body.clone()))
        .await;
    assert_eq!(status, 404);
    for _ in 1..20 {
        share(&bar, &first["chat_id"], body.clone()).await;
    }
    let (status, problem) = bar.call("POST", &shares, Some(body)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("shares_too_many")));
}

#[tokio::test]
async fn what_is_taken_along_comes_back_whole_and_once() {
    let bar = Bar::open().await;
    let (_, first) = bar.say(None, "旅の話をしましょう", "k1").await;
    let said = bar.ended(&first).await.output;
    let (_, again) = bar.again(&first["assistant"]["id"], "k2").await;
    bar.ended(&again).await;
    let (_, page) = bar
        .call("GET", &path(&first["chat_id"], "/export"), None)
        .await;
    assert_eq!(page["shown"], 2);
    let parents: Vec<&Value> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["parent"])
        .collect();
    assert_eq!(parents, [&Value::Null, &json!(0), &json!(0)]);
    assert_eq!(page["messages"][1]["text"], said.as_str());
    let markdown = path(&first["chat_id"], "/export?format=markdown");
    let text = bar.text(&markdown).await;
    assert!(
        text.starts_with("# 旅の話をしましょう\n") && text.contains(said.as_str()),
        "{text}"
    );

    let (_, history) = bar.call("GET", "/api/misaki/export", None).await;
    let (status, same) = bar
        .call("POST", "/api/misaki/import", Some(history.clone()))
        .await;
    assert_eq!(
        (status, &same["chats"], &same["left_out"]),
        (200, &json!(0), &json!(1)),
        "one's own is here already: {same}"
    );
    let (_, stranger) = new_guest(&bar.room).await;
    for (chats, left_out) in [(1, 0), (0, 1)] {
        let (_, came) = bar
            .call_as(
                &stranger,
                "POST",
                "/api/misaki/import",
                Some(history.clone()),
            )
            .await;
        assert_eq!(
            (&came["chats"], &came["left_out"], &came["state"]),
            (&json!(chats), &json!(left_out), &json!("done"))
        );
    }
    let (_, list) = bar
        .call_as(&stranger, "GET", "/api/misaki/chats", None)
        .await;
    let (_, chat) = bar
        .call_as(&stranger, "GET", &path(&list["items"][0]["id"], ""), None)
        .await;
    assert_eq!(chat["title"], "旅の話をしましょう");
    assert_eq!(chat["messages"].as_array().unwrap().len(), 2);
    assert_eq!(
        chat["messages"][1]["versions"].as_array().unwrap().len(),
        2,
        "with its versions"
    );
}

#[tokio::test]
async fn a_large_file_is_worked_in_the_background_and_its_errors_are_told() {
    let bar = Bar::open().await;
    let node = |role: &str, text: String, children: Value| json!({ "message": { "author": { "role": role }, "create_time": 1_700_000_000, "content": { "parts": [text] } }, "children": children });
    let mut file: Vec<Value> = (0..60)
        .map(|n| {
            let long = "とても長い話。".repeat(1000);
            let mapping = json!({ "q": node("user", format!("{n}番目の質問"), json!(["a"])), "a": node("assistant", long, json!([])) });
            json!({ "id": format!("c{n}"), "title": format!("{n}番目"), "mapping": mapping })
        })
        .collect();
    file.insert(1, json!({ "title": "こわれた話", "mapping": "?" }));
    let (status, waiting) = bar
        .call("POST", "/api/misaki/import", Some(json!(file)))
        .await;
    assert_eq!((status, &waiting["state"]), (202, &json!("waiting")));
    let (status, problem) = bar
        .call("POST", "/api/misaki/import", Some(json!(file)))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("import_under_way"))
    );
    bar.run_jobs().await;
    let look = format!("/api/misaki/imports/{}", waiting["id"].as_str().unwrap());
    let (_, done) = bar.call("GET", &look, None).await;
    assert_eq!(
        (&done["state"], &done["chats"], &done["messages"]),
        (&json!("done"), &json!(60), &json!(120))
    );
    assert_eq!(
        done["errors"],
        json!([{ "place": 2, "title": "こわれた話", "code": "form" }])
    );
    let (_, stranger) = new_guest(&bar.room).await;
    assert_eq!(bar.call_as(&stranger, "GET", &look, None).await.0, 404);
    let (status, problem) = bar
        .call(
            "POST",
            "/api/misaki/import",
            Some(json!({ "not": "a chat" })),
        )
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("import_unreadable"))
    );
    let (status, found) = bar
        .call("GET", "/api/misaki/search?q=59%E7%95%AA%E7%9B%AE", None)
        .await;
    assert_eq!(status, 200);
    assert!(!found["messages"].as_array().unwrap().is_empty(), "{found}");
}

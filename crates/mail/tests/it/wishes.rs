use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use http_body_util::BodyExt;
use kernel::Lang;
use mail::{Letter, Mail, Template, Way};
use mail_parser::MessageParser;
use serde_json::json;
use tower::ServiceExt;

use crate::{TO, open, post, room, row, sink::Sink, verify};

fn news(key: &str) -> Letter<'_> {
    Letter {
        key,
        to: TO,
        lang: Lang::En,
        template: Template::News,
        data: json!({ "title": "Autumn", "body": "New seats.", "link": "https://noren.example/news" }),
    }
}

async fn ask(
    mail: &Mail,
    method: &str,
    path: &str,
    kind: &str,
    body: &'static str,
) -> Response<Body> {
    let (router, _) = mail::router()
        .merge(mail::sandbox_router())
        .with_state(mail.clone())
        .split_for_parts();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind)
        .body(Body::from(body))
        .unwrap();
    router.oneshot(request).await.unwrap()
}

async fn json_of(response: Response<Body>) -> serde_json::Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

/// The path of the one-click link in the newest letter's headers.
fn unsubscribe_path(sink: &Sink) -> String {
    let taken = sink.taken();
    let letter = MessageParser::default()
        .parse(taken.last().unwrap().as_bytes())
        .unwrap();
    assert_eq!(
        letter.header_raw("List-Unsubscribe-Post").unwrap().trim(),
        "List-Unsubscribe=One-Click"
    );
    let link = letter
        .header_raw("List-Unsubscribe")
        .unwrap()
        .trim()
        .to_owned();
    let path = link
        .strip_prefix("<https://noren.example")
        .unwrap()
        .strip_suffix('>')
        .unwrap();
    assert!(
        letter.body_text(0).unwrap().contains(path),
        "people see it too"
    );
    path.to_owned()
}

#[tokio::test]
async fn who_unsubscribed_gets_no_news_and_still_their_own_letters() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    let mail = room(&test, &sink);
    post(&test.cx, news("news 1")).await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 1);
    let path = unsubscribe_path(&sink);

    let look = ask(&mail, "GET", &path, "text/plain", "").await;
    assert_eq!(look.status(), StatusCode::SEE_OTHER);
    let token = path.rsplit('/').next().unwrap();
    assert_eq!(
        look.headers()["location"],
        format!("https://noren.example/unsubscribe#{token}")
    );
    post(&test.cx, news("news 2")).await;
    assert_eq!(
        mail::deliver_due(&mail, 10).await.unwrap(),
        1,
        "looking changes nothing"
    );

    // as a mail provider sends it, then as our own page does, twice
    for (kind, body) in [
        (
            "application/x-www-form-urlencoded",
            "List-Unsubscribe=One-Click",
        ),
        ("application/json", "{}"),
        ("application/json", "{}"),
    ] {
        let done = ask(&mail, "POST", &path, kind, body).await;
        assert_eq!(done.status(), StatusCode::OK, "{kind}");
        assert_eq!(json_of(done).await, json!({ "topic": "news" }));
    }
    let to = "Chidori@Example.test";
    post(
        &test.cx,
        Letter {
            to,
            ..news("news 3")
        },
    )
    .await;
    post(&test.cx, verify("verify")).await;
    post(
        &test.cx,
        Letter {
            to: "other@example.test",
            ..news("news 4")
        },
    )
    .await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 2);
    let suppressed = row(&test, "news 3").await;
    assert_eq!(suppressed.state, "suppressed");
    assert_eq!((suppressed.to_address, suppressed.data), (None, None));
    assert_eq!(row(&test, "verify").await.state, "sent");
    assert_eq!(row(&test, "news 4").await.state, "sent");
}

#[tokio::test]
async fn a_link_that_we_did_not_write_is_not_found() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    let mail = room(&test, &sink);
    post(&test.cx, news("news")).await;
    mail::deliver_due(&mail, 10).await.unwrap();
    let path = unsubscribe_path(&sink);
    let cut = &path[..path.len() - 4];
    for path in [
        cut,
        "/mail/unsubscribe/x",
        "/mail/unsubscribe/%00",
        "/mail/unsubscribe/%FF",
    ] {
        for method in ["GET", "POST"] {
            let refused = ask(&mail, method, path, "text/plain", "").await;
            assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
    let mut owner = test.database.owner().await;
    let noted: i64 = sqlx::query_scalar("select count(*) from mail.suppression")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(noted, 0);
}

#[tokio::test]
async fn a_demo_shows_its_letters_newest_first() {
    let test = testkit::context().await;
    let dir = tempfile::tempdir().unwrap();
    let mail = open(test.cx.clone(), Way::Folder(dir.path().join("mail")));
    let empty = json_of(ask(&mail, "GET", "/sandbox/letters", "text/plain", "").await).await;
    assert_eq!(empty, json!({ "items": [] }));
    post(&test.cx, verify("older")).await;
    test.time.advance(chrono::Duration::seconds(1));
    post(&test.cx, news("newer")).await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 2);

    let found = json_of(ask(&mail, "GET", "/sandbox/letters", "text/plain", "").await).await;
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["subject"], "Autumn");
    assert_eq!(items[0]["at"], "2026-11-20T09:00:01Z");
    assert_eq!(items[1]["to"], TO);
    assert_eq!(
        items[1]["links"][0],
        "https://noren.example/link/verify#canary-token"
    );
    assert!(items[1]["text"].as_str().unwrap().contains("千鳥さん"));
    assert!(
        items[1]["html"]
            .as_str()
            .unwrap()
            .starts_with("<!doctype html>")
    );
    assert!(items[1]["id"].as_str().unwrap().starts_with("ltr_"));

    let sink = Sink::start().await;
    let elsewhere = ask(
        &room(&test, &sink),
        "GET",
        "/sandbox/letters",
        "text/plain",
        "",
    )
    .await;
    assert_eq!(
        elsewhere.status(),
        StatusCode::NOT_FOUND,
        "only where letters stay in a folder"
    );
}

#[tokio::test]
async fn a_setting_that_can_not_be_used_is_told_without_its_secrets() {
    let test = testkit::context().await;
    let config = |way, from: &str, secret: usize| mail::Config {
        way,
        from: from.to_owned(),
        account_url: "https://noren.example/".to_owned(),
        secret: vec![7; secret].into(),
    };
    let good = "Noren <noreply@localhost>";
    Mail::open(test.cx.clone(), config(Way::Nowhere, good, 32)).unwrap();
    for (config, why) in [
        (config(Way::Nowhere, "Noren", 32), "mail.from"),
        (
            config(Way::Nowhere, "Noren <a@b.example>\r\nBcc: c@d.example", 32),
            "mail.from",
        ),
        (config(Way::Nowhere, good, 31), "32 bytes"),
        (
            config(
                Way::Smtp("smtps//user:canary@mail.example".into()),
                good,
                32,
            ),
            "mail.smtp_url",
        ),
    ] {
        let error = Mail::open(test.cx.clone(), config).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

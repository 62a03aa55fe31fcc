use db::Scope;
use mail::{Letter, Template};
use serde_json::json;
use uuid::Uuid;

use crate::{post, states, verify};

#[tokio::test]
async fn a_letter_of_a_transaction_that_rolls_back_never_was() {
    let test = testkit::context().await;
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    mail::post(&mut tx, &test.cx, verify("a")).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(states(&test).await, []);
    post(&test.cx, verify("a")).await;
    assert_eq!(states(&test).await, [("queued".to_owned(), 1)]);
}

#[tokio::test]
async fn twenty_at_once_with_one_key_post_one_letter() {
    let test = testkit::context().await;
    let posts: Vec<_> = (0..20)
        .map(|_| {
            let cx = test.cx.clone();
            tokio::spawn(async move { post(&cx, verify("one")).await })
        })
        .collect();
    for done in posts {
        done.await.unwrap();
    }
    post(&test.cx, verify("another")).await;
    assert_eq!(states(&test).await, [("queued".to_owned(), 2)]);
}

#[tokio::test]
async fn a_tenants_transaction_posts_and_reads_nothing() {
    let test = testkit::context().await;
    let scope = Scope::Tenant {
        tenant: Uuid::from_u128(1),
        user: None,
    };
    let mut tx = test.cx.db.begin(scope).await.unwrap();
    mail::post(&mut tx, &test.cx, verify("a")).await.unwrap();
    mail::post(&mut tx, &test.cx, verify("a")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(states(&test).await, [("queued".to_owned(), 1)]);

    for refused in [
        "select id from mail.letter",
        "update mail.letter set key = 'b'",
        "delete from mail.letter",
        "insert into mail.letter (id, key, to_address, lang, template, data, next_at, created_at, state, sent_at)
         values (gen_random_uuid(), 'c', null, 'ja', 'news', null, now(), now(), 'sent', now())",
        "select address_hash from mail.suppression",
    ] {
        let mut tx = test.cx.db.begin(scope).await.unwrap();
        let error = sqlx::query(refused).execute(&mut *tx).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap();
        assert_eq!(code, "42501", "{refused}");
    }
}

#[tokio::test]
async fn a_letter_without_its_data_is_refused_before_it_is_written() {
    let test = testkit::context().await;
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    let letter = Letter {
        template: Template::Invitation,
        data: json!({ "tenant": "千鳥家" }),
        ..verify("a")
    };
    let error = mail::post(&mut tx, &test.cx, letter).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::Encode(_)), "{error}");
    mail::post(&mut tx, &test.cx, verify("a")).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn the_auditor_sees_that_letters_went_and_not_to_whom() {
    let test = testkit::context().await;
    post(&test.cx, verify("a")).await;
    let mut owner = test.database.owner().await;
    sqlx::query("set role auditor")
        .execute(&mut owner)
        .await
        .unwrap();
    let seen: Vec<(String, String)> = sqlx::query_as("select template, state from audit.letters")
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert_eq!(seen, [("verify_email".to_owned(), "queued".to_owned())]);
    for column in ["to_address", "data", "key"] {
        let select = format!("select {column} from mail.letter");
        let refused = sqlx::query(sqlx::AssertSqlSafe(select))
            .execute(&mut owner)
            .await;
        assert!(refused.is_err(), "{column}");
    }
}

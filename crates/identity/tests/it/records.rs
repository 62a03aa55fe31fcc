//! What is written down about people, what is taken over from elsewhere, and what is left when they go.

use chrono::Duration;
use identity::{Error, RequestMeta, verify_audit};
use kernel::Lang;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::{Door, someone};

#[tokio::test]
async fn the_audit_log_is_a_chain_in_which_no_line_can_be_changed_or_missed() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    let cookie = made.cookie.as_deref();
    for name in ["one", "two", "three"] {
        let answer = door.post("/keys", cookie, json!({ "name": name })).await;
        assert_eq!(answer.status, 201);
    }
    assert_eq!(verify_audit(&door.test.cx).await.unwrap(), []);
    let log = door
        .send("GET", "/audit?limit=2", cookie, Value::Null)
        .await;
    let newest = &log.body["items"][0];
    assert_eq!(
        (&newest["action"], &newest["after"]["name"]),
        (&json!("key.create"), &json!("three"))
    );
    assert!(log.body["next_cursor"].is_string());

    // not even the owner may, unless the guard itself is taken away, and then the chain shows it
    let tampering = [
        "update identity.audit set action = 'key.revoke' where seq = 3",
        "delete from identity.audit where seq = 3",
        "delete from identity.audit where seq = (select max(seq) from identity.audit)",
        "update identity.audit set after = '{}' where seq = 4",
    ];
    let mut owner = door.test.database.owner().await;
    for statement in tampering {
        let refused = sqlx::query(statement)
            .execute(&mut owner)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
        let mut tx = owner.begin().await.unwrap();
        sqlx::raw_sql("alter table identity.audit disable trigger audit_append_only")
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(statement).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_ne!(
            verify_audit(&door.test.cx).await.unwrap(),
            [],
            "{statement}"
        );
        return_to(&mut owner).await;
    }
}

/// Puts the guard back. What was broken stays broken: each tampering adds to the ones before.
async fn return_to(owner: &mut sqlx::PgConnection) {
    sqlx::raw_sql("alter table identity.audit enable trigger audit_append_only")
        .execute(owner)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_imported_bcrypt_hash_lets_its_user_in_and_is_replaced() {
    let door = Door::open().await;
    let meta = RequestMeta::of_the_house("req_test");
    // bcrypt, cost 4, of "correct horse"
    let hash = bcrypt::hash("correct horse", 4).unwrap();
    let import = |hash: String| {
        let room = door.room.clone();
        let meta = meta.clone();
        async move {
            identity::import_user(&room, "someone@example.test", &hash, None, Lang::En, &meta).await
        }
    };
    assert!(matches!(
        import("plain text".to_owned()).await,
        Err(Error::Fault(_))
    ));
    import(hash.clone()).await.unwrap();
    assert!(matches!(import(hash).await, Err(Error::EmailTaken)));

    let wrong = json!({ "email": "someone@example.test", "password": "wrong horse" });
    assert_eq!(door.post("/auth/login", None, wrong).await.status, 401);
    let mut owner = door.test.database.owner().await;
    let mut kept = async || -> String {
        sqlx::query_scalar("select password_hash from identity.app_user")
            .fetch_one(&mut owner)
            .await
            .unwrap()
    };
    assert!(
        kept().await.starts_with("$2b$"),
        "a wrong guess changes nothing"
    );
    assert_eq!(door.post("/auth/login", None, someone()).await.status, 200);
    assert!(kept().await.starts_with("$argon2id$"));
    assert_eq!(door.post("/auth/login", None, someone()).await.status, 200);
}

#[tokio::test]
async fn an_account_goes_after_thirty_days_unless_it_is_kept() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    let link = door.letter("verify_email", "someone@example.test").await;
    door.follow("/auth/email/verify", &link).await;
    let cookie = made.cookie.as_deref();
    let key = made.body["api_key"]["secret"].as_str().unwrap().to_owned();
    let elsewhere = door.post("/auth/login", None, someone()).await;

    let asked = door.post("/account/deletion", cookie, Value::Null).await;
    assert_eq!(asked.status, 202, "{:?}", asked.body);
    assert_eq!(
        door.me(elsewhere.cookie.as_deref()).await.status,
        401,
        "signed out elsewhere"
    );
    assert_eq!(
        door.me(cookie).await.body["deletion_at"],
        asked.body["deletion_at"]
    );
    let kept = door
        .send("DELETE", "/account/deletion", cookie, Value::Null)
        .await;
    assert_eq!(kept.status, 204);
    assert_eq!(door.me(cookie).await.body["deletion_at"], Value::Null);

    door.post("/account/deletion", cookie, Value::Null).await;
    door.test
        .time
        .advance(Duration::days(30) - Duration::seconds(1));
    assert!(
        identity::leavers(&door.test.cx, 10)
            .await
            .unwrap()
            .is_empty()
    );
    door.test.time.advance(Duration::seconds(1));
    let [leaver] = identity::leavers(&door.test.cx, 10)
        .await
        .unwrap()
        .try_into()
        .unwrap();
    let mut tx = door
        .test
        .cx
        .db
        .begin(db::Scope::House("test"))
        .await
        .unwrap();
    identity::forget(&mut tx, &door.room, &leaver)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    assert_eq!(door.post("/auth/login", None, someone()).await.status, 401);
    let by_key = door
        .send_with("GET", "/auth/me", &[("x-api-key", &key)], Value::Null)
        .await;
    assert_eq!(by_key.status, 401);
    let mut owner = door.test.database.owner().await;
    let left: Vec<String> = sqlx::query_scalar(
        "select u::text from identity.app_user u union all select s::text from identity.session s
         union all select l::text from identity.link l union all select a::text from identity.audit a",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let text = left.join("\n");
    assert!(!text.contains("someone"), "{text}");
    assert!(
        text.contains("account.delete"),
        "that it went is written down"
    );
    assert_eq!(verify_audit(&door.test.cx).await.unwrap(), []);
    // the address is free again
    assert_eq!(
        door.post("/auth/register", None, someone()).await.status,
        201
    );
}

#[tokio::test]
async fn nobody_leaves_a_team_without_an_owner() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    let cookie = made.cookie.as_deref();
    let team = door
        .post(
            "/tenants",
            cookie,
            json!({ "kind": "team", "name": "a team" }),
        )
        .await;
    assert_eq!(team.status, 201, "{:?}", team.body);
    let other = json!({ "email": "other@example.test", "password": "correct horse" });
    let other = door.post("/auth/register", None, other).await;
    let mut owner = door.test.database.owner().await;
    let plain = |id: &Value| {
        id.as_str()
            .unwrap()
            .split_once('_')
            .unwrap()
            .1
            .parse::<uuid::Uuid>()
            .unwrap()
    };
    sqlx::query("insert into identity.membership (tenant_id, user_id, role, created_at) values ($1, $2, 'member', now())")
        .bind(plain(&team.body["id"]))
        .bind(plain(&other.body["user"]["id"]))
        .execute(&mut owner)
        .await
        .unwrap();
    let refused = door.post("/account/deletion", cookie, Value::Null).await;
    assert_eq!(
        (refused.status, refused.body["code"].as_str()),
        (409, Some("last_owner"))
    );
    let fine = door
        .post("/account/deletion", other.cookie.as_deref(), Value::Null)
        .await;
    assert_eq!(fine.status, 202);
}

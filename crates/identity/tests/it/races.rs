use std::sync::Arc;

use chrono::Duration;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{Answer, Door, someone};

fn signing_in(password: &str) -> Value {
    json!({ "email": "someone@example.test", "password": password })
}

/// Until somebody waits for a lock in this database, which is asked rather than slept for.
async fn somebody_waits(owner: &mut PgConnection) {
    loop {
        let waits: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')",
        )
        .fetch_one(&mut *owner)
        .await
        .unwrap();
        if waits {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Begins to change the password, lets somebody come to the door with the old one, and changes it when they wait there.
async fn overlapping(door: &Arc<Door>, path: &'static str, body: Value) -> Answer {
    let mut changing = door.test.database.owner().await;
    let mut watching = door.test.database.owner().await;
    sqlx::raw_sql("begin; update identity.app_user set password_hash = replace(password_hash, 'argon2id', 'argon2i')")
        .execute(&mut changing)
        .await
        .unwrap();
    let there = Arc::clone(door);
    let coming = tokio::spawn(async move { there.post(path, None, body).await });
    somebody_waits(&mut watching).await;
    sqlx::raw_sql("commit")
        .execute(&mut changing)
        .await
        .unwrap();
    coming.await.unwrap()
}

#[tokio::test]
async fn a_password_that_changes_while_it_lets_somebody_in_lets_nobody_in() {
    for path in ["/auth/login", "/auth/token"] {
        let door = Arc::new(Door::open().await);
        door.post("/auth/register", None, someone()).await;
        let sessions = door.count("session").await;
        let refused = overlapping(&door, path, signing_in("correct horse")).await;
        assert_eq!(
            (refused.status, refused.body["code"].as_str()),
            (401, Some("wrong_credentials")),
            "{path}"
        );
        assert_eq!(
            (
                door.count("session").await,
                door.count("refresh_family").await
            ),
            (sessions, 0),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_hash_that_is_renewed_at_sign_in_never_brings_an_old_password_back() {
    let door = Arc::new(Door::open().await);
    // of another system, cost 4
    let hash = bcrypt::hash("correct horse", 4).unwrap();
    identity::import_user(
        &door.room,
        "someone@example.test",
        &hash,
        None,
        kernel::Lang::En,
        &identity::RequestMeta::of_the_house("req_test"),
    )
    .await
    .unwrap();
    let (one, two) = tokio::join!(
        door.post("/auth/login", None, signing_in("correct horse")),
        door.post("/auth/login", None, signing_in("correct horse")),
    );
    assert_eq!((one.status, two.status), (200, 200), "both knew it");

    let door = Arc::new(Door::open().await);
    identity::import_user(
        &door.room,
        "someone@example.test",
        &hash,
        None,
        kernel::Lang::En,
        &identity::RequestMeta::of_the_house("req_test"),
    )
    .await
    .unwrap();
    let changed = bcrypt::hash("another long horse", 4).unwrap();
    let mut changing = door.test.database.owner().await;
    let mut watching = door.test.database.owner().await;
    sqlx::raw_sql("begin").execute(&mut changing).await.unwrap();
    sqlx::query("update identity.app_user set password_hash = $1")
        .bind(&changed)
        .execute(&mut changing)
        .await
        .unwrap();
    let there = Arc::clone(&door);
    let coming = tokio::spawn(async move {
        there
            .post("/auth/login", None, signing_in("correct horse"))
            .await
    });
    somebody_waits(&mut watching).await;
    sqlx::raw_sql("commit")
        .execute(&mut changing)
        .await
        .unwrap();
    assert_eq!(coming.await.unwrap().status, 401);
    let stored: String = sqlx::query_scalar("select password_hash from identity.app_user")
        .fetch_one(&mut watching)
        .await
        .unwrap();
    assert_eq!(stored, changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_sign_in_outlives_a_change_of_the_password_however_they_meet() {
    let door = Arc::new(Door::open().await);
    door.post("/auth/register", None, someone()).await;
    let mut password = "correct horse".to_owned();
    let mut came_in = 0;
    for round in 0..12 {
        // the tries of the round before are forgotten
        door.test.time.advance(Duration::minutes(16));
        let own = door.post("/auth/login", None, signing_in(&password)).await;
        assert_eq!(own.status, 200);
        let next = format!("plum kettle number {round}");
        let coming: Vec<_> = (0..4)
            .map(|_| {
                let (there, body) = (Arc::clone(&door), signing_in(&password));
                tokio::spawn(async move { there.post("/auth/login", None, body).await })
            })
            .collect();
        let changed = door
            .post(
                "/auth/password",
                own.cookie.as_deref(),
                json!({ "password": next }),
            )
            .await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        for one in coming {
            let one = one.await.unwrap();
            if one.status == 200 {
                came_in += 1;
                let me = door.me(one.cookie.as_deref()).await;
                assert_eq!(
                    me.status, 401,
                    "came in with the password before the change"
                );
            } else {
                assert_eq!(one.body["code"], "wrong_credentials");
            }
        }
        assert_eq!(door.me(changed.cookie.as_deref()).await.status, 200);
        assert_eq!(door.me(own.cookie.as_deref()).await.status, 401);
        password = next;
    }
    assert!(came_in < 48, "some met the change");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_is_carried_over_while_all_end_ends_too() {
    let door = Arc::new(Door::open().await);
    let made = door.post("/auth/register", None, someone()).await;
    let tenant = made.body["tenant"]["id"].clone();
    for _ in 0..12 {
        door.test.time.advance(Duration::minutes(16));
        let own = door
            .post("/auth/login", None, signing_in("correct horse"))
            .await;
        let other = door
            .post("/auth/login", None, signing_in("correct horse"))
            .await;
        let (switched, ended) = tokio::join!(
            door.post(
                "/auth/tenant",
                other.cookie.as_deref(),
                json!({ "tenant": tenant })
            ),
            door.post(
                "/auth/sessions/revoke-others",
                own.cookie.as_deref(),
                Value::Null
            ),
        );
        assert_eq!(ended.status, 204, "{}", ended.body);
        assert_ne!(switched.status, 500, "{}", switched.body);
        for cookie in [other.cookie, switched.cookie].into_iter().flatten() {
            let me = door.me(Some(&cookie)).await;
            assert_eq!(me.status, 401, "{}", switched.status);
        }
        assert_eq!(door.me(own.cookie.as_deref()).await.status, 200);
    }
}

//! What was begun and left.

use db::Scope;

use super::*;

async fn enter(door: &Door, email: &str) -> Answer {
    let body = json!({ "email": email, "password": "correct horse" });
    let made = door.post("/auth/register", None, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made
}

#[tokio::test]
async fn accounts_never_confirmed_are_found_once_nobody_uses_them() {
    let door = Door::open().await;
    let cx = &door.test.cx;
    let left = enter(&door, "left@example.test").await;
    enter(&door, "confirmed@example.test").await;
    enter(&door, "operator@example.test").await;
    let used = enter(&door, "used@example.test").await;
    let mut owner = door.test.database.owner().await;
    for change in [
        "update identity.app_user set email_verified_at = created_at where email = 'confirmed@example.test'",
        "update identity.app_user set operator = true where email = 'operator@example.test'",
    ] {
        sqlx::query(change).execute(&mut owner).await.unwrap();
    }
    let since = || cx.clock.now() - Duration::days(20);
    let found = async || {
        let found = identity::unconfirmed(cx, since(), None, 10).await.unwrap();
        let ids = found.into_iter().map(|one| one.user.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found().await, Vec::<String>::new(), "they are new");
    door.test.time.advance(Duration::days(15));
    assert_eq!(door.me(used.cookie.as_deref()).await.status, 200);
    door.test.time.advance(Duration::days(6));
    let whose = left.body["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(found().await, [whose]);

    let leavers = identity::unconfirmed(cx, since(), None, 10).await.unwrap();
    let again = identity::unconfirmed(cx, since(), Some(leavers[0].user), 10);
    assert!(
        again.await.unwrap().is_empty(),
        "behind the last there is none"
    );
    let mut tx = cx.db.begin(Scope::House("test")).await.unwrap();
    identity::forget(&mut tx, &door.room, &leavers[0])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(door.me(left.cookie.as_deref()).await.status, 401);
    assert_eq!(found().await, Vec::<String>::new());
}

#[tokio::test]
async fn guests_who_do_not_come_back_are_forgotten_and_those_who_do_stay() {
    let door = Door::open().await;
    let cx = &door.test.cx;
    let gone = door.post("/auth/guest", None, Value::Null).await;
    let back = door.post("/auth/guest", None, Value::Null).await;
    let registered = door.post("/auth/guest", None, Value::Null).await;
    let body = json!({ "email": "a@example.test", "password": "correct horse" });
    let made = door
        .post("/auth/register", registered.cookie.as_deref(), body)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    door.test.time.advance(Duration::days(15));
    assert_eq!(door.me(back.cookie.as_deref()).await.status, 200);
    door.test.time.advance(Duration::days(10));
    let since = cx.clock.now() - Duration::days(20);
    let idle = identity::idle_guests(cx, since, 10).await.unwrap();
    let [tenant] = idle.as_slice() else {
        panic!("{idle:?}");
    };
    for gone in [true, false] {
        let mut tx = cx.db.begin(Scope::House("test")).await.unwrap();
        let forgotten = identity::forget_guest(&mut tx, &door.room, *tenant, since).await;
        assert_eq!(forgotten.unwrap(), gone, "once");
        tx.commit().await.unwrap();
    }
    assert_eq!(door.me(gone.cookie.as_deref()).await.status, 401);
    assert_eq!(door.me(back.cookie.as_deref()).await.status, 200);
    let idle = identity::idle_guests(cx, since, 10).await.unwrap();
    assert!(idle.is_empty(), "{idle:?}");
    let mut owner = door.test.database.owner().await;
    let traces: i64 = sqlx::query_scalar(
        "select count(*) from identity.session where tenant_id = $1 and network <> ''",
    )
    .bind(tenant.0)
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(traces, 0);
}

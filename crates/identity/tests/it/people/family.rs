use serde_json::{Value, json};

use super::{Who, cast};
use crate::Door;

#[tokio::test]
async fn a_guardian_makes_accounts_for_children_and_agrees_to_them() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "family").await;
    let made = door.add_child(&ann, "ハナコ").await;
    assert_eq!(made.status, 201, "{made:?}");
    let family = door.read(&ann, "/family").await.body;
    assert_eq!(family["children"][0], made.body);
    assert_eq!(
        (&made.body["name"], &made.body["birth_year"]),
        (&json!("ハナコ"), &json!(2016))
    );
    assert_eq!(family["guardians"][0]["email"], "ann@example.test");
    let consent = "select wording || ' by ' || u.display_name from identity.consent c
        join identity.app_user u on u.id = c.given_by where c.withdrawn_at is null";
    assert_eq!(
        door.scalar(consent).await.as_deref(),
        Some("child-account/2026-11 by ann")
    );

    assert_eq!(
        door.add_child(&ann, " ﾊﾅｺ").await.refused(),
        (409, "name_taken")
    );
    let body = |change: Value| {
        let mut body =
            json!({ "name": "Taro", "display_name": "Taro", "pin": "402915", "consent": true });
        let fields = change.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        body
    };
    for (change, pointer, code) in [
        (json!({ "consent": false }), "/consent", "consent"),
        (json!({ "pin": "000000" }), "/pin", "weak_pin"),
        (json!({ "pin": "123456" }), "/pin", "weak_pin"),
        (json!({ "pin": "12345" }), "/pin", "pin"),
        (json!({ "pin": "40２915" }), "/pin", "pin"),
        (json!({ "name": "  " }), "/name", "length"),
        (json!({ "name": "@@" }), "/name", "name"),
        (json!({ "name": "a".repeat(31) }), "/name", "length"),
        (json!({ "birth_year": 16 }), "/birth_year", "range"),
    ] {
        let heard = door
            .by(&ann, "POST /family/children", body(change.clone()))
            .await;
        let error = &heard.body["errors"][0];
        assert_eq!(
            (heard.status, &error["pointer"], &error["code"]),
            (422, &json!(pointer), &json!(code)),
            "{change}"
        );
    }
    for child in 1..10 {
        let made = door.add_child(&ann, &format!("child {child}")).await;
        assert_eq!(made.status, 201, "{child}");
    }
    let eleventh = door.add_child(&ann, "one more").await;
    assert_eq!(eleventh.refused(), (409, "too_many"));
    assert_eq!(door.count("child").await, 10);
}

#[tokio::test]
async fn a_child_signs_in_by_name_and_pin_and_reads_the_family_only() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "family").await;
    let made = door.add_child(&ann, "Hanako").await;
    let code = door.read(&ann, "/family").await.body["code"].clone();
    let wide = json!({ "family": code.as_str().unwrap().to_uppercase(), "name": "ＨＡＮＡＫＯ ", "pin": "402915" });
    let heard = door.ask(None, "POST /auth/login/child", wide).await;
    assert_eq!(heard.status, 200, "{heard:?}");
    assert_eq!(heard.body["permissions"], json!(["members.read"]));
    assert_eq!(
        (&heard.body["tenant"]["kind"], &heard.body["user"]["email"]),
        (&json!("family"), &Value::Null)
    );
    let child = Who {
        id: made.body["user"].as_str().unwrap().to_owned(),
        email: String::new(),
        cookie: heard.cookies[0].clone(),
    };
    let family = door.read(&child, "/family").await.body;
    let guardian = &family["guardians"][0];
    assert_eq!(
        (&guardian["display_name"], &guardian["email"]),
        (&json!("ann"), &Value::Null)
    );
    assert_eq!(family["children"].as_array().unwrap().len(), 1);
    let members = door.read(&child, "/members").await.body.to_string();
    assert!(!members.contains("example.test"), "{members}");

    let itself = format!("/members/{}", child.id);
    for (route, body) in [
        (format!("DELETE {itself}"), json!({})),
        (format!("PATCH {itself}"), json!({ "role": "guardian" })),
        (
            "PATCH /auth/me".to_owned(),
            json!({ "display_name": "King" }),
        ),
        ("GET /auth/sessions".to_owned(), json!({})),
        (
            "POST /auth/email".to_owned(),
            json!({ "email": "a@example.test" }),
        ),
        (
            "POST /auth/password".to_owned(),
            json!({ "password": "a long new password" }),
        ),
        ("GET /keys".to_owned(), json!({})),
        ("POST /keys".to_owned(), json!({ "name": "Mine" })),
        ("GET /audit".to_owned(), json!({})),
        (
            "POST /tenants".to_owned(),
            json!({ "kind": "team", "name": "Mine" }),
        ),
    ] {
        let heard = door.by(&child, &route, body).await;
        assert_eq!(heard.refused(), (403, "forbidden"), "{route}");
    }
}

#[tokio::test]
async fn a_new_pin_ends_what_the_old_one_opened() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "family").await;
    let made = door.add_child(&ann, "Hanako").await;
    let code = door.read(&ann, "/family").await.body["code"].clone();
    let with = |pin: &str| json!({ "family": code, "name": "Hanako", "pin": pin });
    let inside = door
        .ask(None, "POST /auth/login/child", with("402915"))
        .await;
    let by = ("cookie", inside.cookies[0].as_str());
    let path = format!(
        "PATCH /family/children/{}",
        made.body["user"].as_str().unwrap()
    );

    let renamed = json!({ "display_name": "花子", "user": super::NOBODY, "birth_year": 1999 });
    let renamed = door.by(&ann, &path, renamed).await;
    assert_eq!(
        (
            renamed.status,
            &renamed.body["display_name"],
            &renamed.body["birth_year"]
        ),
        (200, &json!("花子"), &json!(2016))
    );
    assert_eq!(
        door.ask(Some(by), "GET /auth/me", Value::Null).await.status,
        200
    );
    let changed = door.by(&ann, &path, json!({ "pin": "271828" })).await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        door.ask(Some(by), "GET /auth/me", Value::Null).await.status,
        401
    );
    let old = door
        .ask(None, "POST /auth/login/child", with("402915"))
        .await;
    assert_eq!(old.refused(), (401, "wrong_credentials"));
    let new = door
        .ask(None, "POST /auth/login/child", with("271828"))
        .await;
    assert_eq!(new.status, 200);
}

#[tokio::test]
async fn a_childs_account_ends_with_its_names_and_the_books_stay() {
    for by_members in [false, true] {
        let door = Door::open().await;
        let cast = cast(&door, "a").await;
        let (name, cookie) = cast.credentials[6].clone().unwrap();
        let by = (name, cookie.as_str());
        let path = if by_members {
            "members"
        } else {
            "family/children"
        };
        let path = format!("DELETE /{path}/{}", cast.child);
        assert_eq!(
            door.by(&cast.guardian, &path, Value::Null).await.status,
            204
        );
        assert_eq!(
            door.ask(Some(by), "GET /auth/me", Value::Null).await.status,
            401
        );
        let family = door.read(&cast.guardian, "/family").await.body;
        assert_eq!(family["children"], json!([]));
        let pin = json!({ "family": family["code"], "name": "Hanako", "pin": "402915" });
        let again = door.ask(None, "POST /auth/login/child", pin).await;
        assert_eq!(again.refused(), (401, "wrong_credentials"));
        let left =
            "select concat_ws(',', display_name, login_name, password_hash) from identity.app_user
            where deleted_at is not null";
        assert_eq!(door.scalar(left).await.as_deref(), Some("—"));
        assert_eq!(door.count("child").await, 0);
        let consent = "select count(*)::text from identity.consent where withdrawn_at is not null";
        assert_eq!(door.scalar(consent).await.as_deref(), Some("1"));
        let lines = "select string_agg(action, ',' order by seq) from identity.audit where action like 'child.%'";
        assert_eq!(
            door.scalar(lines).await.as_deref(),
            Some("child.add,child.remove")
        );
        assert_eq!(
            door.add_child(&cast.guardian, "Hanako").await.status,
            201,
            "the name is free"
        );
    }
}

#[tokio::test]
async fn a_guardian_hands_the_browser_to_a_child() {
    let door = Door::open().await;
    let cast = cast(&door, "a").await;
    let path = format!("POST /family/children/{}/enter", cast.child);
    let heard = door.by(&cast.guardian, &path, Value::Null).await;
    assert_eq!(
        (
            heard.status,
            &heard.body["user"]["id"],
            &heard.body["tenant"]["role"]
        ),
        (200, &json!(cast.child), &json!("child"))
    );
    assert_eq!(
        door.read(&cast.guardian, "/auth/me").await.status,
        401,
        "no way back"
    );
    assert_eq!(
        heard.cookies.len(),
        1,
        "the guardian's browser stays known: {:?}",
        heard.cookies
    );
    let by = ("cookie", heard.cookies[0].as_str());
    let me = door.ask(Some(by), "GET /auth/me", Value::Null).await;
    assert_eq!(me.body["permissions"], json!(["members.read"]));
    let devices =
        "select count(*)::text from identity.device d join identity.app_user u on u.id = d.user_id
        where u.login_name is not null";
    assert_eq!(
        door.scalar(devices).await.as_deref(),
        Some("1"),
        "only the browser that the child signed in from itself"
    );
    let proofs = "select string_agg(proofs::text, ',') from identity.session where 'guardian' = any (proofs)";
    assert_eq!(door.scalar(proofs).await.as_deref(), Some("{guardian}"));
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_without_names_and_addresses() {
    let door = Door::open().await;
    let cast = cast(&door, "a").await;
    door.invite(&cast.owner, "mia@example.test", "member").await;
    let open = door.read(&cast.owner, "/invitations").await.body["items"][0]["id"].clone();
    let withdraw = format!("DELETE /invitations/{}", open.as_str().unwrap());
    door.by(&cast.owner, &withdraw, Value::Null).await;
    let rename = json!({ "name": "Secret name" });
    door.by(&cast.owner, "PATCH /tenants/current", rename).await;
    let members = door.read(&cast.owner, "/members").await.body;
    let admin = members["items"][1]["user"].as_str().unwrap().to_owned();
    door.by(
        &cast.owner,
        &format!("PATCH /members/{admin}"),
        json!({ "role": "member" }),
    )
    .await;
    door.by(
        &cast.owner,
        &format!("DELETE /members/{admin}"),
        Value::Null,
    )
    .await;
    let child = format!("/family/children/{}", cast.child);
    let changed = json!({ "display_name": "Secret child" });
    door.by(&cast.guardian, &format!("PATCH {child}"), changed)
        .await;
    door.by(&cast.guardian, &format!("POST {child}/enter"), Value::Null)
        .await;
    let actions = "select string_agg(distinct action, ' ' order by action) from identity.audit
        where action ~ '^(tenant|member|invitation|child)[.]'";
    assert_eq!(
        door.scalar(actions).await.as_deref(),
        Some(
            "child.add child.change child.enter invitation.accept invitation.send invitation.withdraw member.remove \
             member.role tenant.change tenant.create"
        )
    );
    let lines = "select string_agg(concat_ws(' ', actor, action, target, before, after), E'\n') from identity.audit";
    let lines = door.scalar(lines).await.unwrap();
    for secret in [
        "example.test",
        "Secret",
        "Hana",
        "hanako",
        "402915",
        "The team",
    ] {
        assert!(!lines.contains(secret), "{secret} is in the log:\n{lines}");
    }
    let role = "select (before ->> 'role') || ' to ' || (after ->> 'role') from identity.audit where action = 'member.role'";
    assert_eq!(door.scalar(role).await.as_deref(), Some("admin to member"));
    assert_eq!(identity::verify_audit(&door.test.cx).await.unwrap(), []);
}

use chrono::Duration;
use futures::future::{join, join_all};
use serde_json::{Value, json};

use super::PASSWORD;
use crate::Door;

#[tokio::test]
async fn an_invitation_lets_its_address_in_once() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let team = door.found(&mut ann, "team").await;
    let first = door.invite(&ann, "bob@example.test", "member").await;
    let token = door.invite(&ann, " Bob@Example.TEST", "admin").await;
    let replaced = door.ask(None, "POST /invitations/view", first).await;
    assert_eq!(replaced.refused(), (410, "link_expired"));
    let open = door.read(&ann, "/invitations").await.body;
    assert_eq!(open["items"].as_array().unwrap().len(), 1, "{open}");

    let view = door
        .ask(None, "POST /invitations/view", token.clone())
        .await;
    assert_eq!(
        view.body,
        json!({
            "tenant": { "kind": "team", "name": "The team" }, "role": "admin", "email": "bob@example.test", "stale": false,
        })
    );
    let guest = door.ask(None, "POST /auth/guest", Value::Null).await;
    let guest = door
        .ask(
            Some(("cookie", &guest.cookies[0])),
            "POST /invitations/accept",
            token.clone(),
        )
        .await;
    assert_eq!(guest.refused(), (403, "forbidden"));
    let mut bob = door.someone("bob").await;
    let before = bob.clone();
    let heard = door
        .by(&bob, "POST /invitations/accept", token.clone())
        .await;
    assert_eq!(
        (
            heard.status,
            &heard.body["tenant"]["id"],
            &heard.body["tenant"]["role"]
        ),
        (200, &json!(team), &json!("admin"))
    );
    bob.renewed(&heard);
    assert_eq!(door.read(&before, "/auth/me").await.status, 401);
    for route in ["accept", "view", "refresh"] {
        let again = door
            .by(&bob, &format!("POST /invitations/{route}"), token.clone())
            .await;
        assert_eq!(again.refused(), (410, "link_expired"), "{route}");
    }
    let invited = json!({ "email": bob.email, "role": "member" });
    let invited = door.by(&ann, "POST /invitations", invited).await;
    assert_eq!(invited.refused(), (409, "already_member"));
    let members = door.read(&bob, "/members").await.body;
    let roles: Vec<&Value> = members["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["role"])
        .collect();
    assert_eq!(roles, ["owner", "admin"]);

    for (role, refused) in [
        ("guardian", (409, "role_does_not_fit")),
        ("child", (409, "role_does_not_fit")),
        ("guest", (409, "role_does_not_fit")),
        ("owner", (403, "forbidden")),
        ("admin", (403, "forbidden")),
        ("king", (422, "invalid_input")),
    ] {
        let body = json!({ "email": "eve@example.test", "role": role });
        let heard = door.by(&bob, "POST /invitations", body).await;
        assert_eq!(heard.refused(), refused, "an admin invites a {role}");
    }
}

#[tokio::test]
async fn of_twenty_who_accept_at_once_one_gets_in() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "school").await;
    let token = door.invite(&ann, "bob@example.test", "member").await;
    door.someone("bob").await;
    let mut browsers = Vec::new();
    for _ in 0..20 {
        browsers.push(door.sign_in("bob@example.test").await);
    }
    let heard = join_all(
        browsers
            .iter()
            .map(|bob| door.by(bob, "POST /invitations/accept", token.clone())),
    )
    .await;
    let mut statuses: Vec<u16> = heard.iter().map(|heard| heard.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses.first(), Some(&200));
    assert!(
        statuses.iter().skip(1).all(|status| *status == 410),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_link_works_for_half_an_hour_and_its_invitation_for_a_week() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "team").await;
    let old = door.invite(&ann, "bob@example.test", "member").await;
    door.test
        .time
        .advance(Duration::minutes(30) - Duration::seconds(1));
    let view = door.ask(None, "POST /invitations/view", old.clone()).await;
    assert_eq!(view.body["stale"], false);
    door.test.time.advance(Duration::seconds(1));
    let view = door.ask(None, "POST /invitations/view", old.clone()).await;
    assert_eq!((view.status, &view.body["stale"]), (200, &json!(true)));
    let bob = door.someone("bob").await;
    let late = door.by(&bob, "POST /invitations/accept", old.clone()).await;
    assert_eq!(late.refused(), (410, "link_expired"));

    let letters = "select count(*)::text from mail.letter where template = 'invitation'";
    let refreshed = door
        .ask(None, "POST /invitations/refresh", old.clone())
        .await;
    assert_eq!((refreshed.status, &refreshed.body), (202, &json!({})));
    assert_eq!(door.scalar(letters).await.as_deref(), Some("2"));
    let fresh = door.token_for("bob@example.test").await;
    assert_ne!(fresh, old);
    let both = join(
        door.ask(None, "POST /invitations/refresh", old.clone()),
        door.ask(None, "POST /invitations/refresh", fresh.clone()),
    )
    .await;
    assert_eq!((both.0.status, both.1.status), (202, 202));
    let live = "select count(*)::text from identity.link where kind = 'invite' and voided_at is null and used_at is null
        and expires_at > '2026-11-20T09:30:01Z'";
    assert_eq!(
        door.scalar(live).await.as_deref(),
        Some("1"),
        "a newer link voids the others"
    );

    door.test
        .time
        .advance(Duration::days(7) - Duration::minutes(30) - Duration::seconds(1));
    let view = door
        .ask(None, "POST /invitations/view", fresh.clone())
        .await;
    assert_eq!((view.status, &view.body["stale"]), (200, &json!(true)));
    door.test.time.advance(Duration::seconds(1));
    for route in ["POST /invitations/view", "POST /invitations/refresh"] {
        let over = door.ask(None, route, fresh.clone()).await;
        assert_eq!(over.refused(), (410, "link_expired"), "{route}");
        let unknown = json!({ "token": "x".repeat(43) });
        let unknown = door.ask(None, route, unknown).await;
        assert_eq!(unknown.refused(), (410, "link_expired"), "{route}");
    }
    assert_eq!(
        door.read(&ann, "/invitations").await.body["items"],
        json!([])
    );
}

#[tokio::test]
async fn another_address_can_not_accept_and_leaves_the_link_as_it_was() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "team").await;
    let token = door.invite(&ann, "bob@example.test", "member").await;
    let eve = door.someone("eve").await;
    let heard = door
        .by(&eve, "POST /invitations/accept", token.clone())
        .await;
    assert_eq!(heard.refused(), (409, "other_address"));

    // an account that only claims the address proves it by the link
    let claim = json!({ "email": "BOB@example.test", "password": PASSWORD });
    let bob = door.ask(None, "POST /auth/register", claim).await;
    assert_eq!(bob.body["user"]["email_verified"], false);
    let by = ("cookie", bob.cookies[0].as_str());
    let heard = door.ask(Some(by), "POST /invitations/accept", token).await;
    assert_eq!(
        (heard.status, &heard.body["user"]["email_verified"]),
        (200, &json!(true))
    );

    // what another account proved can't be claimed in passing
    let token = door.invite(&ann, "eve@example.test", "member").await;
    let claim = json!({ "email": "eve@example.test", "password": PASSWORD });
    let false_eve = door.ask(None, "POST /auth/register", claim).await;
    let by = ("cookie", false_eve.cookies[0].as_str());
    let heard = door
        .ask(Some(by), "POST /invitations/accept", token.clone())
        .await;
    assert_eq!(heard.refused(), (409, "other_address"));
    let heard = door.by(&eve, "POST /invitations/accept", token).await;
    assert_eq!(heard.status, 200);
}

#[tokio::test]
async fn an_invitation_ends_when_it_is_withdrawn_or_its_sender_may_not_invite_any_more() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let mut bob = door.someone("bob").await;
    door.found(&mut ann, "team").await;
    door.join(&ann, &mut bob, "owner").await;
    let token = door.invite(&bob, "eve@example.test", "admin").await;
    let made_admin = door
        .by(
            &ann,
            &format!("PATCH /members/{}", bob.id),
            json!({ "role": "admin" }),
        )
        .await;
    assert_eq!(
        (made_admin.status, &made_admin.body["role"]),
        (200, &json!("admin"))
    );
    let view = door.ask(None, "POST /invitations/view", token).await;
    assert_eq!(view.refused(), (410, "link_expired"));

    let token = door.invite(&ann, "eve@example.test", "admin").await;
    let open = door.read(&ann, "/invitations").await.body["items"][0]["id"].clone();
    let path = format!("DELETE /invitations/{}", open.as_str().unwrap());
    assert_eq!(
        door.by(&bob, &path, Value::Null).await.refused(),
        (403, "forbidden")
    );
    assert_eq!(door.by(&ann, &path, Value::Null).await.status, 204);
    assert_eq!(
        door.by(&ann, &path, Value::Null).await.refused(),
        (404, "not_found")
    );
    let view = door.ask(None, "POST /invitations/view", token).await;
    assert_eq!(view.refused(), (410, "link_expired"));
}

#[tokio::test]
async fn nobody_is_flooded_with_invitations() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    door.found(&mut ann, "team").await;
    for _ in 0..5 {
        door.invite(&ann, "bob@example.test", "member").await;
    }
    let body = json!({ "email": "bob@example.test", "role": "member" });
    let heard = door.by(&ann, "POST /invitations", body).await;
    assert_eq!(heard.refused(), (429, "too_many_attempts"));
    let token = door.token_for("bob@example.test").await;
    let heard = door.ask(None, "POST /invitations/refresh", token).await;
    assert_eq!(heard.refused(), (429, "too_many_attempts"));
    let forgot = json!({ "email": "bob@example.test" });
    let forgot = door.ask(None, "POST /auth/password/forgot", forgot).await;
    assert_eq!(forgot.status, 202, "a reset is counted apart");
}

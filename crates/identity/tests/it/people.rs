//! Families, schools and teams: who belongs to them, who may do what there, who is invited, and what children can do.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{Request, header},
    routing::{MethodRouter, get},
};
use chrono::Duration;
use futures::future::{join, join_all};
use identity::{Caller, Identity, InferenceCaller, NewUser, RequestMeta};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::Door;

mod family;
mod invited;

const PASSWORD: &str = "correct horse";

/// A browser with somebody in it.
#[derive(Clone, Debug)]
struct Who {
    id: String,
    email: String,
    cookie: String,
}

#[derive(Debug)]
struct Heard {
    status: u16,
    cookies: Vec<String>,
    body: Value,
}

impl Heard {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn refused(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

impl Who {
    /// Takes the cookie that an answer set.
    fn renewed(&mut self, heard: &Heard) {
        self.cookie.clone_from(heard.cookies.first().unwrap());
    }
}

impl Door {
    async fn ask(&self, by: Option<(&str, &str)>, route: &str, body: Value) -> Heard {
        let (method, path) = route.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some((name, value)) = by {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let (parts, body) = self
            .app
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let cookies = parts.headers.get_all(header::SET_COOKIE).iter();
        let bytes = to_bytes(body, 1_000_000).await.unwrap();
        Heard {
            status: parts.status.as_u16(),
            cookies: cookies
                .map(|cookie| {
                    cookie
                        .to_str()
                        .unwrap()
                        .split(';')
                        .next()
                        .unwrap()
                        .to_owned()
                })
                .collect(),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn by(&self, who: &Who, route: &str, body: Value) -> Heard {
        self.ask(Some(("cookie", &who.cookie)), route, body).await
    }

    async fn read(&self, who: &Who, path: &str) -> Heard {
        self.by(who, &format!("GET {path}"), Value::Null).await
    }

    /// Somebody with a proven address, signed in.
    async fn someone(&self, name: &str) -> Who {
        let email = format!("{name}@example.test");
        let new = NewUser {
            email: email.clone(),
            password: PASSWORD.into(),
            display_name: Some(name.to_owned()),
            locale: kernel::Lang::Ja,
        };
        let meta = RequestMeta::of_the_house("req_test");
        identity::add_user(&self.room, new, false, &meta)
            .await
            .unwrap();
        self.sign_in(&email).await
    }

    async fn sign_in(&self, email: &str) -> Who {
        let body = json!({ "email": email, "password": PASSWORD });
        let heard = self.ask(None, "POST /auth/login", body).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        Who {
            id: heard.body["user"]["id"].as_str().unwrap().to_owned(),
            email: email.to_owned(),
            cookie: heard.cookies[0].clone(),
        }
    }

    /// Makes a tenant and acts for it.
    async fn found(&self, who: &mut Who, kind: &str) -> String {
        let body = json!({ "kind": kind, "name": format!("The {kind}") });
        let made = self.by(who, "POST /tenants", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let tenant = made.body["id"].as_str().unwrap().to_owned();
        self.act_for(who, &tenant).await;
        tenant
    }

    async fn act_for(&self, who: &mut Who, tenant: &str) {
        let heard = self
            .by(who, "POST /auth/tenant", json!({ "tenant": tenant }))
            .await;
        assert_eq!(heard.status, 200, "{heard:?}");
        who.renewed(&heard);
    }

    /// Invites an address; gives the token of the letter's link.
    async fn invite(&self, by: &Who, email: &str, role: &str) -> Value {
        // so that the newest letter is told by its id
        self.test.time.advance(Duration::milliseconds(1));
        let body = json!({ "email": email, "role": role });
        let sent = self.by(by, "POST /invitations", body).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        self.token_for(&email.trim().to_lowercase()).await
    }

    async fn token_for(&self, email: &str) -> Value {
        let link = self.letter("invitation", email).await;
        assert!(
            link.starts_with("https://noren.example/link/invite#"),
            "the host is the configured one: {link}"
        );
        json!({ "token": link.split_once('#').unwrap().1 })
    }

    async fn join(&self, by: &Who, who: &mut Who, role: &str) {
        let token = self.invite(by, &who.email, role).await;
        let heard = self.by(who, "POST /invitations/accept", token).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        who.renewed(&heard);
    }

    /// A pass to the inference listener, as the storefronts hand it out.
    async fn pass(&self, who: &Who) -> String {
        let mint = async |State(room): State<Identity>, caller: Caller| {
            identity::mint_inference_token(&room, &caller, "genai").map(|minted| minted.token)
        };
        self.elsewhere(get(mint), ("cookie", &who.cookie)).await.1
    }

    /// How the inference listener answers its holder.
    async fn infer(&self, pass: &str) -> u16 {
        let work = async |_: InferenceCaller| "done";
        let pass = format!("Bearer {pass}");
        self.elsewhere(get(work), ("authorization", &pass)).await.0
    }

    async fn elsewhere(&self, route: MethodRouter<Identity>, by: (&str, &str)) -> (u16, String) {
        let app = Router::new()
            .route("/", route)
            .with_state(self.room.clone());
        let request = Request::builder().uri("/").header(by.0, by.1);
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await;
        let (parts, body) = response.unwrap().into_parts();
        let bytes = to_bytes(body, 1_000_000).await.unwrap();
        (
            parts.status.as_u16(),
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    async fn add_child(&self, by: &Who, name: &str) -> Heard {
        let body = json!({
            "name": name, "display_name": "Hana", "birth_year": 2016, "pin": "402915", "consent": true, "role": "owner",
        });
        self.by(by, "POST /family/children", body).await
    }

    async fn scalar(&self, query: &'static str) -> Option<String> {
        let mut owner = self.test.database.owner().await;
        sqlx::query_scalar(query)
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }
}

/// Ids of nothing.
const NOBODY: &str = "usr_00000000000000000000000000000000";
const NOWHERE: &str = "tnt_00000000000000000000000000000000";
const NOTHING: &str = "inv_00000000000000000000000000000000";

#[tokio::test]
async fn tenants_are_made_renamed_and_switched_between() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let before = ann.clone();
    let own = door.read(&ann, "/auth/me").await.body["tenant"]["id"].clone();

    let body = json!({ "kind": "family", "name": " Sato ", "id": NOWHERE, "role": "owner", "code": "aaaaaaaa" });
    let family = door.by(&ann, "POST /tenants", body).await;
    assert_eq!(
        (family.status, &family.body["role"], &family.body["name"]),
        (201, &json!("guardian"), &json!("Sato"))
    );
    assert_ne!(family.body["id"], NOWHERE, "unknown fields have no effect");
    let team = door.found(&mut ann, "team").await;
    assert_eq!(
        door.read(&before, "/auth/me").await.status,
        401,
        "a new session at the change of rights"
    );
    let me = door.read(&ann, "/auth/me").await.body;
    assert_eq!(
        (&me["tenant"]["id"], &me["tenant"]["role"]),
        (&json!(team), &json!("owner"))
    );
    let tenants = door.read(&ann, "/tenants").await.body;
    assert_eq!(tenants["items"].as_array().unwrap().len(), 3);

    let renamed = door
        .by(
            &ann,
            "PATCH /tenants/current",
            json!({ "name": "Another", "kind": "school" }),
        )
        .await;
    assert_eq!(
        (renamed.status, &renamed.body["name"], &renamed.body["kind"]),
        (200, &json!("Another"), &json!("team"))
    );
    door.act_for(&mut ann, own.as_str().unwrap()).await;
    let renamed = door
        .by(&ann, "PATCH /tenants/current", json!({ "name": "Me" }))
        .await;
    assert_eq!(renamed.refused(), (409, "role_does_not_fit"));
    let invited = json!({ "email": "bob@example.test", "role": "member" });
    let invited = door.by(&ann, "POST /invitations", invited).await;
    assert_eq!(invited.refused(), (409, "role_does_not_fit"));

    let bob = door.someone("bob").await;
    for tenant in [team.as_str(), NOWHERE] {
        let heard = door
            .by(&bob, "POST /auth/tenant", json!({ "tenant": tenant }))
            .await;
        assert_eq!(heard.refused(), (404, "not_found"), "{tenant}");
    }
    let code = door
        .scalar("select code from identity.tenant where kind = 'family'")
        .await
        .unwrap();
    assert!(code.len() == 8 && code != "aaaaaaaa", "{code}");
}

#[tokio::test]
async fn nobody_belongs_to_more_than_twenty_tenants_however_fast_they_are_made() {
    let door = Door::open().await;
    let ann = door.someone("ann").await;
    let body = json!({ "kind": "team", "name": "One of many" });
    let made = join_all((0..24).map(|_| door.by(&ann, "POST /tenants", body.clone()))).await;
    let count = made.iter().filter(|heard| heard.status == 201).count();
    assert_eq!(count, 19, "with one's own that makes twenty");
    assert!(
        made.iter()
            .filter(|heard| heard.status != 201)
            .all(|heard| heard.refused() == (409, "too_many"))
    );
    let bob = &mut door.someone("bob").await;
    door.found(bob, "team").await;
    let token = door.invite(bob, &ann.email, "member").await;
    let heard = door.by(&ann, "POST /invitations/accept", token).await;
    assert_eq!(heard.refused(), (409, "too_many"));
}

#[tokio::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let mut bob = door.someone("bob").await;
    door.found(&mut ann, "team").await;
    door.join(&ann, &mut bob, "owner").await;
    for round in 0..6 {
        let demoted = json!({ "role": "member" });
        let (by_ann, by_bob) = join(
            door.by(&ann, &format!("PATCH /members/{}", bob.id), demoted.clone()),
            door.by(&bob, &format!("PATCH /members/{}", ann.id), demoted),
        )
        .await;
        let mut statuses = [by_ann.status, by_bob.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200, "round {round}");
        assert!(
            matches!(statuses[1], 403 | 409),
            "round {round}: {statuses:?}"
        );
        let (owner, other) = if by_ann.status == 200 {
            (&ann, &bob)
        } else {
            (&bob, &ann)
        };
        let alone = door
            .by(
                owner,
                &format!("PATCH /members/{}", owner.id),
                json!({ "role": "admin" }),
            )
            .await;
        assert_eq!(alone.refused(), (409, "last_owner"));
        let again = door
            .by(
                owner,
                &format!("PATCH /members/{}", other.id),
                json!({ "role": "owner" }),
            )
            .await;
        assert_eq!(again.status, 200);
    }
}

#[tokio::test]
async fn two_who_accept_at_once_do_not_make_three_guardians() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let bob = door.someone("bob").await;
    let eve = door.someone("eve").await;
    door.found(&mut ann, "family").await;
    let for_bob = door.invite(&ann, &bob.email, "guardian").await;
    let for_eve = door.invite(&ann, &eve.email, "guardian").await;
    let (by_bob, by_eve) = join(
        door.by(&bob, "POST /invitations/accept", for_bob.clone()),
        door.by(&eve, "POST /invitations/accept", for_eve.clone()),
    )
    .await;
    let (mut second, heard, late, token) = if by_bob.status == 200 {
        (bob, by_bob, (eve, by_eve), for_eve)
    } else {
        (eve, by_eve, (bob, by_bob), for_bob)
    };
    assert_eq!(
        (heard.status, late.1.refused()),
        (200, (409, "two_guardians"))
    );
    second.renewed(&heard);
    let body = json!({ "email": "mia@example.test", "role": "guardian" });
    let third = door.by(&ann, "POST /invitations", body).await;
    assert_eq!(third.refused(), (409, "two_guardians"));

    // the seat that is given up is the other's, by the link that was not used up
    let left = door
        .by(
            &second,
            &format!("DELETE /members/{}", second.id),
            Value::Null,
        )
        .await;
    assert_eq!(left.status, 204);
    let heard = door.by(&late.0, "POST /invitations/accept", token).await;
    assert_eq!(heard.status, 200);
    let seats = "select string_agg(guardian_seat::text, ',' order by guardian_seat) from identity.membership
        where role = 'guardian'";
    assert_eq!(door.scalar(seats).await.as_deref(), Some("1,2"));
}

#[tokio::test]
async fn whatever_acts_for_a_removed_member_is_refused_at_once() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let mut bob = door.someone("bob").await;
    door.found(&mut ann, "team").await;
    let at_home = door.sign_in(&bob.email).await;
    door.join(&ann, &mut bob, "admin").await;
    let key = door
        .by(&bob, "POST /keys", json!({ "name": "Bob's" }))
        .await
        .body["secret"]
        .clone();
    let by_key = ("x-api-key", key.as_str().unwrap());
    assert_eq!(
        door.ask(Some(by_key), "GET /auth/me", Value::Null)
            .await
            .status,
        200
    );
    let ann_key = door
        .by(&ann, "POST /keys", json!({ "name": "Ann's" }))
        .await
        .body["secret"]
        .clone();
    let client = json!({ "email": bob.email, "password": PASSWORD });
    let client = door.ask(None, "POST /auth/token", client).await.body;
    let bearer = format!("Bearer {}", client["access_token"].as_str().unwrap());
    let by_client = ("authorization", bearer.as_str());
    let acts_for = door.ask(Some(by_client), "GET /auth/me", Value::Null).await;
    assert_eq!(acts_for.body["tenant"]["kind"], "team");
    let pass = door.pass(&bob).await;
    assert_eq!(door.infer(&pass).await, 200);

    let gone = door
        .by(&ann, &format!("DELETE /members/{}", bob.id), Value::Null)
        .await;
    assert_eq!(gone.status, 204);
    assert!(gone.cookies.is_empty());
    assert_eq!(door.read(&bob, "/auth/me").await.status, 401);
    assert_eq!(
        door.ask(Some(by_key), "GET /auth/me", Value::Null)
            .await
            .status,
        401
    );
    assert_eq!(
        door.ask(Some(by_client), "GET /auth/me", Value::Null)
            .await
            .status,
        401
    );
    let refresh = json!({ "refresh_token": client["refresh_token"] });
    let refreshed = door.ask(None, "POST /auth/token/refresh", refresh).await;
    assert_eq!(refreshed.status, 401, "{refreshed:?}");
    assert_eq!(door.infer(&pass).await, 401, "nor by a pass to the models");
    let by_key = ("x-api-key", ann_key.as_str().unwrap());
    assert_eq!(
        door.ask(Some(by_key), "GET /auth/me", Value::Null)
            .await
            .status,
        200
    );
    assert_eq!(
        door.read(&at_home, "/auth/me").await.status,
        200,
        "what acts for their own tenant goes on"
    );
    let published = "select count(*)::text from identity.revocation r
        where r.subject in (select id from identity.api_key where revoked_at is not null)
           or r.subject in (select id from identity.session where revoked_at is not null and tenant_id =
               (select id from identity.tenant where kind = 'team') and user_id = (select user_id from identity.membership
                    where role = 'owner' and user_id in (select id from identity.app_user where display_name = 'bob')))";
    assert_eq!(
        door.scalar(published).await.as_deref(),
        Some("2"),
        "every node hears of it"
    );
    let again = door.sign_in(&bob.email).await;
    let me = door.read(&again, "/auth/me").await.body;
    assert_eq!(me["tenant"]["kind"], "person");
}

#[tokio::test]
async fn who_leaves_goes_on_for_themselves_and_the_last_owner_stays() {
    let door = Door::open().await;
    let mut ann = door.someone("ann").await;
    let mut bob = door.someone("bob").await;
    let alone = door
        .by(&ann, &format!("DELETE /members/{}", ann.id), Value::Null)
        .await;
    assert_eq!(
        alone.refused(),
        (409, "last_owner"),
        "nobody leaves their own tenant"
    );
    door.found(&mut ann, "team").await;
    door.join(&ann, &mut bob, "member").await;
    let last = door
        .by(&ann, &format!("DELETE /members/{}", ann.id), Value::Null)
        .await;
    assert_eq!(last.refused(), (409, "last_owner"));
    let left = door
        .by(&bob, &format!("DELETE /members/{}", bob.id), Value::Null)
        .await;
    assert_eq!(left.status, 204);
    assert_eq!(door.read(&bob, "/auth/me").await.status, 401);
    bob.renewed(&left);
    let me = door.read(&bob, "/auth/me").await.body;
    assert_eq!(me["tenant"]["kind"], "person");
    assert_eq!(me["tenants"].as_array().unwrap().len(), 1);
}

/// A stage with one of each: a team with owner, admin, member and a key, a family with guardian and child.
struct Cast {
    owner: Who,
    guardian: Who,
    /// In the order of the matrix's columns.
    credentials: Vec<Option<(&'static str, String)>>,
    child: String,
}

async fn cast(door: &Door, prefix: &str) -> Cast {
    let name = |role: &str| format!("{prefix}{role}");
    let mut owner = door.someone(&name("owner")).await;
    let mut admin = door.someone(&name("admin")).await;
    let mut member = door.someone(&name("member")).await;
    let mut guardian = door.someone(&name("guardian")).await;
    door.found(&mut owner, "team").await;
    door.join(&owner, &mut admin, "admin").await;
    door.join(&owner, &mut member, "member").await;
    let key = json!({ "name": "Reader", "scopes": ["members.read", "keys.manage", "usage.read"] });
    let key = door.by(&owner, "POST /keys", key).await.body["secret"].clone();
    door.found(&mut guardian, "family").await;
    let child = door.add_child(&guardian, "Hanako").await;
    assert_eq!(child.status, 201, "{child:?}");
    let code = door.read(&guardian, "/family").await.body["code"].clone();
    let pin = json!({ "family": code, "name": "hanako", "pin": "402915" });
    let inside = door.ask(None, "POST /auth/login/child", pin).await;
    let guest = door.ask(None, "POST /auth/guest", Value::Null).await;
    let cookie = |cookie: &str| Some(("cookie", cookie.to_owned()));
    Cast {
        credentials: vec![
            None,
            cookie(&guest.cookies[0]),
            cookie(&owner.cookie),
            cookie(&admin.cookie),
            cookie(&member.cookie),
            cookie(&guardian.cookie),
            cookie(&inside.cookies[0]),
            Some(("x-api-key", key.as_str().unwrap().to_owned())),
        ],
        owner,
        guardian,
        child: child.body["user"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn every_role_may_what_the_table_says_and_nothing_else() {
    let door = Door::open().await;
    let cast = cast(&door, "a").await;
    let token = json!({ "token": "x".repeat(43) });
    let nowhere = json!({ "tenant": NOWHERE });
    let role = json!({ "role": "member" });
    // who may is told by an answer about the object (404, 410) or the body (422), which are made up
    let table: [(String, Value, [u16; 8]); 16] = [
        // route, body                                            nobody guest owner admin member guardian child key
        (
            "GET /tenants".into(),
            json!({}),
            [401, 403, 200, 200, 200, 200, 403, 403],
        ),
        (
            "POST /tenants".into(),
            json!({}),
            [401, 403, 422, 422, 422, 422, 403, 403],
        ),
        (
            "PATCH /tenants/current".into(),
            json!({}),
            [401, 403, 422, 403, 403, 422, 403, 403],
        ),
        (
            "POST /auth/tenant".into(),
            nowhere,
            [401, 403, 404, 404, 404, 404, 404, 401],
        ),
        (
            "GET /members".into(),
            json!({}),
            [401, 403, 200, 200, 200, 200, 200, 200],
        ),
        (
            format!("PATCH /members/{NOBODY}"),
            role,
            [401, 403, 404, 404, 403, 404, 403, 403],
        ),
        (
            format!("DELETE /members/{NOBODY}"),
            json!({}),
            [401, 403, 404, 404, 403, 404, 403, 403],
        ),
        (
            "GET /invitations".into(),
            json!({}),
            [401, 403, 200, 200, 403, 200, 403, 403],
        ),
        (
            "POST /invitations".into(),
            json!({}),
            [401, 403, 422, 422, 403, 422, 403, 403],
        ),
        (
            format!("DELETE /invitations/{NOTHING}"),
            json!({}),
            [401, 403, 404, 404, 403, 404, 403, 403],
        ),
        (
            "POST /invitations/accept".into(),
            token,
            [401, 403, 410, 410, 410, 410, 403, 401],
        ),
        (
            "GET /family".into(),
            json!({}),
            [401, 403, 404, 404, 404, 200, 200, 404],
        ),
        (
            "POST /family/children".into(),
            json!({}),
            [401, 403, 403, 403, 403, 422, 403, 403],
        ),
        (
            format!("PATCH /family/children/{NOBODY}"),
            json!({}),
            [401, 403, 403, 403, 403, 404, 403, 403],
        ),
        (
            format!("DELETE /family/children/{NOBODY}"),
            json!({}),
            [401, 403, 403, 403, 403, 404, 403, 403],
        ),
        (
            format!("POST /family/children/{NOBODY}/enter"),
            json!({}),
            [401, 403, 403, 403, 403, 404, 403, 401],
        ),
    ];
    for (route, body, expected) in table {
        let mut heard = Vec::new();
        for by in &cast.credentials {
            let by = by.as_ref().map(|(name, value)| (*name, value.as_str()));
            heard.push(door.ask(by, &route, body.clone()).await.status);
        }
        assert_eq!(heard, expected, "{route}");
    }
}

#[tokio::test]
async fn what_belongs_to_another_tenant_is_as_if_it_were_not_there() {
    let door = Door::open().await;
    let a = cast(&door, "a").await;
    let b = cast(&door, "b").await;
    door.invite(&b.owner, "mia@example.test", "member").await;
    let invitation = door.read(&b.owner, "/invitations").await.body["items"][0]["id"].clone();
    let invitation = invitation.as_str().unwrap();
    let mut told = Vec::new();
    for (who, method, path, theirs, random) in [
        (
            &a.owner,
            "PATCH",
            "/members/ID",
            b.owner.id.as_str(),
            NOBODY,
        ),
        (&a.owner, "DELETE", "/members/ID", &b.owner.id, NOBODY),
        (&a.owner, "DELETE", "/invitations/ID", invitation, NOTHING),
        (&a.guardian, "DELETE", "/members/ID", &b.child, NOBODY),
        (
            &a.guardian,
            "PATCH",
            "/family/children/ID",
            &b.child,
            NOBODY,
        ),
        (
            &a.guardian,
            "DELETE",
            "/family/children/ID",
            &b.child,
            NOBODY,
        ),
        (
            &a.guardian,
            "POST",
            "/family/children/ID/enter",
            &b.child,
            NOBODY,
        ),
    ] {
        let ask = async |id: &str| {
            let route = format!("{method} {}", path.replace("ID", id));
            let mut heard = door.by(who, &route, json!({ "role": "member" })).await;
            let object = heard.body.as_object_mut().unwrap();
            object.remove("request_id");
            object.remove("instance");
            (heard.status, heard.body)
        };
        let about_theirs = ask(theirs).await;
        assert_eq!(about_theirs, ask(random).await, "{method} {path}");
        told.push(about_theirs.0);
    }
    assert!(told.iter().all(|status| *status == 404), "{told:?}");
    let family = door.read(&b.guardian, "/family").await.body;
    assert_eq!(family["children"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn changes_of_roles_and_children_ask_for_a_recent_proof() {
    let door = Door::open().await;
    let a = cast(&door, "a").await;
    door.test.time.advance(Duration::minutes(15));
    for (who, route, body) in [
        (
            &a.owner,
            format!("PATCH /members/{}", a.owner.id),
            json!({ "role": "owner" }),
        ),
        (&a.guardian, "POST /family/children".to_owned(), json!({})),
        (
            &a.guardian,
            format!("PATCH /family/children/{}", a.child),
            json!({}),
        ),
        (
            &a.guardian,
            format!("DELETE /family/children/{}", a.child),
            json!({}),
        ),
        (
            &a.guardian,
            format!("DELETE /members/{}", a.child),
            json!({}),
        ),
    ] {
        let heard = door.by(who, &route, body).await;
        assert_eq!(heard.refused(), (403, "step_up_required"), "{route}");
    }
}

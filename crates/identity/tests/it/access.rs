//! Tokens of API clients, on a real server through the room's own routes.

#![expect(
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use identity::{Config, Identity, NewUser, RequestMeta};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::Lang;
use serde_json::{Value, json};
use testkit::TestCtx;
use tower::ServiceExt;

pub(crate) const ACCOUNT_URL: &str = "https://noren.example";
pub(crate) const EMAIL: &str = "someone@example.test";
const PASSWORD: &str = "correct horse battery";

/// A house with its routes.
pub(crate) struct House {
    pub(crate) test: TestCtx,
    pub(crate) room: Identity,
    app: Router,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap().to_owned()
    }

    /// The cookies to send back.
    pub(crate) fn cookies(&self) -> String {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs: Vec<&str> = set
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
            .collect();
        pairs.join("; ")
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        let vault = seal::Vault::of_keys(&seal::new_key().unwrap()).unwrap();
        Self::open_with(Config {
            vault,
            ..Config::at(ACCOUNT_URL)
        })
        .await
    }

    pub(crate) async fn open_with(config: Config) -> Self {
        let test = testkit::context().await;
        let room = Identity::open(test.cx.clone(), config).await.unwrap();
        let app = app(&room);
        Self { test, room, app }
    }

    /// Someone whose address the operator vouches for.
    pub(crate) async fn someone(&self) -> identity::Principal {
        let new = NewUser {
            email: EMAIL.to_owned(),
            password: PASSWORD.to_owned().into(),
            display_name: Some("だれか".to_owned()),
            locale: Lang::Ja,
        };
        let meta = RequestMeta::of_the_house("req_test");
        identity::add_user(&self.room, new, false, &meta)
            .await
            .unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.app, request).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_from(path, "", body).await
    }

    pub(crate) async fn post_from(&self, path: &str, cookies: &str, body: Value) -> Answer {
        self.send(post(path, cookies, &body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn get_from(&self, path: &str, cookies: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, cookies);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// With a bearer token.
    pub(crate) async fn with(&self, token: &str, method: &str, path: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty());
        self.send(request.unwrap()).await
    }

    pub(crate) async fn sign_in(&self) -> Answer {
        let answer = self.post("/auth/login", credentials()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn tokens(&self) -> Answer {
        let answer = self.post("/auth/token", credentials()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.post("/auth/token/refresh", body).await
    }

    /// Whether an access token lets somebody in.
    pub(crate) async fn lets_in(&self, token: &str) -> bool {
        let answer = self.with(token, "GET", "/auth/me").await;
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        answer.status == 200
    }

    /// The newest lines of the audit log.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let mut owner = self.test.database.owner().await;
        sqlx::query_scalar("select action from identity.audit order by at desc, id desc")
            .fetch_all(&mut owner)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        let mut owner = self.test.database.owner().await;
        sqlx::query_scalar(query)
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }

    /// The house's own key, for forging.
    pub(crate) async fn signing_key(&self) -> (String, EncodingKey) {
        let mut owner = self.test.database.owner().await;
        let (kid, secret): (String, Vec<u8>) = sqlx::query_as(
            "select kid, secret from identity.issuer_key order by created_at desc limit 1",
        )
        .fetch_one(&mut owner)
        .await
        .unwrap();
        (kid, EncodingKey::from_ec_der(&secret))
    }
}

/// A node's routes.
fn app(room: &Identity) -> Router {
    let routes = identity::router().with_state(room.clone());
    api::wrap(routes.split_for_parts().0, room.cx.ids.clone())
}

async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1_000_000).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

fn post(path: &str, cookies: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, cookies)
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn credentials() -> Value {
    json!({ "email": EMAIL, "password": PASSWORD })
}

pub(crate) fn claims_of(token: &str) -> Value {
    part(token, 1)
}

pub(crate) fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A token whose header and payload are as given, with a signature or none.
pub(crate) fn assemble(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

#[tokio::test]
async fn a_password_gives_a_client_tokens_that_are_the_user() {
    let house = House::open().await;
    let someone = house.someone().await;
    let answer = house.tokens().await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 300);
    assert!(answer.text("scope").contains("keys.manage"));
    let access = answer.text("access_token");
    let (header, claims) = (part(&access, 0), claims_of(&access));
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("ES256"), &json!("at+jwt"))
    );
    for (claim, value) in [
        ("iss", json!(ACCOUNT_URL)),
        ("aud", json!("noren")),
        ("sub", json!(someone.user.unwrap())),
        ("tid", json!(someone.tenant)),
        ("amr", json!(["pwd"])),
    ] {
        assert_eq!(claims[claim], value, "{claim}");
    }
    let me = house.with(&access, "GET", "/auth/me").await;
    assert_eq!((me.status, &me.body["user"]["email"]), (200, &json!(EMAIL)));
    let sessions = house.with(&access, "GET", "/auth/sessions").await;
    let own = &sessions.body["items"][0];
    assert_eq!(
        (&own["kind"], &own["current"]),
        (&json!("api"), &json!(true))
    );

    let wrong = json!({ "email": EMAIL, "password": "wrong horse battery" });
    let wrong = house.post("/auth/token", wrong).await;
    assert_eq!(
        (wrong.status, wrong.text("code").as_str()),
        (401, "wrong_credentials")
    );
    house.test.time.advance(Duration::minutes(5));
    assert!(!house.lets_in(&access).await, "its five minutes are over");
    let next = house.refresh(&answer.text("refresh_token")).await;
    assert!(house.lets_in(&next.text("access_token")).await);
}

#[tokio::test]
async fn guesses_at_the_token_route_are_counted_with_those_of_the_sign_in_page() {
    let house = House::open().await;
    house.someone().await;
    let guess = json!({ "email": EMAIL, "password": "wrong horse battery" });
    for path in ["/auth/token", "/auth/login"].iter().cycle().take(10) {
        assert_eq!(house.post(path, guess.clone()).await.status, 401);
    }
    let answer = house.post("/auth/token", credentials()).await;
    assert_eq!(
        (answer.status, answer.text("code").as_str()),
        (429, "too_many_attempts")
    );
}

#[tokio::test]
async fn an_account_with_a_second_factor_asks_clients_for_it_too() {
    let house = House::open().await;
    house.someone().await;
    let cookies = house.sign_in().await.cookies();
    let setup = house
        .post_from("/auth/factors/totp", &cookies, json!({}))
        .await;
    let secret = totp_rs::Secret::try_from_base32(setup.text("secret")).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = || {
        let seconds = u64::try_from(house.test.cx.clock.now().timestamp()).unwrap();
        json!(totp.generate(seconds).to_string())
    };
    let confirmed = json!({ "code": code() });
    let confirmed = house
        .post_from("/auth/factors/totp/confirm", &cookies, confirmed)
        .await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");

    let ask = |code: Value| {
        let mut body = credentials();
        body["code"] = code;
        house.post("/auth/token", body)
    };
    for wrong in [Value::Null, json!("000000")] {
        let answer = ask(wrong).await;
        assert_eq!(
            (answer.status, answer.text("code").as_str()),
            (401, "wrong_code")
        );
    }
    house.test.time.advance(Duration::seconds(30));
    let used = code();
    let answer = ask(used.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        claims_of(&answer.text("access_token"))["amr"],
        json!(["pwd", "otp"])
    );
    assert_eq!(ask(used).await.status, 401, "a code counts once");
}

#[tokio::test]
async fn of_twenty_uses_at_once_one_succeeds_and_a_later_one_ends_the_family() {
    let house = House::open().await;
    house.someone().await;
    let first = house.tokens().await;
    let token = first.text("refresh_token");
    let uses = futures::future::join_all((0..20).map(|_| house.refresh(&token))).await;
    let (good, refused): (Vec<_>, Vec<_>) = uses.iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), refused.len()), (1, 19));
    assert!(refused.iter().all(|answer| answer.status == 401));
    let next = good[0];
    assert!(
        house.lets_in(&next.text("access_token")).await,
        "the one that won goes on"
    );

    house.test.time.advance(Duration::seconds(10));
    assert_eq!(house.refresh(&token).await.status, 401);
    assert!(
        !house.lets_in(&next.text("access_token")).await,
        "now the family has ended"
    );
    assert!(!house.lets_in(&first.text("access_token")).await);
    assert_eq!(house.refresh(&next.text("refresh_token")).await.status, 401);
    assert!(house.actions().await.contains(&"token.reuse".to_owned()));
    assert!(
        house.tokens().await.status == 200,
        "the user signs in again"
    );
}

#[tokio::test]
async fn a_used_token_ends_the_family_at_once_when_the_one_after_it_was_used_too() {
    let house = House::open().await;
    house.someone().await;
    let first = house.tokens().await.text("refresh_token");
    let second = house.refresh(&first).await.text("refresh_token");
    house.test.time.advance(Duration::seconds(1));
    let third = house.refresh(&second).await.text("refresh_token");
    house.test.time.advance(Duration::seconds(1));
    assert_eq!(house.refresh(&first).await.status, 401);
    assert_eq!(
        house.refresh(&third).await.status,
        401,
        "somebody else held the first"
    );
}

#[tokio::test]
async fn a_client_is_signed_out_by_its_user_and_with_the_membership() {
    let house = House::open().await;
    let someone = house.someone().await;
    let (one, other) = (house.tokens().await, house.tokens().await);
    let access = one.text("access_token");
    let family = claims_of(&access)["sid"].as_str().unwrap().to_owned();
    let session = family.replace("fam_", "ses_");
    let path = format!("/auth/sessions/{session}");
    let ended = house
        .with(&other.text("access_token"), "DELETE", &path)
        .await;
    assert_eq!(ended.status, 204);
    assert!(!house.lets_in(&access).await);
    assert_eq!(house.refresh(&one.text("refresh_token")).await.status, 401);

    assert!(house.lets_in(&other.text("access_token")).await);
    let mut owner = house.test.database.owner().await;
    sqlx::query("delete from identity.membership where user_id = $1")
        .bind(someone.user.unwrap().0)
        .execute(&mut owner)
        .await
        .unwrap();
    assert!(
        !house.lets_in(&other.text("access_token")).await,
        "no member any more"
    );
    assert_eq!(
        house.refresh(&other.text("refresh_token")).await.status,
        401
    );
}

#[tokio::test]
async fn a_new_password_signs_out_every_client() {
    let house = House::open().await;
    house.someone().await;
    let client = house.tokens().await;
    let cookies = house.sign_in().await.cookies();
    let body = json!({ "password": "another horse battery" });
    let changed = house.post_from("/auth/password", &cookies, body).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert!(!house.lets_in(&client.text("access_token")).await);
    let refreshed = house.refresh(&client.text("refresh_token")).await;
    assert_eq!(refreshed.status, 401);
}

#[tokio::test]
async fn a_family_ends_after_thirty_days_of_rest_and_after_ninety_in_any_case() {
    let house = House::open().await;
    house.someone().await;
    let mut token = house.tokens().await.text("refresh_token");
    for _ in 0..4 {
        house.test.time.advance(Duration::days(22));
        token = house.refresh(&token).await.text("refresh_token");
    }
    house.test.time.advance(Duration::days(2));
    assert_eq!(house.refresh(&token).await.status, 401, "ninety days");
    let rested = house.tokens().await.text("refresh_token");
    house.test.time.advance(Duration::days(30));
    assert_eq!(house.refresh(&rested).await.status, 401, "thirty days");
}

#[tokio::test]
async fn the_newest_key_signs_the_one_before_is_still_good_and_older_ones_are_not() {
    let house = House::open().await;
    house.someone().await;
    let old = house.tokens().await.text("access_token");
    let meta = RequestMeta::of_the_house("req_test");
    let another = Identity::open(house.test.cx.clone(), Config::at(ACCOUNT_URL))
        .await
        .unwrap();
    house.test.time.advance(Duration::seconds(1));
    let kid = identity::rotate_issuer_key(&another, &meta).await.unwrap();
    let new = send(&app(&another), post("/auth/token", "", &credentials())).await;
    let new = new.text("access_token");
    assert_eq!(part(&new, 0)["kid"], json!(kid));
    assert!(
        house.lets_in(&new).await,
        "a node that did not know the key looks it up"
    );
    assert!(house.lets_in(&old).await);
    let kids = |jwks: &Answer| jwks.body["keys"].as_array().unwrap().len();
    let jwks = house.get("/.well-known/jwks.json").await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
    assert_eq!(kids(&jwks), 2);
    assert!(jwks.body["keys"][0].get("d").is_none(), "no secret part");

    house.test.time.advance(Duration::seconds(1));
    identity::rotate_issuer_key(&house.room, &meta)
        .await
        .unwrap();
    assert!(house.lets_in(&new).await);
    assert!(!house.lets_in(&old).await, "two rotations get rid of a key");
    assert_eq!(kids(&house.get("/.well-known/jwks.json").await), 2);
}

#[tokio::test]
async fn nodes_that_start_together_make_one_key() {
    let test = testkit::context().await;
    let open = || Identity::open(test.cx.clone(), Config::at(ACCOUNT_URL));
    futures::future::try_join_all((0..5).map(|_| open()))
        .await
        .unwrap();
    let mut owner = test.database.owner().await;
    let keys: i64 = sqlx::query_scalar("select count(*) from identity.issuer_key")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(keys, 1);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of forgeries")]
async fn no_forged_access_token_lets_anyone_in() {
    let house = House::open().await;
    house.someone().await;
    let good = house.tokens().await.text("access_token");
    let (kid, own) = house.signing_key().await;
    let (header, claims) = (part(&good, 0), claims_of(&good));
    let now = house.test.cx.clock.now().timestamp();
    let sign = |header: &Header, claims: &Value, key: &EncodingKey| {
        jsonwebtoken::encode(header, claims, key).unwrap()
    };
    let ours = || Header {
        typ: Some("at+jwt".into()),
        kid: Some(kid.clone()),
        ..Header::new(Algorithm::ES256)
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    assert!(
        house.lets_in(&sign(&ours(), &claims, &own)).await,
        "the forger's tools work"
    );

    let jwks = house.get("/.well-known/jwks.json").await.body;
    let public = jwks["keys"][0].to_string();
    let (_, foreign) = House::open().await.signing_key().await;
    let hs = |alg| Header { alg, ..ours() };
    let parts: Vec<&str> = good.split('.').collect();
    let tampered = {
        let other = with("sub", json!("usr_00000000000000000000000000000001"));
        let payload = URL_SAFE_NO_PAD.encode(other.to_string());
        format!("{}.{payload}.{}", parts[0], parts[2])
    };
    let none = |alg: &str| {
        let mut header = header.clone();
        header["alg"] = json!(alg);
        header
    };
    let forged = [
        ("alg none", assemble(&none("none"), &claims, "")),
        ("alg nOnE", assemble(&none("nOnE"), &claims, "")),
        (
            "alg none, signed",
            assemble(&none("none"), &claims, parts[2]),
        ),
        (
            "no alg",
            assemble(&json!({ "typ": "at+jwt", "kid": kid }), &claims, parts[2]),
        ),
        (
            "HS256 with the public key",
            sign(
                &hs(Algorithm::HS256),
                &claims,
                &EncodingKey::from_secret(public.as_bytes()),
            ),
        ),
        (
            "HS256 with the key's id",
            sign(
                &hs(Algorithm::HS256),
                &claims,
                &EncodingKey::from_secret(kid.as_bytes()),
            ),
        ),
        ("ES384 named", assemble(&none("ES384"), &claims, parts[2])),
        ("RS256 named", assemble(&none("RS256"), &claims, parts[2])),
        (
            "a foreign key under our id",
            sign(&ours(), &claims, &foreign),
        ),
        (
            "a foreign id",
            sign(
                &Header {
                    kid: Some("x".into()),
                    ..ours()
                },
                &claims,
                &own,
            ),
        ),
        (
            "no id",
            sign(
                &Header {
                    kid: None,
                    ..ours()
                },
                &claims,
                &own,
            ),
        ),
        (
            "an ID token's type",
            sign(
                &Header {
                    typ: Some("JWT".into()),
                    ..ours()
                },
                &claims,
                &own,
            ),
        ),
        (
            "no type",
            sign(
                &Header {
                    typ: None,
                    ..ours()
                },
                &claims,
                &own,
            ),
        ),
        (
            "a critical header",
            sign(
                &Header {
                    crit: Some(vec!["b64".into()]),
                    ..ours()
                },
                &claims,
                &own,
            ),
        ),
        (
            "another issuer",
            sign(&ours(), &with("iss", json!("https://evil.example")), &own),
        ),
        (
            "the issuer with a slash",
            sign(
                &ours(),
                &with("iss", json!(format!("{ACCOUNT_URL}/"))),
                &own,
            ),
        ),
        (
            "another audience",
            sign(&ours(), &with("aud", json!("inference")), &own),
        ),
        ("no audience", sign(&ours(), &without("aud"), &own)),
        ("expired", sign(&ours(), &with("exp", json!(now)), &own)),
        (
            "for ever",
            sign(&ours(), &with("exp", json!(now + 86_400)), &own),
        ),
        ("no end", sign(&ours(), &without("exp"), &own)),
        (
            "from the future",
            sign(&ours(), &with("iat", json!(now + 3600)), &own),
        ),
        (
            "an unknown user",
            sign(
                &ours(),
                &with("sub", json!("usr_00000000000000000000000000000001")),
                &own,
            ),
        ),
        (
            "another tenant",
            sign(
                &ours(),
                &with("tid", json!("tnt_00000000000000000000000000000001")),
                &own,
            ),
        ),
        ("no user", sign(&ours(), &without("sub"), &own)),
        ("a changed payload", tampered),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("a longer signature", format!("{good}x")),
        ("nothing", String::new()),
        ("no token", "x.y.z".to_owned()),
    ];
    for (what, token) in forged {
        assert!(!house.lets_in(&token).await, "{what}: {token}");
    }
    assert!(house.lets_in(&good).await);
}

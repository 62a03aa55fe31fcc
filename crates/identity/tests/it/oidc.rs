//! Signing in at an issuer outside, which stands on this machine and signs with keys of its own.

#![expect(
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the issuer that stands in answers in its own way"
)]

mod outside;

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use identity::{Config, IssuerConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use url::Url;

use self::outside::{CLIENT, Code, Key, Outside, SECRET};
use crate::access::{ACCOUNT_URL, Answer, EMAIL, House, assemble};

/// A trip that has begun: what the browser was sent away with.
struct Trip {
    cookie: String,
    query: HashMap<String, String>,
}

impl Trip {
    async fn begin(house: &House, cookie: &str) -> Self {
        let answer = house
            .get_from("/auth/oidc/outside?next=%2Faccount%3Fa%3Db", cookie)
            .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let url = Url::parse(answer.header("location")).unwrap();
        Self {
            cookie: answer.cookies(),
            query: url.query_pairs().into_owned().collect(),
        }
    }

    /// What the issuer answers once somebody has signed in there.
    fn answered(&self, outside: &Outside, key: &Key, mut claims: Value) -> Value {
        if claims["nonce"].is_null() {
            claims["nonce"] = json!(self.query["nonce"]);
        }
        let mut inner = outside.inner.lock().unwrap();
        let code = format!("code-{}", inner.codes.len() + inner.exchanges.len());
        inner.codes.insert(
            code.clone(),
            Code {
                challenge: self.query["code_challenge"].clone(),
                id_token: key.sign(&claims),
            },
        );
        json!({ "code": code, "state": self.query["state"] })
    }
}

async fn come_in(house: &House, outside: &Outside, key: &Key, sub: &str) -> Answer {
    let trip = Trip::begin(house, "").await;
    let body = trip.answered(outside, key, outside.claims(house, sub));
    house.post_from("/auth/callback", &trip.cookie, body).await
}

async fn bring(house: &House, id_token: &str) -> Answer {
    house
        .post("/auth/callback", json!({ "id_token": id_token }))
        .await
}

fn refused(answer: &Answer) -> bool {
    answer.status == 401 && answer.body["code"] == "issuer_refused"
}

#[tokio::test]
async fn a_trip_to_the_issuer_signs_in_and_makes_the_account_once() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    assert_eq!(
        outside.counts(),
        (0, 0),
        "nothing is asked before somebody comes"
    );
    let buttons = house.get("/auth/issuers").await;
    assert_eq!(
        buttons.body,
        json!({ "items": [{ "id": "outside", "name": "外の門" }] })
    );

    let sent = house.get("/auth/oidc/outside?next=%2Faccount").await;
    let (to, cookie) = (sent.header("location"), sent.header("set-cookie"));
    assert!(
        to.starts_with(&format!(
            "{}/authorize?tenant=1&response_type=code",
            outside.url
        )),
        "{to}"
    );
    assert!(
        cookie.starts_with("__Host-noren_trip=") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    assert_eq!(sent.header("cache-control"), "no-store");
    let trip = Trip::begin(&house, "").await;
    for (name, value) in [
        ("client_id", CLIENT),
        ("redirect_uri", "https://noren.example/auth/callback"),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(trip.query[name], value);
    }

    let arrived = come_in(&house, &outside, &key, "sub-1").await;
    assert_eq!(
        (arrived.status, &arrived.body["next"]),
        (200, &json!("/account?a=b")),
        "{arrived:?}"
    );
    let user = &arrived.body["user"];
    assert_eq!(
        (&user["email"], &user["email_verified"]),
        (&json!("guest@outside.test"), &json!(true))
    );
    assert_eq!(
        (&user["display_name"], &user["locale"]),
        (&json!("外の人"), &json!("en"))
    );
    let me = house.get_from("/auth/me", &arrived.cookies()).await;
    assert_eq!((me.status, &me.body["user"]["id"]), (200, &user["id"]));
    let again = come_in(&house, &outside, &key, "sub-1").await;
    assert_eq!(again.body["user"]["id"], user["id"]);
    assert_eq!(
        outside.counts(),
        (1, 1),
        "what the issuer says is remembered"
    );
    house.test.time.advance(Duration::hours(1));
    come_in(&house, &outside, &key, "sub-1").await;
    assert_eq!(outside.counts(), (2, 2), "and read anew");
    assert!(house.actions().await.contains(&"user.register".to_owned()));
}

#[tokio::test]
async fn twenty_tabs_that_come_back_at_once_make_one_user() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    let first = Trip::begin(&house, "").await;
    let mut bodies = vec![first.answered(&outside, &key, outside.claims(&house, "sub-1"))];
    for _ in 1..20 {
        let tab = Trip::begin(&house, &first.cookie).await;
        assert_eq!(tab.cookie, first.cookie, "tabs share the browser's cookie");
        bodies.push(tab.answered(&outside, &key, outside.claims(&house, "sub-1")));
    }
    let answers = bodies
        .into_iter()
        .map(|body| house.post_from("/auth/callback", &first.cookie, body));
    let answers = futures::future::join_all(answers).await;
    let users: std::collections::HashSet<String> = answers
        .iter()
        .map(|answer| {
            answer.body["user"]["id"]
                .as_str()
                .unwrap_or("none")
                .to_owned()
        })
        .collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(users.len(), 1);
    for (table, query) in [
        ("users", "select count(*) from identity.app_user"),
        ("tenants", "select count(*) from identity.tenant"),
        ("subjects", "select count(*) from identity.subject"),
    ] {
        assert_eq!(house.count(query).await, 1, "{table}");
    }
}

#[tokio::test]
async fn a_trip_ends_once_and_in_the_browser_where_it_began() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    let claims = outside.claims(&house, "sub-1");
    let trip = Trip::begin(&house, "").await;
    let body = trip.answered(&outside, &key, claims.clone());
    let other = Trip::begin(&house, "").await;
    for cookie in ["", other.cookie.as_str(), "__Host-noren_trip=x"] {
        assert!(
            refused(
                &house
                    .post_from("/auth/callback", cookie, body.clone())
                    .await
            ),
            "{cookie}"
        );
    }
    let mut elsewhere = body.clone();
    elsewhere["state"] = json!("x".repeat(43));
    assert!(refused(
        &house
            .post_from("/auth/callback", &trip.cookie, elsewhere)
            .await
    ));
    assert!(
        outside.inner.lock().unwrap().exchanges.is_empty(),
        "no code was shown to the issuer"
    );
    let good = house
        .post_from("/auth/callback", &trip.cookie, body.clone())
        .await;
    assert_eq!(good.status, 200, "another browser did not use it up");
    assert!(
        refused(&house.post_from("/auth/callback", &trip.cookie, body).await),
        "the state was used"
    );

    // a code of one trip with the state of another: the issuer sees that the verifier does not fit
    let (one, two) = (Trip::begin(&house, "").await, Trip::begin(&house, "").await);
    let mut mixed = one.answered(&outside, &key, claims.clone());
    mixed["state"] = json!(two.query["state"]);
    assert!(refused(
        &house.post_from("/auth/callback", &two.cookie, mixed).await
    ));

    let trip = Trip::begin(&house, "").await;
    let mut wrong_nonce = claims.clone();
    wrong_nonce["nonce"] = json!("another");
    let body = trip.answered(&outside, &key, wrong_nonce);
    assert!(
        refused(&house.post_from("/auth/callback", &trip.cookie, body).await),
        "nonce"
    );

    let trip = Trip::begin(&house, "").await;
    let mut body = trip.answered(&outside, &key, claims.clone());
    body["iss"] = json!("https://evil.example");
    assert!(
        refused(&house.post_from("/auth/callback", &trip.cookie, body).await),
        "another issuer's answer"
    );

    let trip = Trip::begin(&house, "").await;
    let body = trip.answered(&outside, &key, claims);
    house.test.time.advance(Duration::minutes(20));
    assert!(
        refused(&house.post_from("/auth/callback", &trip.cookie, body).await),
        "too late"
    );

    for (path, status) in [
        ("/auth/oidc/nowhere", 404),
        ("/auth/oidc/outside?next=//evil.example", 422),
        ("/auth/oidc/outside?next=https://evil.example", 422),
    ] {
        assert_eq!(house.get(path).await.status, status, "{path}");
    }
    for body in [
        json!({}),
        json!({ "code": "a" }),
        json!({ "code": "a", "state": "x".repeat(43), "id_token": "b" }),
    ] {
        assert_eq!(house.post("/auth/callback", body).await.status, 422);
    }
}

#[tokio::test]
async fn an_address_that_the_issuer_vouches_for_is_proven_linked_or_just_claimed() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    let someone = house.someone().await;
    let with = |sub: &str, email: &str, verified: bool| {
        let mut claims = outside.claims(&house, sub);
        claims["email"] = json!(email);
        claims["email_verified"] = json!(verified);
        key.sign(&claims)
    };
    let linked = bring(&house, &with("sub-1", " Someone@Example.test", true)).await;
    assert_eq!(
        linked.body["user"]["id"],
        json!(someone.user.unwrap()),
        "the account that proved it"
    );
    assert!(house.actions().await.contains(&"subject.link".to_owned()));
    let claimed = bring(&house, &with("sub-2", EMAIL, false)).await;
    assert_ne!(claimed.body["user"]["id"], json!(someone.user.unwrap()));
    assert_eq!(claimed.body["user"]["email_verified"], json!(false));
    let proven = bring(&house, &with("sub-3", "new@example.test", true)).await;
    assert_eq!(proven.body["user"]["email_verified"], json!(true));
    let odd = bring(&house, &with("sub-4", "no address", true)).await;
    assert_eq!(
        (odd.status, &odd.body["user"]["email"]),
        (200, &Value::Null)
    );

    let distrusted = outside
        .house_with(|issuer| issuer.trust_email = false)
        .await;
    let someone = distrusted.someone().await;
    let token = with("sub-1", EMAIL, true);
    let other = bring(&distrusted, &token).await;
    assert_ne!(
        other.body["user"]["id"],
        json!(someone.user.unwrap()),
        "nobody takes over an account"
    );
    assert_eq!(other.body["user"]["email_verified"], json!(false));
}

#[tokio::test]
async fn an_id_token_is_a_caller_once_its_user_has_come_in() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    let mut claims = outside.claims(&house, "sub-1");
    let token = key.sign(&claims);
    assert!(!house.lets_in(&token).await, "a stranger");
    let arrived = bring(&house, &token).await;
    assert_eq!((arrived.status, &arrived.body["next"]), (200, &Value::Null));
    let me = house.with(&token, "GET", "/auth/me").await;
    assert_eq!(me.body["user"]["id"], arrived.body["user"]["id"]);
    assert_eq!(me.body["tenant"]["role"], "owner");
    assert!(!me.body["stepped_up_until"].is_null());

    // a session at the issuer from this morning is no fresh proof here
    let now = house.test.cx.clock.now().timestamp();
    claims["auth_time"] = json!(now - 3600);
    let old = key.sign(&claims);
    let me = house.with(&old, "GET", "/auth/me").await;
    assert!(me.body["stepped_up_until"].is_null());
    assert!(bring(&house, &old).await.body["stepped_up_until"].is_null());
    let again = house.get("/auth/oidc/outside?again=true").await;
    assert!(again.header("location").contains("prompt=login&max_age=0"));

    house.test.time.advance(Duration::minutes(61));
    assert!(!house.lets_in(&token).await, "it has expired");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of forgeries")]
async fn no_forged_id_token_lets_anyone_in() {
    let (key, second) = (Key::ec("k1", 1), Key::ec("k2", 2));
    let rsa = Key::rsa("r1", Algorithm::RS256);
    let outside = Outside::start(&[&key, &second, &rsa]).await;
    let house = outside.house().await;
    house.someone().await;
    let claims = outside.claims(&house, "sub-1");
    let good = key.sign(&claims);
    assert_eq!(bring(&house, &good).await.status, 200);
    assert_eq!(
        bring(&house, &rsa.sign(&claims)).await.status,
        200,
        "RS256 is announced too"
    );
    let now = house.test.cx.clock.now().timestamp();

    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        key.sign(&claims)
    };
    let with_header = |change: &dyn Fn(&mut Header)| {
        let mut header = key.header();
        change(&mut header);
        jsonwebtoken::encode(&header, &claims, &key.sign).unwrap()
    };
    let shared = |secret: &[u8]| {
        let mut header = key.header();
        header.alg = Algorithm::HS256;
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let named = |alg: &str, kid: &str| json!({ "alg": alg, "typ": "JWT", "kid": kid });
    let parts: Vec<&str> = good.split('.').collect();
    let mut other = claims.clone();
    other["sub"] = json!("sub-2");
    let tampered = format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(other.to_string()),
        parts[2]
    );
    let foreign = Key::ec("k1", 9);
    let own = house
        .post(
            "/auth/token",
            json!({ "email": EMAIL, "password": "correct horse battery" }),
        )
        .await;
    let mut both = claims.clone();
    both["aud"] = json!([CLIENT, "other"]);
    let both = key.sign(&both);

    let forged = [
        ("alg none", assemble(&named("none", "k1"), &claims, "")),
        ("alg NONE", assemble(&named("NONE", "k1"), &claims, "")),
        (
            "alg none with a signature",
            assemble(&named("none", "k1"), &claims, parts[2]),
        ),
        (
            "HS256 with the EC key",
            shared(key.public["x"].as_str().unwrap().as_bytes()),
        ),
        (
            "HS256 with the RSA modulus",
            shared(rsa.public["n"].as_str().unwrap().as_bytes()),
        ),
        (
            "HS256 with the whole public key",
            shared(key.public.to_string().as_bytes()),
        ),
        ("HS256 with our secret", shared(SECRET.as_bytes())),
        (
            "RS256 named for an EC key",
            assemble(&named("RS256", "k1"), &claims, parts[2]),
        ),
        (
            "ES256 named for an RSA key",
            assemble(&named("ES256", "r1"), &claims, parts[2]),
        ),
        (
            "PS256 with a key for RS256",
            Key::rsa("r1", Algorithm::PS256).sign(&claims),
        ),
        (
            "RS512, which is not announced",
            assemble(&named("RS512", "r1"), &claims, parts[2]),
        ),
        ("a foreign key under its name", foreign.sign(&claims)),
        ("a foreign name", Key::ec("k9", 1).sign(&claims)),
        (
            "the other key's name",
            with_header(&|header| header.kid = Some("k2".into())),
        ),
        (
            "no name among several",
            with_header(&|header| header.kid = None),
        ),
        (
            "a key of its own in the header",
            with_header(&|header| {
                header.kid = Some("k9".into());
                header.jwk = serde_json::from_value(foreign.public.clone()).ok();
            }),
        ),
        (
            "an access token's type",
            with_header(&|header| header.typ = Some("at+jwt".into())),
        ),
        (
            "a critical header",
            with_header(&|header| header.crit = Some(vec!["b64".into()])),
        ),
        ("another issuer", with("iss", json!("https://evil.example"))),
        (
            "the issuer with a slash",
            with("iss", json!(format!("{}/", outside.url))),
        ),
        ("no issuer", without("iss")),
        ("another audience", with("aud", json!("other"))),
        ("no audience", without("aud")),
        ("no audience in a list", with("aud", json!([]))),
        ("many audiences and no party", both),
        ("another party", with("azp", json!("other"))),
        ("expired", with("exp", json!(now - 60))),
        ("no end", without("exp")),
        ("an end in words", with("exp", json!("tomorrow"))),
        ("from the future", with("iat", json!(now + 120))),
        ("no beginning", without("iat")),
        ("not good yet", with("nbf", json!(now + 120))),
        ("nobody", without("sub")),
        ("an empty name", with("sub", json!(""))),
        ("Cognito's access token", with("token_use", json!("access"))),
        ("our own access token", own.text("access_token")),
        ("a changed payload", tampered),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a longer signature", format!("{good}AA")),
        ("no token", "x".to_owned()),
    ];
    for (what, token) in forged {
        let answer = bring(&house, &token).await;
        assert!(refused(&answer), "{what}: {answer:?}");
        if what != "our own access token" {
            assert!(!house.lets_in(&token).await, "{what} as bearer");
        }
    }
    assert_eq!(
        house.count("select count(*) from identity.app_user").await,
        2
    );
}

#[tokio::test]
async fn tokens_of_cognito_and_of_every_announced_kind_are_taken() {
    let keys = [
        Key::ec("e", 1),
        Key::rsa("p", Algorithm::PS256),
        Key::ed("d"),
    ];
    let all: Vec<&Key> = keys.iter().collect();
    let outside = Outside::start(&all).await;
    let house = outside.house().await;
    for key in &keys {
        let mut claims = outside.claims(&house, "sub-1");
        claims["token_use"] = json!("id");
        claims["cognito:username"] = json!("x");
        claims.as_object_mut().unwrap().remove("email");
        let answer = bring(&house, &key.sign(&claims)).await;
        assert_eq!(
            (answer.status, &answer.body["user"]["email"]),
            (200, &Value::Null),
            "{}",
            key.kid
        );
    }
    // a single key needs no name, and an issuer that announces nothing signs with RS256
    outside.publish(&[&keys[0]]);
    let single = outside.house().await;
    let mut header = keys[0].header();
    header.kid = None;
    let claims = outside.claims(&single, "sub-1");
    let token = jsonwebtoken::encode(&header, &claims, &keys[0].sign).unwrap();
    assert_eq!(bring(&single, &token).await.status, 200);
    let silent = outside.house().await;
    outside.inner.lock().unwrap().says = json!({ "id_token_signing_alg_values_supported": null });
    assert!(refused(&bring(&silent, &token).await));
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_asked_for_once_however_many_bring_it() {
    let (old, new) = (Key::ec("k1", 1), Key::ec("k2", 2));
    let outside = Outside::start(&[&old]).await;
    let house = outside.house().await;
    let claims = outside.claims(&house, "sub-1");
    assert_eq!(bring(&house, &old.sign(&claims)).await.status, 200);
    assert_eq!(outside.counts(), (1, 1));

    outside.publish(&[&new]);
    let token = new.sign(&claims);
    let all = futures::future::join_all((0..20).map(|_| bring(&house, &token))).await;
    assert!(all.iter().all(|answer| answer.status == 200));
    assert_eq!(outside.counts(), (1, 2), "exactly one refresh");
    assert!(
        refused(&bring(&house, &old.sign(&claims)).await),
        "the old key is gone"
    );

    let invented = |n: usize| Key::ec(&format!("x{n}"), 3).sign(&claims);
    for n in 0..5 {
        assert!(refused(&bring(&house, &invented(n)).await));
    }
    assert_eq!(
        outside.counts(),
        (1, 2),
        "invented names are not asked for each time"
    );
    house.test.time.advance(Duration::seconds(10));
    assert!(refused(&bring(&house, &invented(9)).await));
    assert_eq!(outside.counts(), (1, 3), "but every ten seconds");
}

#[tokio::test]
async fn an_issuer_that_is_away_or_not_itself_lets_nobody_in() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    outside.inner.lock().unwrap().is_down = true;
    let away = house.get("/auth/oidc/outside").await;
    assert_eq!(
        (away.status, away.text("code").as_str()),
        (503, "issuer_unavailable")
    );
    house.get("/auth/oidc/outside").await;
    assert_eq!(outside.counts(), (1, 0), "it is left alone for a while");
    outside.inner.lock().unwrap().is_down = false;
    house.test.time.advance(Duration::seconds(5));
    let token = key.sign(&outside.claims(&house, "sub-1"));
    assert_eq!(bring(&house, &token).await.status, 200, "it is back");
    outside.inner.lock().unwrap().is_down = true;
    house
        .test
        .time
        .advance(Duration::minutes(59) + Duration::seconds(59));
    let token = key.sign(&outside.claims(&house, "sub-1"));
    assert_eq!(
        bring(&house, &token).await.status,
        200,
        "what it said is used while it is away"
    );

    for says in [
        json!({ "issuer": "https://evil.example" }),
        json!({ "jwks_uri": "http://id.example/keys" }),
        json!({ "jwks_uri": null }),
    ] {
        let other = Outside::start(&[&key]).await;
        other.inner.lock().unwrap().says = says.clone();
        let house = other.house().await;
        let token = key.sign(&other.claims(&house, "sub-1"));
        assert_eq!(bring(&house, &token).await.status, 503, "{says}");
    }
}

#[tokio::test]
async fn tokens_are_judged_by_the_keys_that_the_operator_names_while_the_rest_can_not_be_read() {
    let key = Key::rsa("r1", Algorithm::RS256);
    let outside = Outside::start(&[&key]).await;
    let keys = format!("{}/keys", outside.url);
    let house = outside
        .house_with(|issuer| issuer.jwks_url = Some(keys))
        .await;
    outside.inner.lock().unwrap().is_down = true;
    let token = key.sign(&outside.claims(&house, "sub-1"));
    assert_eq!(bring(&house, &token).await.status, 200);
    let trip = house.get("/auth/oidc/outside").await;
    assert_eq!(trip.text("code"), "issuer_unavailable");
    outside.inner.lock().unwrap().is_down = false;
    house.test.time.advance(Duration::seconds(10));
    let trip = house.get("/auth/oidc/outside").await;
    assert_eq!(trip.status, 303, "it is asked again soon");
}

#[tokio::test]
async fn of_two_clients_at_one_issuer_each_takes_the_tokens_for_itself() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let second = IssuerConfig {
        client_id: "mobile".to_owned(),
        ..outside.config("mobile")
    };
    let house = House::open_with(Config {
        issuers: vec![outside.config("outside"), second],
        ..Config::at(ACCOUNT_URL)
    })
    .await;
    let mut claims = outside.claims(&house, "sub-1");
    let one = bring(&house, &key.sign(&claims)).await;
    claims["aud"] = json!("mobile");
    let two = bring(&house, &key.sign(&claims)).await;
    assert_eq!(
        one.body["user"]["id"], two.body["user"]["id"],
        "one subject, one user"
    );
    claims["aud"] = json!("third");
    assert!(refused(&bring(&house, &key.sign(&claims)).await));
}

#[tokio::test]
async fn a_deleted_account_does_not_come_back_through_its_issuer() {
    let key = Key::ec("k1", 1);
    let outside = Outside::start(&[&key]).await;
    let house = outside.house().await;
    let token = key.sign(&outside.claims(&house, "sub-1"));
    assert_eq!(bring(&house, &token).await.status, 200);
    let mut owner = house.test.database.owner().await;
    sqlx::query("update identity.app_user set deleted_at = now()")
        .execute(&mut owner)
        .await
        .unwrap();
    assert!(refused(&bring(&house, &token).await));
    assert!(!house.lets_in(&token).await);
}

//! Noren as an issuer: apps that people sign in to with their account here.

#![expect(
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::HashMap;

use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use identity::{OauthClient, RequestMeta};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::access::{ACCOUNT_URL, Answer, EMAIL, House, claims_of, part};

const BACK: &str = "https://app.example/callback?from=noren";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A house with somebody in it, an app, and the browser's cookies.
struct Scene {
    house: House,
    client: OauthClient,
    cookies: String,
}

impl Scene {
    async fn set() -> Self {
        let house = House::open().await;
        house.someone().await;
        let client = add(&house, "アプリ", &[BACK, "http://localhost:3000/callback"]).await;
        let cookies = house.sign_in().await.cookies();
        Self {
            house,
            client,
            cookies,
        }
    }

    fn question(&self, change: &[(&str, Option<&str>)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let usual = [
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", BACK),
            ("scope", "openid email profile usage.read"),
            ("state", "s&1"),
            ("nonce", "n-1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        form(&usual, change)
    }

    async fn ask(&self, change: &[(&str, Option<&str>)]) -> Answer {
        let path = format!("/oauth/authorize?{}", self.question(change));
        self.house.get_from(&path, &self.cookies).await
    }

    async fn code(&self) -> String {
        let answer = self.ask(&[]).await;
        back(&answer)["code"].clone()
    }

    async fn exchange(&self, code: &str, change: &[(&str, Option<&str>)]) -> Answer {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", &*self.client.id),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        post_form(&self.house, "/oauth/token", form(&usual, change)).await
    }

    async fn tokens(&self) -> Answer {
        let answer = self.exchange(&self.code().await, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn refresh(&self, token: &str, change: &[(&str, Option<&str>)]) -> Answer {
        let usual = [
            ("grant_type", "refresh_token"),
            ("client_id", &*self.client.id),
            ("refresh_token", token),
        ];
        post_form(&self.house, "/oauth/token", form(&usual, change)).await
    }
}

async fn add(house: &House, name: &str, uris: &[&str]) -> OauthClient {
    let uris: Vec<String> = uris.iter().map(ToString::to_string).collect();
    let meta = RequestMeta::of_the_house("req_test");
    let id = format!("app-{}", hex::encode(name));
    identity::add_client(&house.room, &id, name, &uris, &meta)
        .await
        .unwrap()
}

/// Parameters with some replaced or left out.
fn form(usual: &[(&str, &str)], change: &[(&str, Option<&str>)]) -> String {
    let kept = usual
        .iter()
        .filter(|(name, _)| change.iter().all(|(other, _)| other != name));
    let new = change
        .iter()
        .filter_map(|(name, value)| Some((*name, (*value)?)));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .extend_pairs(new)
        .finish()
}

async fn post_form(house: &House, path: &str, body: String) -> Answer {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body));
    house.send(request.unwrap()).await
}

/// What came back to the app.
fn back(answer: &Answer) -> HashMap<String, String> {
    assert_eq!(answer.status, 303, "{answer:?}");
    let to = answer.header("location");
    assert!(to.starts_with(BACK), "{to}");
    Url::parse(to).unwrap().query_pairs().into_owned().collect()
}

fn refused(answer: &Answer, status: u16, error: &str) -> bool {
    answer.status == status
        && answer.body["error"] == error
        && answer.header("cache-control") == "no-store"
        && answer.body["access_token"].is_null()
}

#[tokio::test]
async fn an_app_learns_who_somebody_is_and_no_more_than_it_asked_for() {
    let scene = Scene::set().await;
    let house = &scene.house;
    let answer = scene.ask(&[]).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let came = back(&answer);
    assert_eq!(
        (
            came["state"].as_str(),
            came["iss"].as_str(),
            came["from"].as_str()
        ),
        ("s&1", ACCOUNT_URL, "noren")
    );

    let tokens = scene.exchange(&came["code"], &[]).await;
    assert_eq!(
        (tokens.status, tokens.header("cache-control")),
        (200, "no-store")
    );
    assert_eq!(tokens.text("scope"), "openid profile email usage.read");
    let id_token = tokens.text("id_token");
    let jwks: JwkSet =
        serde_json::from_value(house.get("/.well-known/jwks.json").await.body).unwrap();
    let kid = part(&id_token, 0)["kid"].as_str().unwrap().to_owned();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[&scene.client.id]);
    rules.set_issuer(&[ACCOUNT_URL]);
    rules.validate_exp = false;
    let key = DecodingKey::from_jwk(jwks.find(&kid).unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&id_token, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(part(&id_token, 0)["typ"], "JWT");
    let access = tokens.text("access_token");
    let half = URL_SAFE_NO_PAD.encode(&Sha256::digest(&access)[..16]);
    for (claim, value) in [
        ("nonce", json!("n-1")),
        ("email", json!(EMAIL)),
        ("email_verified", json!(true)),
        ("name", json!("だれか")),
        ("amr", json!(["pwd"])),
        ("at_hash", json!(half)),
    ] {
        assert_eq!(claims[claim], value, "{claim}");
    }
    let info = house.with(&access, "GET", "/oauth/userinfo").await;
    assert_eq!(
        (&info.body["sub"], &info.body["email"]),
        (&claims["sub"], &json!(EMAIL))
    );
    assert_eq!(
        house.with(&access, "POST", "/oauth/userinfo").await.body,
        info.body
    );

    let me = house.with(&access, "GET", "/auth/me").await;
    assert_eq!(
        me.body["permissions"],
        json!(["usage.read"]),
        "the user may more, the app may not"
    );
    assert_eq!(house.with(&access, "GET", "/keys").await.status, 403);
    assert!(
        !house.lets_in(&id_token).await,
        "an ID token is no access token"
    );
    let sessions = house.get_from("/auth/sessions", &scene.cookies).await;
    let items = sessions.body["items"].as_array().unwrap();
    assert!(
        items
            .iter()
            .any(|item| item["user_agent"] == "アプリ" && item["kind"] == "api")
    );
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let scene = Scene::set().await;
    let code = back(
        &scene
            .ask(&[("scope", Some("openid")), ("nonce", None)])
            .await,
    )["code"]
        .clone();
    let tokens = scene.exchange(&code, &[]).await;
    let claims = claims_of(&tokens.text("id_token"));
    for absent in ["email", "name", "nonce"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
    let access = tokens.text("access_token");
    let info = scene.house.with(&access, "GET", "/oauth/userinfo").await;
    assert_eq!(info.body.as_object().unwrap().len(), 1, "{info:?}");
    let me = scene.house.with(&access, "GET", "/auth/me").await;
    assert_eq!(me.body["permissions"], json!([]));

    let code = back(&scene.ask(&[("scope", Some("usage.read"))]).await)["code"].clone();
    let tokens = scene.exchange(&code, &[]).await;
    assert!(tokens.body.get("id_token").is_none());
    let info = scene
        .house
        .with(&tokens.text("access_token"), "GET", "/oauth/userinfo")
        .await;
    assert!(
        info.status == 403
            && info
                .header("www-authenticate")
                .contains("insufficient_scope")
    );
    let nobody = scene
        .house
        .get_from("/oauth/userinfo", &scene.cookies)
        .await;
    assert!(
        nobody.status == 401 && nobody.header("www-authenticate").contains("invalid_token"),
        "a cookie is no token"
    );
}

#[tokio::test]
async fn whoever_is_not_signed_in_goes_to_the_sign_in_page_and_comes_back_to_the_same_place() {
    let scene = Scene::set().await;
    let house = &scene.house;
    let path = format!("/oauth/authorize?{}", scene.question(&[]));
    let guest = house.post("/auth/guest", json!({})).await.cookies();
    for cookies in ["", guest.as_str(), "__Host-noren_session=x"] {
        let answer = house.get_from(&path, cookies).await;
        assert_eq!(answer.status, 303);
        let to = Url::parse(answer.header("location")).unwrap();
        assert_eq!(
            (to.path(), to.origin().ascii_serialization().as_str()),
            ("/sign-in", ACCOUNT_URL)
        );
        let next = to
            .query_pairs()
            .find(|(name, _)| name == "next")
            .unwrap()
            .1
            .into_owned();
        assert_eq!(next, path);
        let silent = format!("{path}&prompt=none");
        assert_eq!(
            back(&house.get_from(&silent, cookies).await)["error"],
            "login_required"
        );
    }
    assert!(back(&scene.ask(&[("prompt", Some("none"))]).await).contains_key("code"));

    // a client that wants a fresh proof gets one
    house.test.time.advance(Duration::minutes(10));
    let young = scene.ask(&[("max_age", Some("600"))]).await;
    assert!(back(&young).contains_key("code"));
    let old = [("max_age", Some("599"))];
    assert!(
        scene
            .ask(&old)
            .await
            .header("location")
            .starts_with("https://noren.example/sign-in")
    );
    let silent = [("max_age", Some("599")), ("prompt", Some("none"))];
    assert_eq!(back(&scene.ask(&silent).await)["error"], "login_required");
    let anew = scene.ask(&[("prompt", Some("login"))]).await;
    let to = Url::parse(anew.header("location")).unwrap();
    let next = to.query_pairs().next().unwrap().1.into_owned();
    assert!(
        house
            .get_from(&next, &scene.cookies)
            .await
            .header("location")
            .contains("/sign-in")
    );
    let fresh = house.sign_in().await.cookies();
    assert!(back(&house.get_from(&next, &fresh).await).contains_key("code"));
}

#[tokio::test]
async fn no_answer_goes_where_the_app_did_not_register() {
    let scene = Scene::set().await;
    let other = add(&scene.house, "other", &["https://other.example/"]).await;
    let meta = RequestMeta::of_the_house("req_test");
    identity::disable_client(&scene.house.room, &other.id, &meta)
        .await
        .unwrap();
    let disabled = [
        ("client_id", Some(&*other.id)),
        ("redirect_uri", Some("https://other.example/")),
    ];
    for change in [
        &[("client_id", None)][..],
        &[("client_id", Some("cli_x"))],
        &[("client_id", Some("cli_\0"))],
        &disabled,
        &[("redirect_uri", None)],
        &[("redirect_uri", Some("https://app.example/callback"))],
        &[(
            "redirect_uri",
            Some("https://app.example/callback/?from=noren"),
        )],
        &[(
            "redirect_uri",
            Some("https://app.example/callback?from=noren/"),
        )],
        &[(
            "redirect_uri",
            Some("https://APP.example/callback?from=noren"),
        )],
        &[(
            "redirect_uri",
            Some("http://app.example/callback?from=noren"),
        )],
        &[(
            "redirect_uri",
            Some("https://app.example/callback?from=noren&x=1"),
        )],
        &[(
            "redirect_uri",
            Some("https://app.example.evil.example/callback?from=noren"),
        )],
        &[("redirect_uri", Some("https://evil.example/"))],
        &[("redirect_uri", Some("http://localhost:3001/callback"))],
        &[
            ("redirect_uri", Some(BACK)),
            ("redirect_uri", Some("https://evil.example/")),
        ],
    ] {
        let answer = scene.ask(change).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (400, ""),
            "{change:?}"
        );
        assert_eq!(answer.body["code"], "client_refused");
    }
    for (name, value, error) in [
        ("code_challenge", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("scope", Some("everything"), "invalid_scope"),
        (
            "request_uri",
            Some("https://evil.example/"),
            "request_uri_not_supported",
        ),
    ] {
        let came = back(&scene.ask(&[(name, value)]).await);
        assert_eq!(
            (came["error"].as_str(), came["state"].as_str()),
            (error, "s&1")
        );
        assert_eq!(came["iss"], ACCOUNT_URL);
        assert!(!came.contains_key("code"));
    }
    let twice = scene
        .ask(&[("scope", Some("openid")), ("scope", Some("email"))])
        .await;
    assert_eq!(back(&twice)["error"], "invalid_request");
}

#[tokio::test]
async fn a_code_is_good_for_its_client_its_verifier_its_address_and_a_minute() {
    let scene = Scene::set().await;
    let other = add(&scene.house, "other", &[BACK]).await;
    let wrong = "x".repeat(43);
    for (change, status, error) in [
        (("code", Some("x")), 400, "invalid_grant"),
        (("code", None), 400, "invalid_request"),
        (("code_verifier", None), 400, "invalid_request"),
        (("code_verifier", Some(&*wrong)), 400, "invalid_grant"),
        (("code_verifier", Some("short")), 400, "invalid_grant"),
        (("redirect_uri", None), 400, "invalid_request"),
        (
            (
                "redirect_uri",
                Some("https://app.example/callback?from=noren/"),
            ),
            400,
            "invalid_grant",
        ),
        (
            ("redirect_uri", Some("http://localhost:3000/callback")),
            400,
            "invalid_grant",
        ),
        (("client_id", None), 401, "invalid_client"),
        (("client_id", Some("cli_x")), 401, "invalid_client"),
        (("client_id", Some(&*other.id)), 400, "invalid_grant"),
        (("client_secret", Some("x")), 401, "invalid_client"),
        (("grant_type", None), 400, "invalid_request"),
        (
            ("grant_type", Some("password")),
            400,
            "unsupported_grant_type",
        ),
        (("code_verifier", Some("\0")), 400, "invalid_request"),
    ] {
        let code = scene.code().await;
        let answer = scene.exchange(&code, &[change]).await;
        assert!(refused(&answer, status, error), "{change:?}: {answer:?}");
    }
    let code = scene.code().await;
    let json = scene
        .house
        .post("/oauth/token", json!({ "code": code }))
        .await;
    assert!(refused(&json, 400, "invalid_request"), "{json:?}");
    let basic = Request::post("/oauth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, "Basic YTpi")
        .body(Body::from(format!(
            "grant_type=authorization_code&code={code}"
        )));
    let basic = scene.house.send(basic.unwrap()).await;
    assert!(
        refused(&basic, 401, "invalid_client")
            && basic.header("www-authenticate").starts_with("Basic")
    );
    let big = scene.exchange(&"x".repeat(20_000), &[]).await;
    assert!(refused(&big, 400, "invalid_request"));
    let twice = scene
        .exchange(&code, &[("code", Some(&code)), ("code", Some("x"))])
        .await;
    assert!(refused(&twice, 400, "invalid_request"));
    scene.house.test.time.advance(Duration::minutes(1));
    assert!(
        refused(&scene.exchange(&code, &[]).await, 400, "invalid_grant"),
        "too late"
    );
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_ends_what_came_of_it_when_it_comes_again() {
    let scene = Scene::set().await;
    let code = scene.code().await;
    let all = futures::future::join_all((0..10).map(|_| scene.exchange(&code, &[]))).await;
    let good: Vec<&Answer> = all.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1);
    assert!(
        !scene.house.lets_in(&good[0].text("access_token")).await,
        "nine others had the code"
    );
    assert!(
        scene
            .house
            .actions()
            .await
            .contains(&"code.reuse".to_owned())
    );

    let code = scene.code().await;
    let tokens = scene.exchange(&code, &[]).await;
    assert!(scene.house.lets_in(&tokens.text("access_token")).await);
    assert!(refused(
        &scene.exchange(&code, &[]).await,
        400,
        "invalid_grant"
    ));
    assert!(!scene.house.lets_in(&tokens.text("access_token")).await);
    let refreshed = scene.refresh(&tokens.text("refresh_token"), &[]).await;
    assert!(refused(&refreshed, 400, "invalid_grant"));
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_works_once_and_never_gets_more() {
    let scene = Scene::set().await;
    let tokens = scene.tokens().await;
    let token = tokens.text("refresh_token");
    let other = add(&scene.house, "other", &[BACK]).await;
    for (change, status, error) in [
        (("client_id", Some(&*other.id)), 400, "invalid_grant"),
        (("client_id", None), 401, "invalid_client"),
        (("refresh_token", None), 400, "invalid_request"),
        (("refresh_token", Some("x")), 400, "invalid_grant"),
        (("scope", Some("openid keys.manage")), 400, "invalid_scope"),
    ] {
        assert!(
            refused(&scene.refresh(&token, &[change]).await, status, error),
            "{change:?}"
        );
    }
    let direct = json!({ "refresh_token": token });
    let direct = scene.house.post("/auth/token/refresh", direct).await;
    assert_eq!(direct.status, 401, "nor without naming the client");

    let narrowed = scene.refresh(&token, &[("scope", Some("openid"))]).await;
    assert_eq!(
        (narrowed.status, narrowed.text("scope").as_str()),
        (200, "openid")
    );
    let me = scene
        .house
        .with(&narrowed.text("access_token"), "GET", "/auth/me")
        .await;
    assert_eq!(me.body["permissions"], json!([]));
    let again = scene.refresh(&narrowed.text("refresh_token"), &[]).await;
    assert_eq!(
        again.text("scope"),
        "openid profile email usage.read",
        "the grant stays what it was"
    );
    assert!(refused(
        &scene.refresh(&token, &[]).await,
        400,
        "invalid_grant"
    ));
    assert!(
        refused(
            &scene.refresh(&again.text("refresh_token"), &[]).await,
            400,
            "invalid_grant"
        ),
        "the family has ended"
    );
}

#[tokio::test]
async fn a_client_signs_out_and_a_disabled_one_is_signed_out_everywhere() {
    let scene = Scene::set().await;
    let house = &scene.house;
    let revoke = |token: String, client: Option<String>| async move {
        let client = client
            .map(|client| format!("&client_id={client}"))
            .unwrap_or_default();
        post_form(house, "/oauth/revoke", format!("token={token}{client}")).await
    };
    let id = Some(scene.client.id.clone());
    let tokens = scene.tokens().await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    assert!(refused(
        &revoke(refresh.clone(), None).await,
        401,
        "invalid_client"
    ));
    assert!(refused(
        &revoke(refresh.clone(), Some("cli_x".into())).await,
        401,
        "invalid_client"
    ));
    assert!(house.lets_in(&access).await);
    assert_eq!(revoke("unknown".into(), id.clone()).await.status, 200);
    assert_eq!(revoke(refresh, id.clone()).await.status, 200);
    assert!(!house.lets_in(&access).await);
    let by_access = scene.tokens().await;
    assert_eq!(revoke(by_access.text("access_token"), id).await.status, 200);
    assert!(refused(
        &scene.refresh(&by_access.text("refresh_token"), &[]).await,
        400,
        "invalid_grant"
    ));

    let (tokens, code) = (scene.tokens().await, scene.code().await);
    let meta = RequestMeta::of_the_house("req_test");
    identity::disable_client(&house.room, &scene.client.id, &meta)
        .await
        .unwrap();
    assert!(!house.lets_in(&tokens.text("access_token")).await);
    assert!(refused(
        &scene.refresh(&tokens.text("refresh_token"), &[]).await,
        401,
        "invalid_client"
    ));
    assert!(refused(
        &scene.exchange(&code, &[]).await,
        401,
        "invalid_client"
    ));
    let listed = identity::list_clients(&house.room).await.unwrap();
    assert!(listed[0].disabled_at.is_some());
    assert!(
        identity::disable_client(&house.room, &scene.client.id, &meta)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn signing_out_everywhere_ends_apps_and_codes_that_were_on_their_way() {
    let scene = Scene::set().await;
    let (tokens, code) = (scene.tokens().await, scene.code().await);
    let body = json!({});
    let out = scene
        .house
        .post_from("/auth/sessions/revoke-others", &scene.cookies, body)
        .await;
    assert_eq!(out.status, 204);
    assert!(!scene.house.lets_in(&tokens.text("access_token")).await);
    assert!(refused(
        &scene.exchange(&code, &[]).await,
        400,
        "invalid_grant"
    ));
}

#[tokio::test]
async fn no_app_can_be_registered_as_the_house_or_as_another() {
    let house = House::open().await;
    let meta = RequestMeta::of_the_house("req_test");
    let uris = [BACK.to_owned()];
    let add = async |id: &str| {
        let added = identity::add_client(&house.room, id, "app", &uris, &meta).await;
        added.map(|_| ()).map_err(|error| error.to_string())
    };
    // "noren" is whom access tokens are for: an ID token for an app of that name would be one letter from being one
    for id in ["noren", "ap", "App", "a b", "app/1"] {
        assert!(add(id).await.is_err(), "{id}");
    }
    add("my-app_1").await.unwrap();
    assert_eq!(add("my-app_1").await, Err("the name is taken".to_owned()));
}

#[tokio::test]
async fn what_the_issuer_says_about_itself_is_so() {
    let scene = Scene::set().await;
    let answer = scene.house.get("/.well-known/openid-configuration").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let said = &answer.body;
    assert_eq!(said["issuer"], ACCOUNT_URL);
    assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(
        said["authorization_response_iss_parameter_supported"],
        json!(true)
    );
    assert_eq!(said["request_uri_parameter_supported"], json!(false));
    for endpoint in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "revocation_endpoint",
        "jwks_uri",
    ] {
        let path = said[endpoint]
            .as_str()
            .unwrap()
            .strip_prefix(ACCOUNT_URL)
            .unwrap();
        assert_ne!(scene.house.get(path).await.status, 404, "{endpoint}");
    }
    let scopes: Vec<&str> = said["scopes_supported"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    assert!(!scopes.contains(&"house.operate"));
    let all = scopes.join(" ");
    let code = back(&scene.ask(&[("scope", Some(&all))]).await)["code"].clone();
    let tokens = scene.exchange(&code, &[]).await;
    assert_eq!(tokens.text("scope"), all);
    let claims = claims_of(&tokens.text("id_token"));
    for claim in said["claims_supported"].as_array().unwrap() {
        assert!(claims.get(claim.as_str().unwrap()).is_some(), "{claim}");
    }
}

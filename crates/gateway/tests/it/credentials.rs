//! Keys of providers that an operator registered, at an upstream that knows whose key a call came with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use gateway::{
    ApiKey, CredentialChange, CredentialView, ModelFile, NewCredential, Operator, Provider,
};
use seal::Vault;

use super::*;

/// How often each key was used, and the keys that are refused with 401.
#[derive(Clone, Debug, Default)]
struct Gate {
    used: Arc<Mutex<BTreeMap<String, u32>>>,
    revoked: Arc<Mutex<BTreeSet<String>>>,
}

impl Gate {
    fn used(&self, key: &str) -> u32 {
        self.used.lock().unwrap().get(key).copied().unwrap_or(0)
    }
}

async fn look(
    axum::extract::State(gate): axum::extract::State<Gate>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let key = shown
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .unwrap_or_default()
        .to_owned();
    *gate.used.lock().unwrap().entry(key.clone()).or_default() += 1;
    if gate.revoked.lock().unwrap().contains(&key) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

/// A house whose one provider is behind the gate, with a key of the settings or none.
struct Shop {
    bar: Bar,
    gate: Gate,
    vault: Vault,
    base_url: String,
}

impl Shop {
    async fn open(of_settings: Option<&str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let gate = Gate::default();
        let app: Router = sandbox::model_router_paced(Duration::ZERO)
            .layer(from_fn_with_state(gate.clone(), look));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let file = ModelFile::parse(
            r#"[[model]]
            name = "small"
            targets = [{ provider = "double", model = "sandbox-small" }]"#,
        )
        .unwrap();
        let provider = of_settings.map(|key| Provider {
            kind: gateway::Kind::OpenAi,
            base_url: base_url.clone(),
            region: String::new(),
            keys: vec![ApiKey::new(key.into(), 1)],
            streams: true,
            start: None,
        });
        let providers = provider.map(|provider| ("double".to_owned(), provider));
        let routes = Routes::of_file(
            file,
            providers.into_iter().collect(),
            Routes::default(),
            true,
        );
        let vault = Vault::of_keys(&seal::new_key().unwrap()).unwrap();
        let test = testkit::context().await;
        let room = node_of(&test.cx, routes, vault.clone()).await;
        let meta = RequestMeta::of_the_house("req_test");
        let guest = identity::guest(&room.identity, &meta).await.unwrap();
        let guest = Caller::from(guest.session);
        let bar = Bar {
            caller: InferenceCaller::of(&guest, "misaki"),
            model: base_url.clone(),
            test,
            room,
            guest,
        };
        Self {
            bar,
            gate,
            vault,
            base_url,
        }
    }

    async fn add(&self, secret: &str, weight: i32) -> CredentialView {
        let new = NewCredential {
            provider: "double".to_owned(),
            kind: "openai".to_owned(),
            base_url: self.base_url.clone(),
            region: String::new(),
            secret: secret.into(),
            weight,
        };
        let cx = &self.bar.room.cx;
        let meta = RequestMeta::of_the_house("req_test");
        let added = gateway::add_credential(cx, &self.vault, by(&meta), new).await;
        self.bar.room.refresh_routes().await.unwrap();
        added.unwrap()
    }

    async fn change(&self, of: &CredentialView, change: CredentialChange) {
        let meta = RequestMeta::of_the_house("req_test");
        gateway::change_credential(&self.bar.room.cx, by(&meta), of.id, change)
            .await
            .unwrap();
        self.bar.room.refresh_routes().await.unwrap();
    }

    /// Asks so many times, one after the other; all have to be answered.
    async fn ask(&self, times: usize) {
        for _ in 0..times {
            self.ask_at_once(1).await;
        }
    }

    async fn ask_at_once(&self, times: usize) {
        let asked = (0..times).map(|_| async {
            let id = self.bar.ask("hello").await;
            let run = self.bar.ended(id).await;
            assert_eq!(run.state, State::Completed, "{run:?}");
        });
        futures::future::join_all(asked).await;
    }

    async fn look<T>(&self, query: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut owner = self.bar.test.database.owner().await;
        sqlx::query_scalar(query)
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }
}

const fn by(meta: &RequestMeta) -> Operator<'_> {
    Operator {
        principal: None,
        meta,
    }
}

const FIRST: &str = "sk-first-canary-7f31";
const SECOND: &str = "sk-second-canary-90ab";

#[tokio::test]
async fn a_key_that_is_refused_rests_and_every_call_is_answered_by_the_others() {
    let shop = Shop::open(None).await;
    shop.add(FIRST, 1000).await;
    shop.add(SECOND, 1).await;
    shop.gate.revoked.lock().unwrap().insert(FIRST.to_owned());
    shop.ask(6).await;
    assert_eq!(shop.gate.used(FIRST), 1, "it is not tried again and again");
    assert_eq!(shop.gate.used(SECOND), 6);
    let cx = &shop.bar.room.cx;
    let noted = async {
        loop {
            let shown = gateway::list_credentials(cx).await.unwrap();
            let refused = |secret: &str| {
                let of = |one: &&CredentialView| secret.ends_with(&one.suffix);
                shown.iter().find(of).and_then(|one| one.refused_status)
            };
            if refused(FIRST).is_some() {
                break (refused(FIRST), refused(SECOND));
            }
            tokio::task::yield_now().await;
        }
    };
    let noted = tokio::time::timeout(Duration::from_secs(10), noted).await;
    assert_eq!(noted.unwrap(), (Some(401), None));
}

#[tokio::test]
async fn keys_are_used_by_their_weights_and_not_when_they_are_off() {
    let shop = Shop::open(Some("sk-of-the-settings")).await;
    shop.ask(2).await;
    assert_eq!(shop.gate.used("sk-of-the-settings"), 2);
    let first = shop.add(FIRST, 999).await;
    let second = shop.add(SECOND, 333).await;
    for _ in 0..4 {
        shop.ask_at_once(10).await;
    }
    let (one, other) = (shop.gate.used(FIRST), shop.gate.used(SECOND));
    assert!((19..=39).contains(&one), "{one} of 40, {other} the other");
    assert!(
        one + other >= 38,
        "the one of the settings weighs next to nothing"
    );
    for of in [&first, &second] {
        let enabled = Some(false);
        let weight = None;
        shop.change(of, CredentialChange { weight, enabled }).await;
    }
    let before = shop.gate.used("sk-of-the-settings");
    shop.ask(2).await;
    assert_eq!(shop.gate.used("sk-of-the-settings"), before + 2);
}

#[tokio::test]
async fn no_dump_has_a_providers_key_and_one_that_cannot_be_opened_is_left_out() {
    let shop = Shop::open(Some("sk-of-the-settings")).await;
    let added = shop.add(FIRST, 1).await;
    assert_eq!(added.suffix, "7f31");
    assert!(!format!("{added:?}").contains("canary"));
    let kept: Vec<u8> = shop.look("select secret from gateway.credential").await;
    let part = b"canary";
    assert!(!kept.windows(part.len()).any(|window| window == part));
    let written: String = shop
        .look("select string_agg(a::text, ' ') from identity.audit a")
        .await;
    assert!(written.contains("provider.add") && !written.contains("canary"));

    let cx = &shop.bar.room.cx;
    let newer = Vault::of_keys(&seal::new_key().unwrap()).unwrap();
    let closed = gateway::reseal_credentials(cx, &newer).await.unwrap();
    assert_eq!((closed.done, closed.closed), (0, 1));
    let mut owner = shop.bar.test.database.owner().await;
    sqlx::query("update gateway.credential set secret = 'not what was sealed'")
        .execute(&mut owner)
        .await
        .unwrap();
    shop.bar.room.refresh_routes().await.unwrap();
    shop.ask(1).await;
    assert_eq!(shop.gate.used("sk-of-the-settings"), 1);
    assert_eq!(shop.gate.used(FIRST), 0);
}

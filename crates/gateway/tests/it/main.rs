//! Runs on a real server against the stand-in model over real HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod batched;
mod cached;
mod credentials;
mod endings;
mod history;
mod lines;
mod nodes;
mod reconciled;
mod sealed;
mod streams;
mod versions;

use std::{sync::Arc, time::Duration};

use db::Ctx;
use entitlement::{Catalogue, Entitlement, PlanFile};
use gateway::{
    Error, Gateway, Judges, Patience, Price, Route, Routes, RunId, RunView, StartRun, State,
    Target, Use,
};
use identity::{Caller, Identity, InferenceCaller, RequestMeta};
use kernel::NanoUsd;
use llm::Message;
use testkit::TestCtx;
use tokio::net::TcpListener;

/// A house with one model, and a guest who may use it.
struct Bar {
    test: TestCtx,
    room: Gateway,
    caller: InferenceCaller,
    guest: Caller,
    model: String,
}

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(2),
    silence: Duration::from_millis(1500),
    run: Duration::from_secs(30),
    line: Duration::from_secs(30),
};

impl Bar {
    async fn open() -> Self {
        Self::with_pace(Duration::from_millis(2)).await
    }

    async fn with_pace(pace: Duration) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let test = testkit::context().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let model = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, sandbox::model_router_paced(pace)).await });
        let room = node(&test.cx, &model).await;
        let meta = RequestMeta::of_the_house("req_test");
        let guest = identity::guest(&room.identity, &meta).await.unwrap();
        let guest = Caller::from(guest.session);
        Self {
            test,
            room,
            caller: InferenceCaller::of(&guest, "misaki"),
            guest,
            model,
        }
    }

    /// Another process on the same database.
    async fn another_node(&self) -> Gateway {
        node(
            &Ctx::new(self.test.another_node().await, self.test.cx.clock.clone()),
            &self.model,
        )
        .await
    }

    /// Asks, and answers with the run that was launched.
    async fn ask(&self, text: &str) -> RunId {
        self.try_ask(text).await.unwrap()
    }

    async fn try_ask(&self, text: &str) -> Result<RunId, Error> {
        let start = StartRun {
            purpose: "misaki.chat".to_owned(),
            messages: vec![Message::user(text)],
            max_tokens: None,
        };
        let mut tx = self.room.cx.db.begin(self.caller.principal.scope()).await?;
        let admitted = gateway::admit(&mut tx, &self.room, &self.caller, start).await?;
        tx.commit().await?;
        let id = admitted.id;
        gateway::launch(&self.room, admitted);
        Ok(id)
    }

    async fn get(&self, id: RunId) -> RunView {
        gateway::get(&self.room, self.caller.principal, id)
            .await
            .unwrap()
    }

    /// The run once it has ended.
    async fn ended(&self, id: RunId) -> RunView {
        self.until(id, |run| run.state.is_ended()).await
    }

    async fn until(&self, id: RunId, done: impl Fn(&RunView) -> bool) -> RunView {
        let waiting = async {
            loop {
                let run = self.get(id).await;
                if done(&run) {
                    break run;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap()
    }

    /// available, held, spent
    async fn stock(&self) -> [i64; 3] {
        self.stock_of("misaki.chat").await
    }

    async fn stock_of(&self, unit: &str) -> [i64; 3] {
        let cx = &self.room.cx;
        let mut tx = cx.db.begin(self.caller.principal.scope()).await.unwrap();
        let stock = ledger::stock(&mut tx, self.caller.principal.tenant, unit, cx.clock.now())
            .await
            .unwrap();
        [stock.available, stock.held, stock.spent]
    }
}

async fn node(cx: &Ctx, model: &str) -> Gateway {
    node_with(cx, model, true).await
}

/// The keys of every node.
fn vault() -> seal::Vault {
    seal::Vault::of_keys(&"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".into()).unwrap()
}

/// A node with these routes, whose secrets are sealed with these keys.
async fn node_of(cx: &Ctx, routes: Routes, vault: seal::Vault) -> Gateway {
    let plans = PlanFile::parse(
        r#"[[plan]]
        storefront = "misaki"
        id = "guest"
        default_for = "guest"
        title = { ja = "ゲスト", en = "Guest" }
        price_yen = 0
        limits = { per_minute = 1000, concurrent = 100 }
        grants = [{ unit = "misaki.chat", amount = 100, every = "day" }, { unit = "misaki.embedding_token", amount = 1000, every = "day" }]
        routes = { "misaki.chat" = "small", "misaki.embedding_token" = "vectors" }

        [[plan]]
        storefront = "genai"
        id = "free"
        default_for = "user"
        title = { ja = "無料", en = "Free" }
        price_yen = 0
        limits = { per_minute = 1000, concurrent = 100 }
        grants = [{ unit = "genai.chat", amount = 100, every = "day" }, { unit = "genai.embedding_token", amount = 1000, every = "day" }]
        routes = { "genai.chat" = "small", "genai.embedding_token" = "vectors" }"#,
    )
    .unwrap();
    let config = identity::Config {
        vault,
        ..identity::Config::at("https://noren.example")
    };
    let identity = Identity::open(cx.clone(), config).await.unwrap();
    entitlement::apply(cx, &plans).await.unwrap();
    let catalogue = Catalogue::load(cx).await.unwrap();
    let entitlement = Entitlement::open(cx.clone(), identity, catalogue, "http://localhost");
    Gateway::open(entitlement, routes, PATIENCE, None).unwrap()
}

async fn node_with(cx: &Ctx, model: &str, streams: bool) -> Gateway {
    let target = Target {
        base_url: format!("{model}/v1"),
        model: "sandbox-small".to_owned(),
        price: Price {
            input: NanoUsd(1_000),
            output: NanoUsd(2_000),
            ..Price::default()
        },
        streams,
        weight: 1,
        ..Target::default()
    };
    let vectors = Route {
        use_for: Use::Embedding,
        targets: vec![Target {
            model: "sandbox-embedding".to_owned(),
            ..target.clone()
        }],
        ..Route::default()
    };
    let routes =
        Routes::new([("small".to_owned(), vec![target])]).with([("vectors".to_owned(), vectors)]);
    node_of(cx, routes, vault()).await
}

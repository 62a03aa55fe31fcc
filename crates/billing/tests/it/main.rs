//! Billing on a real server against the stand-in for Stripe over real HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod auto;
mod buying;
mod calendar;
mod changing;
mod ending;
mod events;
mod faults;
mod money_back;
mod operating;
mod orders;
mod rewards;
mod told;
mod topups;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use billing::{Billing, Config, Error, StripeConfig};
use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use entitlement::{Catalogue, Entitlement, PlanFile, Standing};
use http_body_util::BodyExt;
use identity::{Caller, Identity, RequestMeta};
use sandbox::{StripeDouble, StripePrice};
use serde_json::{Value, json};
use testkit::TestCtx;
use tokio::{net::TcpListener, sync::RwLock};
use tower::ServiceExt;
use uuid::Uuid;

const SECRET: &str = "whsec_0123456789abcdef";
const KEY: &str = "sk_test_of_the_stand_in";
const PASSWORD: &str = "seven lanterns by the river";
const UNIT: &str = "narai.ticket";
const GRACE: Duration = Duration::days(7);

const PLANS: &str = r#"
[[plan]]
storefront = "narai"
id = "guest"
default_for = "guest"
title = { ja = "ゲスト", en = "Guest" }
price_yen = 0
limits = { per_minute = 10, concurrent = 1 }
grants = []
routes = {}
[[plan]]
storefront = "narai"
id = "member"
default_for = "user"
title = { ja = "会員", en = "Member" }
price_yen = 0
limits = { per_minute = 10, concurrent = 1 }
grants = []
routes = {}
[[plan]]
storefront = "narai"
id = "light"
title = { ja = "ライト", en = "Light" }
price_yen = 2980
stripe_price = "price_light"
limits = { per_minute = 10, concurrent = 1 }
grants = [{ unit = "narai.ticket", amount = 4, every = "invoice" }]
routes = {}
[[plan]]
storefront = "narai"
id = "family"
title = { ja = "ファミリー", en = "Family" }
price_yen = 5980
stripe_price = "price_family"
limits = { per_minute = 10, concurrent = 1 }
grants = [{ unit = "narai.ticket", amount = 10, every = "invoice" }]
routes = {}
[[plan]]
storefront = "narai"
id = "gift"
title = { ja = "贈り物", en = "Gift" }
price_yen = 100
limits = { per_minute = 10, concurrent = 1 }
grants = []
routes = {}
[[topup]]
storefront = "narai"
id = "five"
title = { ja = "チケット5枚", en = "Five tickets" }
unit = "narai.ticket"
amount = 5
price_yen = 3000
stripe_price = "price_five"
days = 150
"#;

/// A house with one tenant, and a stand-in whose events go nowhere by themselves.
struct Shop {
    room: Billing,
    /// Of the room; made once, since writing its document takes longer than most requests.
    router: Router,
    caller: Caller,
    stripe: StripeDouble,
    /// Of its owner, if it has one.
    email: String,
}

async fn stand_in(now: DateTime<Utc>) -> (StripeDouble, String) {
    let counter = Counter::open().await;
    let stripe = counter.next(now).await;
    (stripe, counter.base)
}

/// An address at which one stand-in answers after another.
struct Counter {
    base: String,
    routes: Arc<RwLock<Router>>,
}

impl Counter {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let routes = Arc::new(RwLock::new(Router::new()));
        let current = Arc::clone(&routes);
        let front = Router::new().fallback(async move |request: Request<Body>| {
            let routes = current.read().await.clone();
            routes.oneshot(request).await
        });
        tokio::spawn(async move { axum::serve(listener, front).await });
        Self { base, routes }
    }

    /// A new stand-in, which knows nothing of the one before.
    async fn next(&self, now: DateTime<Utc>) -> StripeDouble {
        let stripe = StripeDouble::open(sandbox::StripeConfig {
            prices: [
                ("price_light", 2980, false),
                ("price_family", 5980, false),
                ("price_five", 3000, true),
            ]
            .map(|(id, amount, once)| StripePrice {
                id: id.to_owned(),
                amount,
                title: id.to_owned(),
                once,
            })
            .to_vec(),
            base_url: self.base.clone(),
            secret_key: KEY.to_owned(),
            stands_at: Some(now.timestamp()),
            ..sandbox::StripeConfig::default()
        });
        *self.routes.write().await = stripe.router();
        stripe
    }
}

async fn house(cx: &Ctx) -> Entitlement {
    house_of(cx, PLANS).await
}

async fn house_of(cx: &Ctx, plans: &str) -> Entitlement {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let identity = Identity::open(cx.clone(), identity::Config::at("https://noren.example"))
        .await
        .unwrap();
    entitlement::apply(cx, &PlanFile::parse(plans).unwrap())
        .await
        .unwrap();
    let catalogue = Catalogue::load(cx).await.unwrap();
    Entitlement::open(cx.clone(), identity, catalogue, "http://localhost")
}

fn open(house: &Entitlement, api_url: &str, version: &str) -> Billing {
    let stripe = StripeConfig {
        api_url: api_url.to_owned(),
        secret_key: KEY.into(),
        api_version: version.to_owned(),
        webhook_secrets: vec![SECRET.into()],
    };
    let config = Config {
        stripe: Some(stripe),
        account_url: "https://noren.example".to_owned(),
        grace: GRACE,
        issuer: billing::Issuer {
            name: "のれん商店".to_owned(),
            registration_number: Some("T1234567890123".to_owned()),
            address: "東京都".to_owned(),
        },
    };
    Billing::open(house.clone(), config).unwrap()
}

/// The room and its routes.
fn opened(house: &Entitlement, api_url: &str, version: &str) -> (Billing, Router) {
    let room = open(house, api_url, version);
    let (router, _) = billing::router().with_state(room.clone()).split_for_parts();
    (room, router)
}

const NEW: &str = "2026-10-28.endive";
const OLD: &str = "2024-06-20";

impl Shop {
    async fn open(test: &TestCtx) -> Self {
        Self::of(&house(&test.cx).await, NEW).await
    }

    /// A new tenant with a stand-in of its own.
    async fn of(house: &Entitlement, version: &str) -> Self {
        let (stripe, base) = stand_in(house.cx.clock.now()).await;
        let (room, router) = opened(house, &base, version);
        Self::at(room, router, stripe).await
    }

    /// A new tenant at a room that is open already.
    async fn at(room: Billing, router: Router, stripe: StripeDouble) -> Self {
        let meta = RequestMeta::of_the_house("req_test");
        let guest = identity::guest(&room.identity, &meta).await.unwrap();
        Self {
            room,
            router,
            caller: Caller::from(guest.session),
            stripe,
            email: String::new(),
        }
    }

    async fn checkout(&self) -> Result<String, Error> {
        let meta = RequestMeta::of_the_house("req_test");
        let wish = billing::Wish::Plan {
            storefront: "narai",
            plan: "light",
        };
        billing::start_checkout(&self.room, &self.caller, &meta, wish).await
    }

    /// Goes to the checkout and pays there.
    async fn buy(&self) {
        let url = self.checkout().await.unwrap();
        let session = url.rsplit('/').next().unwrap();
        assert!(self.stripe.complete_checkout(session));
    }

    fn customer(&self) -> String {
        self.stripe.newest("customer").unwrap()
    }

    /// Brings an event as Stripe would.
    async fn deliver(&self, body: &str) -> StatusCode {
        let header = billing::sign(&SECRET.into(), body.as_bytes(), self.room.cx.clock.now());
        self.post(body, Some(&header.unwrap())).await
    }

    /// A tenant whose owner has an address that is proven, and a cookie to ask routes with.
    async fn member(house: &Entitlement, operator: bool) -> (Self, String) {
        Self::of(house, NEW).await.joined(operator, "").await
    }

    /// Somebody else at the same stand-in, who comes with these cookies.
    async fn joined(&self, operator: bool, before: &str) -> (Self, String) {
        let mut shop = Self {
            room: self.room.clone(),
            router: self.router.clone(),
            caller: self.caller.clone(),
            stripe: self.stripe.clone(),
            email: String::new(),
        };
        let room = &shop.room.identity;
        let meta = RequestMeta::of_the_house("req_test");
        let email = format!("{}@example.test", room.cx.ids.new_id::<Uuid>().simple());
        let new = identity::NewUser {
            email: email.clone(),
            password: PASSWORD.into(),
            display_name: Some("千鳥".to_owned()),
            locale: kernel::Lang::Ja,
        };
        let principal = identity::add_user(room, new, operator, &meta)
            .await
            .unwrap();
        let signed_in = identity::sign_in(room, &email, PASSWORD.into(), None, &meta).await;
        let new = match signed_in.unwrap() {
            identity::SignedIn::Session(new) => Some(new),
            identity::SignedIn::Waiting { .. } => None,
        };
        let new = new.unwrap();
        let cookies = shop.sign_in(&email, before).await;
        shop.caller = Caller::from(new.session);
        shop.email = email;
        assert_eq!(shop.caller.principal.tenant, principal.tenant);
        (shop, cookies)
    }

    /// The cookies of a new session.
    async fn sign_in(&self, email: &str, before: &str) -> String {
        let room = self.room.identity.clone();
        let (router, _) = identity::router().with_state(room).split_for_parts();
        let router: Router = router;
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        let request = Request::post("/auth/login")
            .header("content-type", "application/json")
            .header("cookie", before)
            .body(Body::from(body))
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.status());
        let cookies: Vec<&str> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
            .collect();
        cookies.join("; ")
    }

    /// Asks a route of the room's.
    async fn ask(
        &self,
        cookies: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("cookie", cookies);
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        // the words are written at the border of the house, which is not here
        if let Some(problem) = answer.extensions().get::<api::Problem>() {
            return (status, json!({ "code": problem.code }));
        }
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    async fn order(&self, cookies: &str, plan: &str) -> (u16, Value) {
        let wish = json!({ "storefront": "narai", "plan": plan });
        self.ask(cookies, "POST", "/billing/orders", Some(wish))
            .await
    }

    /// Moves both clocks on.
    fn wait(&self, test: &TestCtx, time: Duration) {
        test.time.advance(time);
        self.stripe.advance(time.num_seconds());
    }

    async fn post(&self, body: &str, signature: Option<&str>) -> StatusCode {
        let mut request = Request::post("/webhooks/stripe")
            .header("content-type", "application/json; charset=utf-8");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        answer.status()
    }

    /// Brings every event that there is so far, and works on what is due.
    async fn catch_up(&self) {
        for event in self.stripe.events(false) {
            assert_eq!(self.deliver(&event).await, StatusCode::OK);
        }
        self.work().await;
    }

    async fn work(&self) {
        billing::process_due(&self.room, 1000).await.unwrap();
    }

    async fn standing(&self) -> Standing {
        let by = self.caller.principal;
        let mut tx = self.room.cx.db.begin(by.scope()).await.unwrap();
        let catalogue = self.room.entitlement.catalogue.now();
        let now = self.room.cx.clock.now();
        entitlement::plan_of(&mut tx, &catalogue, by, "narai", now)
            .await
            .unwrap()
    }

    /// The plan and how the tenant stands.
    async fn plan(&self) -> (String, &'static str) {
        let standing = self.standing().await;
        (standing.plan.id, standing.status.as_str())
    }

    /// available, held, spent
    async fn tickets(&self) -> [i64; 3] {
        let by = self.caller.principal;
        let cx = &self.room.cx;
        let mut tx = cx.db.begin(by.scope()).await.unwrap();
        let stock = ledger::stock(&mut tx, by.tenant, UNIT, cx.clock.now())
            .await
            .unwrap();
        [stock.available, stock.held, stock.spent]
    }

    /// Sets tickets aside.
    async fn hold(&self, amount: i64) -> ledger::HoldId {
        let cx = &self.room.cx;
        let by = self.caller.principal;
        let id: ledger::HoldId = cx.ids.new_id();
        let hold = ledger::NewHold {
            id,
            tenant: by.tenant,
            unit: UNIT,
            amount,
            reference: "lesson",
            expires_at: cx.clock.now() + Duration::minutes(30),
        };
        let mut tx = cx.db.begin(by.scope()).await.unwrap();
        ledger::hold(&mut tx, cx, &hold).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn spend(&self, amount: i64) {
        let id = self.hold(amount).await;
        let cx = &self.room.cx;
        let mut tx = cx.db.begin(self.caller.principal.scope()).await.unwrap();
        ledger::settle(&mut tx, cx, id, amount).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// How many events are in which state.
async fn states(test: &TestCtx) -> Vec<(String, i64)> {
    let mut owner = test.database.owner().await;
    sqlx::query_as("select state, count(*) from billing.event group by state order by state")
        .fetch_all(&mut owner)
        .await
        .unwrap()
}

/// The templates of the letters that were posted, by name: the clock stands still between some.
async fn letters(test: &TestCtx) -> Vec<String> {
    let mut owner = test.database.owner().await;
    sqlx::query_scalar(
        "select template from mail.letter where template <> 'new_device' order by template",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap()
}

/// amount, refunded, dispute, debt of each payment.
async fn payments(test: &TestCtx, shop: &Shop) -> Vec<(i64, i64, Option<String>, Option<i64>)> {
    let mut owner = test.database.owner().await;
    sqlx::query_as(
        "select p.amount, p.refunded, p.dispute, g.debt from billing.payment p
         left join billing.payment_grant g on g.payment_id = p.id where p.tenant_id = $1 order by p.paid_at, p.invoice",
    )
    .bind(shop.caller.principal.tenant.0)
    .fetch_all(&mut owner)
    .await
    .unwrap()
}

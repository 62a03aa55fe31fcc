//! The stand-in for Stripe: customers, hosted checkout and portal, subscriptions, invoices, refunds, disputes, signed events.
//!
//! It takes no money and says so on each page. It judges what it is asked as Stripe would: an unknown parameter, a missing
//! key, a key that was used for something else are refused, and a call that changes something without an `Idempotency-Key`
//! is noted under `GET /sandbox/flags`. It answers in the shape of the version that it is asked in.
//!
//! | control | what happens |
//! |---|---|
//! | `POST /sandbox/clock` `seconds=`, `days=`, `months=` | time goes on: periods renew, cancellations take effect |
//! | `POST /sandbox/faults` `copies=` `drop=` `delay_ms=` `reverse=` `shape=` | events come so often, or every n-th never, late, in the wrong order, in the `old` shape or `both` |
//! | `POST /sandbox/card` `customer=` `fails=true` `fingerprint=` | from now on the card is declined, or is this one |
//! | `POST /sandbox/disputes` `charge=` `status=` | the card's holder disputes, or the dispute changes |
//! | `POST /sandbox/unpaid` `subscription=` | the tries are over: `past_due` becomes `unpaid` |
//! | `POST /sandbox/delivery` `to=` `secret=` | where events go from now on; empty: nowhere |

mod books;
mod control;
mod events;
mod faults;
mod hosted;
mod http;
mod shape;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::Router;

use books::Books;

pub use events::signature;
pub use faults::{DeliveryFaults, HeldRead};

/// A price that the shop sells, each month or once.
#[derive(Clone, Debug)]
pub struct StripePrice {
    pub id: String,
    /// In yen.
    pub amount: i64,
    /// What the hosted pages call it.
    pub title: String,
    /// Whether it is paid once, and not each month.
    pub once: bool,
}

/// How the stand-in is set up.
#[derive(Clone, Debug, Default)]
pub struct StripeConfig {
    pub prices: Vec<StripePrice>,
    /// Its own address, which the hosted pages' addresses begin with.
    pub base_url: String,
    /// Where events go, and what they are signed with; none: nowhere, they can be listed.
    pub events: Option<(String, String)>,
    /// Where it remembers things over a restart.
    pub file: Option<PathBuf>,
    /// Where its clock stands until it is moved, in seconds since 1970; none: it goes as the machine's.
    pub stands_at: Option<i64>,
    /// The key that callers must bring.
    pub secret_key: String,
}

/// The stand-in.
#[derive(Clone)]
pub struct StripeDouble(Arc<Inner>);

struct Inner {
    config: StripeConfig,
    books: Mutex<Books>,
    events: Mutex<Option<(String, String)>>,
    faults: Mutex<faults::Faults>,
    /// Those who change something under a key stand in it.
    line: Mutex<()>,
    /// Made when the first event is sent: it reads every authority's certificate.
    http: OnceLock<Option<reqwest::Client>>,
}

impl StripeDouble {
    /// Opens the books, those of before if they were kept.
    pub fn open(config: StripeConfig) -> Self {
        let mut books = Books::open(config.file.clone());
        books.stands_at = config.stands_at;
        books.base.clone_from(&config.base_url);
        books.key.clone_from(&config.secret_key);
        Self(Arc::new(Inner {
            events: Mutex::new(config.events.clone()),
            faults: Mutex::default(),
            line: Mutex::default(),
            books: Mutex::new(books),
            config,
            http: OnceLock::new(),
        }))
    }

    fn client(&self) -> Option<&reqwest::Client> {
        let client = self.0.http.get_or_init(|| {
            let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10));
            client.build().ok()
        });
        client.as_ref()
    }

    /// What it answers.
    pub fn router(&self) -> Router {
        http::router()
            .merge(hosted::router())
            .merge(control::router())
            .with_state(self.clone())
    }

    /// All events so far as they would be sent, the oldest first; in the shape before 2025-03-31 if so wished.
    pub fn events(&self, old: bool) -> Vec<String> {
        self.events_after(0, old)
    }

    /// As [`Self::events`], without so many of the oldest.
    pub fn events_after(&self, known: usize, old: bool) -> Vec<String> {
        let books = self.books();
        let events = books.all("event").skip(known);
        events
            .map(|event| shape::event(event, old).to_string())
            .collect()
    }

    /// Gives money of the newest charge back, all of it unless said; says whether there was so much.
    pub fn refund_newest(&self, amount: Option<i64>) -> bool {
        let newest = self.newest("charge");
        newest.is_some_and(|charge| self.write(|books| books.refund(&charge, amount)).is_some())
    }

    /// Disputes the newest charge, or moves its dispute on.
    pub fn dispute_newest(&self, status: &str) {
        if let Some(charge) = self.newest("charge") {
            self.write(|books| books.dispute(&charge, status));
        }
    }

    /// Tells the newest subscription to end with its period, or not to.
    pub fn cancel_newest(&self, wanted: bool) {
        if let Some(id) = self.newest("subscription") {
            self.write(|books| books.cancel_at_period_end(&id, wanted));
        }
    }

    /// Ends the newest subscription at once.
    pub fn end_newest(&self) {
        if let Some(id) = self.newest("subscription") {
            self.write(|books| {
                let now = books.now();
                books.end(&id, now);
            });
        }
    }

    /// The id of the newest object of a kind, such as `subscription`.
    pub fn newest(&self, kind: &str) -> Option<String> {
        let books = self.books();
        let mut all = books.all(kind);
        all.next_back().map(|object| books::text(object, "id"))
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        self.books().all(kind).count()
    }

    /// Mistakes of callers that Stripe would let pass.
    pub fn flags(&self) -> Vec<String> {
        self.books().flags.clone()
    }

    /// Its own address.
    pub fn base(&self) -> String {
        self.0.config.base_url.clone()
    }

    /// Where events go from now on.
    pub fn deliver_to(&self, to: Option<(String, String)>) {
        *self.0.events.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn line(&self) -> MutexGuard<'_, ()> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn price(&self, id: &str) -> Option<&StripePrice> {
        self.0.config.prices.iter().find(|price| price.id == id)
    }

    /// Does something with the books, keeps them, and sends the events that came of it.
    fn write<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        let (done, new) = {
            let mut books = self.books();
            let done = act(&mut books);
            books.keep();
            (done, books.take_new_events())
        };
        events::send(self, new);
        done
    }
}

impl std::fmt::Debug for StripeDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeDouble").finish_non_exhaustive()
    }
}

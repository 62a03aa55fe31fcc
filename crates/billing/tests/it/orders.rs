use std::sync::Arc;

use tokio::sync::Semaphore;

use super::*;

const ROUNDS: u64 = 500;
/// So many go on beside each other, each in a database of its own: whoever finds an event works on it.
const LANES: u64 = 4;

/// Numbers by chance, the same in each run of a round.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// status, price, end of the period, when it ends
type Known = (String, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// What there is in the end.
async fn state(test: &TestCtx, shop: &Shop) -> String {
    let mut owner = test.database.owner().await;
    let subscriptions: Vec<Known> = sqlx::query_as(
        "select status, price, period_end, cancel_at from billing.subscription where tenant_id = $1 order by created_at",
    )
    .bind(shop.caller.principal.tenant.0)
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let standing = shop.standing().await;
    format!(
        "{subscriptions:?} {:?} {:?} {:?} {:?}",
        payments(test, shop).await,
        shop.tickets().await,
        (standing.plan.id, standing.status, standing.expires_at),
        ledger_sums(test, shop).await,
    )
}

async fn ledger_sums(test: &TestCtx, shop: &Shop) -> Vec<(String, i64)> {
    let mut tx = test
        .cx
        .db
        .begin(shop.caller.principal.scope())
        .await
        .unwrap();
    let balances = ledger::balances(&mut tx, shop.caller.principal.tenant, UNIT)
        .await
        .unwrap();
    balances
        .into_iter()
        .map(|one| (one.account, one.balance))
        .collect()
}

/// A month and a half in which everything happens, with events coming in between as `dice` says.
async fn live(shop: &Shop, dice: &mut Dice) {
    let mut told = Told::default();
    shop.buy().await;
    for step in 0..6 {
        match step {
            0 => shop.stripe.decline(&shop.customer(), true),
            1 => shop.stripe.advance(31 * 86_400),
            2 => shop.stripe.decline(&shop.customer(), false),
            3 => assert!(shop.stripe.refund_newest(Some(1490))),
            4 => shop.stripe.cancel_newest(true),
            _ => shop.stripe.dispute_newest("warning_needs_response"),
        }
        if dice.roll(2) == 0 {
            let mut some = told.mixed(shop, dice);
            some.truncate(6);
            bring(shop, some).await;
        }
    }
    let all = told.mixed(shop, dice);
    bring(shop, all).await;
    shop.work().await;
}

/// What happened so far, as it is told in each shape.
#[derive(Default)]
struct Told([Vec<Arc<str>>; 2]);

impl Told {
    /// Every event one to five times, in both shapes, in any order.
    fn mixed(&mut self, shop: &Shop, dice: &mut Dice) -> Vec<Arc<str>> {
        for (known, old) in self.0.iter_mut().zip([false, true]) {
            let more = shop.stripe.events_after(known.len(), old);
            known.extend(more.into_iter().map(Arc::from));
        }
        let [new, old] = &self.0;
        let mut all = Vec::new();
        for (new, old) in new.iter().zip(old) {
            for _ in 0..=dice.roll(5) {
                all.push(Arc::clone(if dice.roll(2) == 0 { new } else { old }));
            }
        }
        for place in (1..all.len()).rev() {
            let other = usize::try_from(dice.roll(u64::try_from(place + 1).unwrap())).unwrap();
            all.swap(place, other);
        }
        all
    }
}

/// Eight senders at once, and two nodes that work meanwhile.
async fn bring(shop: &Shop, events: Vec<Arc<str>>) {
    let senders = Arc::new(Semaphore::new(8));
    let brought = events.iter().map(|event| {
        let senders = Arc::clone(&senders);
        async move {
            let _permit = senders.acquire().await.unwrap();
            assert_eq!(shop.deliver(event).await, StatusCode::OK);
        }
    });
    let sending = futures::future::join_all(brought);
    tokio::join!(sending, shop.work(), shop.work());
}

/// Plays every round of a lane, and returns what there was at the end of each. Each has a tenant and a stand-in of its own;
/// the room is the lane's, since making its client and its routes takes longer than a round.
async fn play(lane: u64) -> Vec<(u64, String)> {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let counter = Counter::open().await;
    let rooms = [NEW, OLD].map(|version| opened(&house, &counter.base, version));
    let mut ends = Vec::new();
    for round in (1..=ROUNDS).filter(|round| round % LANES == lane) {
        let [new, old] = &rooms;
        let (room, router) = if (round / LANES).is_multiple_of(2) {
            new
        } else {
            old
        };
        let stripe = counter.next(house.cx.clock.now()).await;
        let shop = Shop::at(room.clone(), router.clone(), stripe).await;
        live(&shop, &mut Dice(round.wrapping_mul(0x9e37_79b9_7f4a_7c15))).await;
        ends.push((round, state(&test, &shop).await));
    }
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    let dead = billing::list_dead(&test.cx, 10).await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_a_months_events_ends_in_one_state() {
    let played = futures::future::join_all((0..LANES).map(play)).await;
    let ends: Vec<(u64, String)> = played.into_iter().flatten().collect();
    assert_eq!(u64::try_from(ends.len()).unwrap(), ROUNDS);
    let (_, first) = &ends[0];
    assert!(first.contains("1490"), "the month had a refund");
    for (round, end) in &ends {
        assert_eq!(end, first, "round {round}");
    }
}

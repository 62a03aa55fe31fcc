//! Entitlement on a real server: plans, and reservations that are exact.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod budgets;
mod leases;
mod members;
mod one_off;
mod plans;
mod reservations;

use chrono::Duration;
use db::Ctx;
use entitlement::{
    Catalogue, Direction, Entitlement, Error, Outcome, PlanFile, Reservation, Usage, Work,
};
use identity::{Identity, Principal, RequestMeta, UserId};

const UNIT: &str = "misaki.chat";

/// A plan file with one plan for guests.
fn plan_file(per_minute: u32, concurrent: u32, amount: u32) -> PlanFile {
    let text = format!(
        r#"[[plan]]
        storefront = "misaki"
        id = "guest"
        default_for = "guest"
        title = {{ ja = "ゲスト", en = "Guest" }}
        price_yen = 0
        limits = {{ per_minute = {per_minute}, concurrent = {concurrent} }}
        grants = [{{ unit = "misaki.chat", amount = {amount}, every = "day" }}]
        routes = {{ "misaki.chat" = "small" }}
        [[plan]]
        storefront = "misaki"
        id = "paid"
        title = {{ ja = "有料", en = "Paid" }}
        price_yen = 980
        limits = {{ per_minute = 1000, concurrent = 100 }}
        grants = [{{ unit = "misaki.chat", amount = 1000, every = "month" }}]
        routes = {{ "misaki.chat" = "large" }}"#
    );
    PlanFile::parse(&text).unwrap()
}

/// The room on a database whose plans are applied.
async fn open(cx: &Ctx, plans: &PlanFile) -> Entitlement {
    let identity = Identity::open(cx.clone(), identity::Config::at("https://noren.example"))
        .await
        .unwrap();
    entitlement::apply(cx, plans).await.unwrap();
    let catalogue = Catalogue::load(cx).await.unwrap();
    Entitlement::open(cx.clone(), identity, catalogue, "http://localhost")
}

async fn guest(room: &Entitlement) -> Principal {
    let meta = RequestMeta::of_the_house("req_test");
    identity::guest(&room.identity, &meta)
        .await
        .unwrap()
        .session
        .principal
}

/// One unit's worth of work.
fn work(room: &Entitlement) -> Work<'static> {
    Work {
        storefront: "misaki",
        unit: UNIT,
        amount: 1,
        reference: "run_test",
        lease_until: room.cx.clock.now() + Duration::seconds(15),
        daily_cap: None,
        daily_cost: None,
        member: None,
    }
}

async fn reserve(room: &Entitlement, caller: Principal) -> Result<Reservation, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let work = work(room);
    let reservation = entitlement::reserve(&mut tx, room, caller, &work).await?;
    tx.commit().await?;
    reservation.confirm();
    Ok(reservation)
}

async fn settle(
    room: &Entitlement,
    caller: Principal,
    reservation: &Reservation,
    amount: i64,
) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let settled = entitlement::settle(&mut tx, room, reservation.id, &usage(amount)).await?;
    tx.commit().await?;
    settled.done();
    Ok(())
}

fn usage(amount: i64) -> Usage {
    Usage {
        amount,
        model: "m".to_owned(),
        tokens_in: 3,
        tokens_out: 5,
        cost_nano_usd: 7,
        outcome: if amount > 0 {
            Outcome::Completed
        } else {
            Outcome::Failed
        },
    }
}

/// Work that is over when it is first written, and so has no reservation.
async fn write_over(room: &Entitlement, caller: Principal, member: Option<UserId>) {
    let work = Work {
        member,
        ..work(room)
    };
    let admission = entitlement::admit(room, caller, &work).await.unwrap();
    let used = usage(1);
    let mut tx = room.begin_metered("test").await.unwrap();
    let recorded = entitlement::record_each(&mut tx, room, &[(&admission, Some(&used))])
        .await
        .unwrap();
    assert_eq!(recorded, [admission.reservation.id]);
    let settled = entitlement::settle_each(&mut tx, room, &[], &[(&admission, &used)])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    settled.done();
}

/// available, held, spent
async fn stock(room: &Entitlement, caller: Principal) -> [i64; 3] {
    let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
    let stock = ledger::stock(&mut tx, caller.tenant, UNIT, room.cx.clock.now())
        .await
        .unwrap();
    [stock.available, stock.held, stock.spent]
}

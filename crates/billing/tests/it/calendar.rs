use super::{orders::Dice, *};

const MONTHS: u32 = 24;

/// Brings what is new, and works on it; at times the node dies in the middle, and another goes on after its lease.
async fn a_month(test: &TestCtx, shop: &Shop, brought: &mut usize, dice: &mut Dice) {
    let events = shop.stripe.events(dice.roll(2) == 0);
    for event in events.iter().skip(*brought) {
        for _ in 0..=dice.roll(2) {
            assert_eq!(shop.deliver(event).await, StatusCode::OK);
        }
    }
    *brought = events.len();
    if dice.roll(3) == 0 {
        let path = if dice.roll(2) == 0 {
            "subscriptions/"
        } else {
            "invoices/"
        };
        let held = shop.stripe.hold_next_read(path);
        let room = shop.room.clone();
        let node = tokio::spawn(async move { billing::process_due(&room, 1000).await });
        held.reached().await;
        node.abort();
        assert!(node.await.unwrap_err().is_cancelled());
        held.release();
        test.time.advance(Duration::seconds(91));
    }
    shop.work().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_years_of_months_grant_once_per_paid_invoice_and_expire_once_per_lot() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut shops = Vec::new();
    // the last days of January at midnight in Japan, so that two Februaries come, one of them with 29 days
    for day in [29, 30, 31] {
        let start: DateTime<Utc> = format!("2027-01-{day}T15:00:00Z").parse().unwrap();
        test.time.advance(start - test.cx.clock.now());
        let shop = Shop::of(&house, NEW).await;
        shop.buy().await;
        shops.push((shop, start, 0));
    }
    for month in 0..=MONTHS {
        let first: DateTime<Utc> = "2027-02-01T16:00:00Z".parse().unwrap();
        let to = first
            .checked_add_months(chrono::Months::new(month))
            .unwrap();
        test.time.advance(to - test.cx.clock.now());
        for (shop, start, brought) in &mut shops {
            let seconds = (to - *start).num_seconds();
            shop.stripe.stand_at(start.timestamp() + seconds);
            a_month(&test, shop, brought, &mut dice).await;
        }
        ledger::expire_due(&test.cx, 100).await.unwrap();
        ledger::expire_due(&test.cx, 100).await.unwrap();
    }
    let mut owner = test.database.owner().await;
    for (shop, start, _) in &shops {
        let tenant = shop.caller.principal.tenant.0;
        let invoices = shop.stripe.count("invoice");
        assert_eq!(invoices, usize::try_from(MONTHS).unwrap() + 1, "{start}");
        let expected = i64::try_from(invoices).unwrap();
        let found: (i64, i64, i64, i64, i64) = sqlx::query_as(
            "select (select count(*) from billing.payment where tenant_id = $1),
                    (select count(*) from billing.receipt where tenant_id = $1),
                    (select count(*) from ledger.transfer where tenant_id = $1 and kind = 'grant'),
                    (select count(*) from ledger.transfer where tenant_id = $1 and kind = 'expire'),
                    (select count(distinct e.lot_id) from ledger.entry e join ledger.transfer t on t.id = e.transfer_id
                     where t.tenant_id = $1 and t.kind = 'expire')",
        )
        .bind(tenant)
        .fetch_one(&mut owner)
        .await
        .unwrap();
        assert_eq!(
            found,
            (expected, expected, expected, expected - 1, expected - 1),
            "{start}"
        );
        let day = start.format("%d").to_string();
        let end = shop.standing().await.expires_at.unwrap();
        assert_eq!(
            end,
            "2029-02-28T15:00:00Z".parse::<DateTime<Utc>>().unwrap(),
            "{day}"
        );
        assert_eq!(shop.tickets().await, [4, 0, 0]);
    }
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn one_customers_clock_moves_no_other() {
    let test = testkit::context().await;
    let (one, _) = Shop::member(&house(&test.cx).await, false).await;
    one.buy().await;
    let first = one.customer();
    let (two, _) = one.joined(false, "").await;
    two.buy().await;
    one.catch_up().await;
    assert!(!one.stripe.advance_customer("cus_nobody", 1));
    assert!(one.stripe.advance_customer(&first, 70 * 86_400));
    one.catch_up().await;
    // two more months of one of them are paid
    assert_eq!(one.tickets().await, [12, 0, 0]);
    assert_eq!(two.tickets().await, [4, 0, 0]);
    // the clock of all moves both
    one.wait(&test, Duration::days(32));
    one.catch_up().await;
    assert_eq!(one.stripe.count("invoice"), 3 + 1 + 1 + 1);
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

use super::*;

#[tokio::test]
async fn units_are_held_spent_and_given_back_to_the_lots_they_came_from() {
    let test = testkit::context().await;
    let (cx, t) = (&test.cx, tenant(&test).await);
    let soon = Some(cx.clock.now() + Duration::hours(1));
    grant(cx, t, Uuid::from_u128(1), 3, None).await.unwrap();
    grant(cx, t, Uuid::from_u128(2), 2, soon).await.unwrap();
    let id = hold(cx, t, 4).await.unwrap();
    assert_eq!(balances(cx, t).await, [1, 4, 0, 0, -5]);
    settle(cx, t, id, 3).await.unwrap();
    assert_eq!(balances(cx, t).await, [2, 0, 3, 0, -5]);
    let mut owner = test.database.owner().await;
    let left: Vec<i64> = sqlx::query_scalar("select available from ledger.lot order by id")
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert_eq!(left, [2, 0], "the lot that expires first was used up first");
    assert!(matches!(settle(cx, t, id, 1).await, Err(Error::HoldClosed)));
    assert!(matches!(release(cx, t, id).await, Err(Error::HoldClosed)));
    assert_books_are_right(cx).await;
}

#[tokio::test]
async fn a_grant_is_posted_once_and_its_id_is_never_reused() {
    let test = testkit::context().await;
    let (cx, t, other) = (&test.cx, tenant(&test).await, tenant(&test).await);
    let id = Uuid::from_u128(7);
    grant(cx, t, id, 5, None).await.unwrap();
    grant(cx, t, id, 5, None).await.unwrap();
    assert!(matches!(
        grant(cx, t, id, 6, None).await,
        Err(Error::TransferMismatch)
    ));
    assert!(
        grant(cx, other, id, 5, None).await.is_err(),
        "nor by another tenant"
    );
    assert_eq!(balances(cx, t).await, [5, 0, 0, 0, -5]);
    assert_eq!(balances(cx, other).await, [0; 5]);
}

#[tokio::test]
async fn amounts_at_the_edges_are_refused_without_a_trace() {
    let test = testkit::context().await;
    let (cx, t) = (&test.cx, tenant(&test).await);
    for amount in [0, -1, i64::MIN] {
        assert!(
            matches!(
                grant(cx, t, Uuid::from_u128(1), amount, None).await,
                Err(Error::BadAmount)
            ),
            "{amount}"
        );
        assert!(
            matches!(hold(cx, t, amount).await, Err(Error::BadAmount)),
            "{amount}"
        );
    }
    assert!(matches!(
        hold(cx, t, 1).await,
        Err(Error::Insufficient { available: 0 })
    ));
    grant(cx, t, Uuid::from_u128(2), i64::MAX, None)
        .await
        .unwrap();
    assert!(hold(cx, t, i64::MAX).await.is_ok());
    assert!(matches!(
        hold(cx, t, 1).await,
        Err(Error::Insufficient { available: 0 })
    ));
    assert_books_are_right(cx).await;
}

#[tokio::test]
async fn what_expires_is_written_off_once_and_a_late_release_follows_it() {
    let test = testkit::context().await;
    let (cx, t) = (&test.cx, tenant(&test).await);
    grant(
        cx,
        t,
        Uuid::from_u128(1),
        5,
        Some(cx.clock.now() + Duration::seconds(30)),
    )
    .await
    .unwrap();
    let id = hold(cx, t, 2).await.unwrap();
    test.time.advance(Duration::seconds(30));
    assert!(
        matches!(
            hold(cx, t, 1).await,
            Err(Error::Insufficient { available: 0 })
        ),
        "an expired lot gives nothing"
    );
    assert_eq!(ledger::expire_due(cx, 10).await.unwrap(), 1);
    assert_eq!(ledger::expire_due(cx, 10).await.unwrap(), 0);
    assert_eq!(balances(cx, t).await, [0, 2, 0, 3, -5]);
    release(cx, t, id).await.unwrap();
    assert_eq!(balances(cx, t).await, [0, 0, 0, 5, -5]);
    assert_books_are_right(cx).await;
}

#[tokio::test]
async fn a_forgotten_hold_lapses_by_itself() {
    let test = testkit::context().await;
    let (cx, t) = (&test.cx, tenant(&test).await);
    grant(cx, t, Uuid::from_u128(1), 5, None).await.unwrap();
    let id = hold(cx, t, 2).await.unwrap();
    assert_eq!(ledger::lapse_due(cx, 10).await.unwrap(), 0);
    test.time.advance(Duration::minutes(1));
    assert_eq!(ledger::lapse_due(cx, 10).await.unwrap(), 1);
    assert!(matches!(settle(cx, t, id, 1).await, Err(Error::HoldClosed)));
    assert_eq!(balances(cx, t).await, [5, 0, 0, 0, -5]);
}

#[tokio::test]
async fn the_database_refuses_to_change_or_unbalance_the_books() {
    let test = testkit::context().await;
    let (cx, t) = (&test.cx, tenant(&test).await);
    grant(cx, t, Uuid::from_u128(1), 5, None).await.unwrap();
    for statement in [
        "update ledger.entry set amount = 9",
        "delete from ledger.entry",
        "truncate ledger.entry",
        "update ledger.transfer set amount = 9",
        "update ledger.lot set available = 9",
    ] {
        let mut tx = begin(cx, t).await;
        let refused = sqlx::query(statement).execute(&mut *tx).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().unwrap().code().unwrap(),
            "42501",
            "{statement}"
        );
    }
    let mut owner = test.database.owner().await;
    let refused = sqlx::query("delete from ledger.entry")
        .execute(&mut owner)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("append-only"),
        "not even the owner: {refused}"
    );

    for statement in [
        // one leg
        "insert into ledger.entry select gen_random_uuid(), account_id, lot_id, tenant_id, unit, 1, now() from ledger.entry limit 1",
        "insert into ledger.entry select t.id, a.id, l.id, t.tenant_id, t.unit, 1, now()
         from ledger.transfer t, ledger.account a, ledger.lot l where a.kind = 'held'",
        // units that were never spent
        "insert into ledger.entry select t.id, a.id, l.id, t.tenant_id, t.unit, case a.kind when 'held' then 9 else -9 end, now()
         from ledger.transfer t, ledger.account a, ledger.lot l where a.kind in ('held', 'spent')",
        // more than the lot was
        "insert into ledger.entry select gen_random_uuid(), a.id, l.id, l.tenant_id, l.unit, case a.kind when 'available' then 1 else -1 end, now()
         from ledger.account a, ledger.lot l where a.kind in ('issued', 'available')",
    ] {
        let mut tx = begin(cx, t).await;
        assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
    }
    assert_eq!(balances(cx, t).await, [5, 0, 0, 0, -5]);
}

#[tokio::test]
async fn verification_finds_a_single_unit_of_drift() {
    let test = testkit::context().await;
    let (cx, t) = (&test.cx, tenant(&test).await);
    grant(cx, t, Uuid::from_u128(1), 5, None).await.unwrap();
    assert_books_are_right(cx).await;
    let mut owner = test.database.owner().await;
    sqlx::query("alter table ledger.lot drop constraint lot_parts_are_the_whole")
        .execute(&mut owner)
        .await
        .unwrap();
    sqlx::query("update ledger.lot set available = 4")
        .execute(&mut owner)
        .await
        .unwrap();
    let drifts = ledger::verify(cx).await.unwrap();
    assert_eq!(drifts.len(), 1);
    assert_eq!(
        (drifts[0].rule.as_str(), drifts[0].expected, drifts[0].found),
        ("a lot's available is its entries' sum", 5, 4)
    );
}

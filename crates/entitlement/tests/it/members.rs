use futures::future::join_all;
use identity::UserId;

use super::{budgets::settle_costing, *};

/// A person whose work may come to so much in a month.
async fn member(test: &testkit::TestCtx, tenant: Principal, unit: &str, monthly: i64) -> UserId {
    let mut owner = test.database.owner().await;
    let user: UserId = test.cx.ids.new_id();
    sqlx::query("insert into identity.app_user (id, display_name, locale, created_at) values ($1, 'M', 'ja', $2)")
        .bind(user.0)
        .bind(test.cx.clock.now())
        .execute(&mut owner)
        .await
        .unwrap();
    limit(test, tenant, user, unit, monthly).await;
    user
}

async fn limit(test: &testkit::TestCtx, tenant: Principal, user: UserId, unit: &str, monthly: i64) {
    sqlx::query(
        "insert into entitlement.member_budget (tenant_id, user_id, unit, monthly, changed_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, user_id, unit) do update set monthly = $4",
    )
    .bind(tenant.tenant.0)
    .bind(user.0)
    .bind(unit)
    .bind(monthly)
    .bind(test.cx.clock.now())
    .execute(&mut test.database.owner().await)
    .await
    .unwrap();
}

/// Asks for work in a member's name that costs at most so much.
async fn reserve_for(
    room: &Entitlement,
    caller: Principal,
    member: UserId,
    most: i64,
) -> Result<Reservation, Error> {
    let work = Work {
        storefront: "misaki",
        unit: UNIT,
        amount: 1,
        reference: "run_test",
        lease_until: room.cx.clock.now() + Duration::seconds(15),
        daily_cap: None,
        daily_cost: None,
        member: Some(member),
    };
    for _ in 0..entitlement::TRIES {
        let admission = entitlement::admit(room, caller, &work).await?;
        let admission = admission.costing(|| most);
        let mut tx = room.cx.db.begin(caller.scope()).await?;
        let recorded = entitlement::record(&mut tx, room, caller, &work, admission).await?;
        tx.commit().await?;
        if let Some(reservation) = recorded {
            reservation.confirm();
            return Ok(reservation);
        }
    }
    Err(Error::LeasesUnsettled)
}

/// The work that is admitted of so many pieces at once, by turns at both nodes.
async fn admitted(
    rooms: [&Entitlement; 2],
    caller: Principal,
    member: UserId,
    wanted: usize,
) -> Vec<Reservation> {
    let [one, other] = rooms;
    let tried = join_all((0..wanted).map(|n| async move {
        let room = if n.is_multiple_of(2) { one } else { other };
        match reserve_for(room, caller, member, 100).await {
            Ok(held) => Some(held),
            Err(Error::MemberBudgetReached { .. } | Error::MemberCostReached { .. }) => None,
            Err(error) => unreachable!("{error}"),
        }
    }))
    .await;
    tried.into_iter().flatten().collect()
}

#[tokio::test]
async fn what_a_member_may_use_is_kept_to_the_unit_at_two_nodes() {
    let test = testkit::context().await;
    let plans = plan_file(100_000, 1000, 1000);
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let (one, two) = (open(&test.cx, &plans).await, open(&other, &plans).await);
    let caller = guest(&one).await;
    let limited = member(&test, caller, UNIT, 12).await;
    let free = member(&test, caller, "genai.chat", 0).await;

    let held = admitted([&one, &two], caller, limited, 24).await;
    assert_eq!(held.len(), 12);
    assert_eq!(
        admitted([&one, &two], caller, free, 24).await.len(),
        24,
        "another member, and another storefront's limit"
    );
    let waits = reserve_for(&one, caller, limited, 0).await.unwrap_err();
    assert!(
        matches!(
            waits,
            Error::MemberBudgetReached {
                retry_after_secs: 1,
                ..
            }
        ),
        "what is under way may be given back: {waits}"
    );
    // two failed and are given back: there is room for two, and for no third
    for (n, reservation) in held.iter().enumerate() {
        settle(&two, caller, reservation, i64::from(n >= 2))
            .await
            .unwrap();
    }
    for reservation in admitted([&one, &two], caller, limited, 4).await {
        settle(&one, caller, &reservation, 1).await.unwrap();
    }
    let refused = reserve_for(&two, caller, limited, 0).await.unwrap_err();
    let Error::MemberBudgetReached {
        unit,
        monthly,
        retry_after_secs,
    } = refused
    else {
        unreachable!("{refused}");
    };
    assert_eq!((unit.as_str(), monthly), (UNIT, 12));
    // from the 20th of November, 18:00, to the month's end in Japan
    assert_eq!(retry_after_secs, (10 * 24 + 6) * 3600 + 1);

    // raised, it holds at once
    limit(&test, caller, limited, UNIT, 13).await;
    reserve_for(&two, caller, limited, 0).await.unwrap();
    reserve_for(&one, caller, limited, 0).await.unwrap_err();
}

#[tokio::test]
async fn what_a_member_did_before_there_was_a_limit_counts_also_where_it_has_no_reservation() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100, 100, 1000)).await;
    let caller = guest(&room).await;
    let user = member(&test, caller, "genai.chat", 0).await;
    for _ in 0..3 {
        write_over(&room, caller, Some(user)).await;
    }
    limit(&test, caller, user, UNIT, 3).await;
    // whoever sets a limit marks the leases stale
    test.time.advance(Duration::seconds(30));
    let refused = reserve_for(&room, caller, user, 0).await.unwrap_err();
    assert!(
        matches!(refused, Error::MemberBudgetReached { monthly: 3, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_members_month_begins_anew() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100, 100, 100)).await;
    let caller = guest(&room).await;
    let limited = member(&test, caller, UNIT, 1).await;
    reserve_for(&room, caller, limited, 0).await.unwrap();
    reserve_for(&room, caller, limited, 0).await.unwrap_err();
    test.time.advance(Duration::hours(10 * 24 + 7));
    let next = test.another_node().await;
    let room = open(
        &Ctx::new(next, test.cx.clock.clone()),
        &plan_file(100, 100, 100),
    )
    .await;
    reserve_for(&room, caller, limited, 0).await.unwrap();
}

#[tokio::test]
async fn what_a_members_work_may_cost_is_kept_to_at_two_nodes() {
    let test = testkit::context().await;
    let plans = plan_file(100_000, 1000, 1000);
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let (one, two) = (open(&test.cx, &plans).await, open(&other, &plans).await);
    let caller = guest(&one).await;
    let limited = member(&test, caller, "misaki.cost", 1000).await;
    let held = admitted([&one, &two], caller, limited, 16).await;
    assert_eq!(held.len(), 10, "each may cost 100");
    for reservation in &held {
        settle_costing(&one, caller, reservation, 90).await;
    }
    assert_eq!(admitted([&one, &two], caller, limited, 2).await.len(), 1);
    let refused = reserve_for(&two, caller, limited, 101).await.unwrap_err();
    let Error::MemberCostReached {
        unit, limit, spent, ..
    } = refused
    else {
        unreachable!("{refused}");
    };
    assert_eq!((unit.as_str(), limit, spent), ("misaki.cost", 1000, 900));
}

use entitlement::{Giver, GrantView, OneOff};

use super::*;

fn wish(amount: i64, key: Option<&str>) -> OneOff {
    OneOff {
        unit: UNIT.to_owned(),
        amount,
        expires_at: None,
        reason: "昨日の障害のお詫び".to_owned(),
        key: key.map(str::to_owned),
    }
}

async fn give(
    room: &Entitlement,
    operator: Principal,
    to: Principal,
    wish: OneOff,
) -> Result<GrantView, Error> {
    let meta = RequestMeta::of_the_house("req_test");
    let by = Giver {
        principal: Some(operator),
        meta: &meta,
    };
    entitlement::give(room, by, to.tenant, wish).await
}

async fn revoke(room: &Entitlement, to: Principal, grant: &GrantView) -> Result<GrantView, Error> {
    let meta = RequestMeta::of_the_house("req_test");
    let by = Giver {
        principal: None,
        meta: &meta,
    };
    entitlement::revoke(room, by, (to.tenant, grant.id), "人違い").await
}

/// How many pieces of work are admitted and done until one is refused.
async fn works(room: &Entitlement, caller: Principal) -> usize {
    let mut done = 0;
    loop {
        match reserve(room, caller).await {
            Ok(held) => settle(room, caller, &held, 1).await.unwrap(),
            Err(Error::QuotaExhausted { .. }) => return done,
            Err(error) => unreachable!("{error}"),
        }
        done += 1;
    }
}

/// kind and reference of each transfer of the books, and of each line of the log that is about a grant what was there before and after.
async fn told(test: &testkit::TestCtx, to: Principal) -> (Vec<(String, String)>, Vec<Told>) {
    let mut owner = test.database.owner().await;
    let moved = sqlx::query_as(
        "select kind, ref from ledger.transfer where tenant_id = $1 and ref like 'operator/%' order by kind, id",
    )
    .bind(to.tenant.0)
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let lines = sqlx::query_as(
        "select action, actor, (before->>'available')::bigint, (after->>'available')::bigint
         from identity.audit where tenant_id = $1 and action like 'grant.%' order by seq",
    )
    .bind(to.tenant.0)
    .fetch_all(&mut owner)
    .await
    .unwrap();
    (moved, lines)
}

type Told = (String, String, i64, i64);

#[tokio::test]
async fn units_beside_a_plan_are_given_once_and_the_books_say_by_whom_and_why() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100_000, 1000, 10)).await;
    let (operator, caller) = (guest(&room).await, guest(&room).await);
    assert_eq!(works(&room, caller).await, 10, "the plan's own");

    let both = futures::future::join_all([
        give(&room, operator, caller, wish(5, Some("a"))),
        give(&room, operator, caller, wish(5, Some("a"))),
    ])
    .await;
    let both: Vec<_> = both.into_iter().map(Result::unwrap).collect();
    assert_eq!(both[0].id, both[1].id);
    test.time.advance(Duration::days(2));
    ledger::expire_due(&test.cx, 100).await.unwrap();
    let again = give(&room, operator, caller, wish(5, Some("a")))
        .await
        .unwrap();
    assert_eq!(
        (again.id, again.left),
        (both[0].id, 5),
        "however long after"
    );
    let other = give(&room, operator, caller, wish(6, Some("a"))).await;
    assert!(matches!(other, Err(Error::GrantMismatch)), "{other:?}");

    assert_eq!(
        works(&room, caller).await,
        15,
        "the new day's and what was given"
    );
    let page = kernel::PageRequest {
        limit: 20,
        after: None,
    };
    let given = entitlement::grants_of(&room, caller.tenant, &page)
        .await
        .unwrap();
    let [only] = given.items.as_slice() else {
        unreachable!("{given:?}");
    };
    let who = operator.actor();
    assert_eq!(
        (only.used, only.left, only.given_by.as_str()),
        (5, 0, who.as_str())
    );
    let (moved, lines) = told(&test, caller).await;
    let story = format!("operator/{who} 昨日の障害のお詫び");
    assert_eq!(moved, [("grant".to_owned(), story)]);
    assert_eq!(lines, [("grant.give".to_owned(), who, 0, 5)]);

    let nobody = Principal::guest(identity::TenantId(uuid::Uuid::nil()));
    let to_nobody = give(&room, operator, nobody, wish(1, None)).await;
    assert!(matches!(to_nobody, Err(Error::TenantNotFound)));
    let unknown = OneOff {
        unit: "misaki.sake".to_owned(),
        ..wish(1, None)
    };
    let unknown = give(&room, operator, caller, unknown).await;
    assert!(matches!(unknown, Err(Error::BadGrant(_))), "{unknown:?}");
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    assert_eq!(entitlement::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_left_is_taken_back_and_what_comes_back_later_too() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100_000, 1000, 1)).await;
    let (operator, caller, stranger) = (guest(&room).await, guest(&room).await, guest(&room).await);
    assert_eq!(works(&room, caller).await, 1);
    let grant = give(&room, operator, caller, wish(20, None)).await.unwrap();
    let first = reserve(&room, caller).await.unwrap();
    settle(&room, caller, &first, 1).await.unwrap();
    let under_way = reserve(&room, caller).await.unwrap();

    let of_another = revoke(&room, stranger, &grant).await;
    assert!(matches!(of_another, Err(Error::GrantNotFound)));
    let taken = revoke(&room, caller, &grant).await.unwrap();
    assert_eq!(taken.left, 0);
    assert!(taken.held > 0, "a process has some of it set aside");
    settle(&room, caller, &under_way, 1).await.unwrap();
    room.close().await;
    assert_eq!(entitlement::take_revoked(&test.cx, 100).await.unwrap(), 1);
    assert_eq!(
        entitlement::take_revoked(&test.cx, 100).await.unwrap(),
        0,
        "nothing can come back"
    );
    let again = revoke(&room, caller, &grant).await.unwrap();
    assert_eq!(
        (again.left, again.held, again.used),
        (0, 0, 2),
        "what was set aside was used"
    );
    assert_eq!(works(&room, caller).await, 0);
    let (moved, lines) = told(&test, caller).await;
    let given = format!("operator/{} 昨日の障害のお詫び", operator.actor());
    assert_eq!(moved.first(), Some(&("grant".to_owned(), given)));
    for one in moved.iter().skip(1) {
        assert_eq!(
            (one.0.as_str(), one.1.as_str()),
            ("reverse", "operator/operator 人違い")
        );
    }
    let actions: Vec<_> = lines
        .iter()
        .map(|line| (line.0.as_str(), line.1.as_str()))
        .collect();
    let who = operator.actor();
    assert_eq!(
        actions,
        [("grant.give", who.as_str()), ("grant.revoke", "operator")]
    );
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    assert_eq!(entitlement::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn verification_names_who_gave_what_the_books_do_not_know_and_why() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(10, 10, 10)).await;
    let (operator, caller) = (guest(&room).await, guest(&room).await);
    let grant = give(&room, operator, caller, wish(5, None)).await.unwrap();
    sqlx::query("update entitlement.one_off_grant set amount = 6 where id = $1")
        .bind(grant.id.0)
        .execute(&mut test.database.owner().await)
        .await
        .unwrap();

    let drifts = entitlement::verify(&test.cx).await.unwrap();

    let [only] = drifts.as_slice() else {
        unreachable!("{drifts:?}");
    };
    assert_eq!((only.expected, only.found), (6, 5));
    let place = format!(
        "{} (operator/{} 昨日の障害のお詫び)",
        grant.id,
        operator.actor()
    );
    assert_eq!(only.place, place);
}

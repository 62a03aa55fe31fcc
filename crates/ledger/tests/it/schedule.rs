use proptest::{prelude::*, test_runner::TestRunner};

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Grant {
        amount: i64,
        lives_secs: Option<i64>,
    },
    Hold(i64),
    Settle {
        hold: usize,
        used: i64,
    },
    Release(usize),
    Wait(i64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..20_i64, proptest::option::of(1..90_i64))
            .prop_map(|(amount, lives_secs)| Step::Grant { amount, lives_secs }),
        (0..12_i64).prop_map(Step::Hold),
        (0..6_usize, 0..12_i64).prop_map(|(hold, used)| Step::Settle { hold, used }),
        (0..6_usize).prop_map(Step::Release),
        (0..50_i64).prop_map(Step::Wait),
        Just(Step::Sweep),
    ]
}

/// A schedule of steps ends in books that agree with themselves, whatever the order; the failing one is printed shrunk.
#[test]
fn any_schedule_keeps_the_books_right() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(testkit::context());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&proptest::collection::vec(step(), 1..25), |steps| {
            runtime.block_on(run(&test, &steps));
            Ok(())
        })
        .unwrap();
}

async fn run(test: &TestCtx, steps: &[Step]) {
    let cx = &test.cx;
    let t = tenant(test).await;
    let mut granted = 0;
    let mut holds = Vec::new();
    for step in steps {
        match *step {
            Step::Grant { amount, lives_secs } => {
                let expires_at = lives_secs.map(|secs| cx.clock.now() + Duration::seconds(secs));
                grant(cx, t, cx.ids.new_id(), amount, expires_at)
                    .await
                    .unwrap();
                granted += amount;
            }
            Step::Hold(amount) => {
                let before = balances(cx, t).await[0];
                match hold(cx, t, amount).await {
                    Ok(id) => holds.push((id, amount)),
                    Err(Error::Insufficient { available }) => {
                        assert!(available < amount && available <= before);
                    }
                    Err(error) => assert!(amount == 0, "{error}"),
                }
            }
            Step::Settle { hold, used } => {
                if let Some((id, amount)) = holds.get(hold).copied() {
                    let settled = settle(cx, t, id, used).await;
                    assert!(settled.is_err() || used <= amount);
                }
            }
            Step::Release(hold) => {
                if let Some((id, _)) = holds.get(hold).copied() {
                    let _ = release(cx, t, id).await;
                }
            }
            Step::Wait(secs) => test.time.advance(Duration::seconds(secs)),
            Step::Sweep => {
                ledger::lapse_due(cx, 100).await.unwrap();
                ledger::expire_due(cx, 100).await.unwrap();
            }
        }
        let [available, held, spent, expired, issued] = balances(cx, t).await;
        assert_eq!(issued, -granted);
        assert_eq!(
            available + held + spent + expired,
            granted,
            "no unit appears or is lost"
        );
        assert!(available >= 0 && held >= 0 && spent >= 0 && expired >= 0);
    }
    test.time.advance(Duration::hours(1));
    ledger::lapse_due(cx, 1000).await.unwrap();
    ledger::expire_due(cx, 1000).await.unwrap();
    assert_eq!(balances(cx, t).await[1], 0, "after quiet nothing is held");
    assert_books_are_right(cx).await;
}

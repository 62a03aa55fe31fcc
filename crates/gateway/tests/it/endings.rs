use super::*;

async fn check(text: &str, state: State, reason: Option<&str>, charged: i64) {
    let bar = Bar::open().await;
    let run = bar.ended(bar.ask(text).await).await;
    assert_eq!(
        (run.state, run.reason.as_deref()),
        (state, reason),
        "{text}"
    );
    assert_eq!(
        bar.stock().await,
        [100 - charged, 0, charged],
        "{text}: a failure is free"
    );
    let mut owner = bar.test.database.owner().await;
    let usage: (i64, i64, i64, i64) = sqlx::query_as(
        "select amount, tokens_in, tokens_out, cost_nano_usd from entitlement.usage",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        usage,
        (charged, run.tokens_in, run.tokens_out, run.cost_nano_usd),
        "{text}: one usage row, the run's own"
    );
    assert_eq!(ledger::verify(&bar.room.cx).await.unwrap(), []);
}

#[tokio::test]
async fn an_answer_costs_one_unit() {
    check("こんばんは", State::Completed, None, 1).await;
}

#[tokio::test]
async fn a_refusing_upstream_ends_the_run_and_costs_nothing() {
    check("[fail]", State::Failed, Some("upstream_failed"), 0).await;
    check("[429]", State::Failed, Some("upstream_busy"), 0).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_ends_the_run_and_costs_nothing() {
    check("[fail after 5]", State::Failed, Some("upstream_failed"), 0).await;
}

#[tokio::test]
async fn garbage_ends_the_run_and_costs_nothing() {
    check("[garble]", State::Failed, Some("upstream_garbled"), 0).await;
}

#[tokio::test]
async fn an_upstream_that_stalls_is_given_up() {
    check("[stall]", State::Failed, Some("upstream_stalled"), 0).await;
}

#[tokio::test]
async fn what_is_billed_is_what_the_upstream_counted() {
    let bar = Bar::open().await;
    for text in ["こんばんは", "Good evening", "[long 100]"] {
        bar.ended(bar.ask(text).await).await;
    }
    let counters: serde_json::Value = reqwest::get(format!("{}/sandbox/counters", bar.model))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut owner = bar.test.database.owner().await;
    let (tokens_in, tokens_out): (i64, i64) = sqlx::query_as(
        "select sum(tokens_in)::bigint, sum(tokens_out)::bigint from entitlement.usage",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(counters["tokens_in"].as_i64(), Some(tokens_in));
    assert_eq!(counters["tokens_out"].as_i64(), Some(tokens_out));
}

#[tokio::test]
async fn a_stopped_answer_keeps_its_text_and_frees_the_upstream() {
    let bar = Bar::with_pace(Duration::from_millis(20)).await;
    let id = bar.ask("[long 300]").await;
    bar.until(id, |run| run.output.len() > 20).await;
    gateway::cancel(&bar.room, bar.caller.principal, id)
        .await
        .unwrap();
    let run = bar.ended(id).await;
    assert_eq!(
        (run.state, run.reason.as_deref()),
        (State::Cancelled, Some("stopped"))
    );
    assert!(!run.output.is_empty());
    assert_eq!(
        bar.stock().await,
        [99, 0, 1],
        "an answer that had begun is kept"
    );
    let again = gateway::cancel(&bar.room, bar.caller.principal, id)
        .await
        .unwrap();
    assert_eq!(again.state, State::Cancelled);
    let freed = async {
        loop {
            let counters: serde_json::Value =
                reqwest::get(format!("{}/sandbox/counters", bar.model))
                    .await
                    .unwrap()
                    .json()
                    .await
                    .unwrap();
            if counters["in_flight"] == 0 {
                break counters["cancelled"].as_i64();
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), freed)
            .await
            .unwrap(),
        Some(1)
    );
}

#[tokio::test]
async fn a_route_without_a_model_is_refused_and_keeps_nothing() {
    let bar = Bar::open().await;
    let bare = Gateway::open(
        bar.room.entitlement.clone(),
        Routes::default(),
        PATIENCE,
        None,
    )
    .unwrap();
    let bare = Bar { room: bare, ..bar };
    assert!(matches!(
        bare.try_ask("こんばんは").await,
        Err(Error::ModelNotConfigured(_))
    ));
    let mut owner = bare.test.database.owner().await;
    let left: i64 = sqlx::query_scalar("select count(*) from entitlement.reservation")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

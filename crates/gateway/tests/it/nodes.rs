use super::*;

#[tokio::test]
async fn a_run_of_a_dead_node_is_ended_once_and_its_unit_is_back() {
    let bar = Bar::open().await;
    // admitted, and then the process is gone before it launches anything
    let start = StartRun {
        purpose: "misaki.chat".to_owned(),
        messages: vec![Message::user("x")],
        max_tokens: None,
    };
    let mut tx = bar
        .room
        .cx
        .db
        .begin(bar.caller.principal.scope())
        .await
        .unwrap();
    let id = gateway::admit(&mut tx, &bar.room, &bar.caller, start)
        .await
        .unwrap()
        .id;
    tx.commit().await.unwrap();
    assert_eq!(bar.stock().await, [99, 1, 0]);

    let other = bar.another_node().await;
    assert_eq!(
        gateway::rescue(&other, &Judges::new(), 10).await.unwrap(),
        0,
        "it may still be alive"
    );
    bar.test.time.advance(gateway::LEASE);
    let nobody = Judges::new();
    let (one, two) = tokio::join!(
        gateway::rescue(&other, &nobody, 10),
        gateway::rescue(&bar.room, &nobody, 10)
    );
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    let run = bar.get(id).await;
    assert_eq!(
        (run.state, run.reason.as_deref()),
        (State::Failed, Some("node_lost"))
    );
    assert_eq!(bar.stock().await, [100, 0, 0]);
    assert_eq!(ledger::verify(&bar.room.cx).await.unwrap(), []);
}

#[tokio::test]
async fn a_node_that_comes_back_late_changes_nothing() {
    let bar = Bar::with_pace(Duration::from_millis(50)).await;
    let id = bar.ask("[long 60]").await;
    bar.until(id, |run| !run.output.is_empty()).await;
    // for everyone else this node has been silent for too long
    let mut owner = bar.test.database.owner().await;
    sqlx::query("update gateway.run set lease_until = 'epoch'")
        .execute(&mut owner)
        .await
        .unwrap();
    let other = bar.another_node().await;
    let mut rescued = 0;
    while rescued == 0 {
        sqlx::query("update gateway.run set lease_until = 'epoch' where ended_at is null")
            .execute(&mut owner)
            .await
            .unwrap();
        rescued = gateway::rescue(&other, &Judges::new(), 10).await.unwrap();
    }
    let lost = bar.get(id).await;
    assert_eq!(lost.reason.as_deref(), Some("node_lost"));
    bar.room.drain(Duration::from_secs(10)).await;
    let after = bar.get(id).await;
    assert_eq!(
        (after.state, after.last_event_id, after.output),
        (lost.state, lost.last_event_id, lost.output)
    );
    let (events, ends): (i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where kind = 'ended') from gateway.run_event",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!((events, ends), (i64::from(after.last_event_id), 1));
    assert_eq!(bar.stock().await, [100, 0, 0]);
}

#[tokio::test]
async fn another_node_can_stop_a_run() {
    let bar = Bar::with_pace(Duration::from_millis(30)).await;
    let id = bar.ask("[long 300]").await;
    bar.until(id, |run| !run.output.is_empty()).await;
    gateway::cancel(&bar.another_node().await, bar.caller.principal, id)
        .await
        .unwrap();
    assert_eq!(bar.ended(id).await.reason.as_deref(), Some("stopped"));
}

#[tokio::test]
async fn a_node_that_stops_finishes_what_is_short_and_ends_what_is_long() {
    let bar = Bar::with_pace(Duration::from_millis(10)).await;
    let (short, long) = (bar.ask("[long 10]").await, bar.ask("[slow]").await);
    bar.until(long, |run| run.state == State::Running).await;
    bar.room.drain(Duration::from_millis(800)).await;
    assert_eq!(bar.get(short).await.state, State::Completed);
    assert_eq!(bar.get(long).await.reason.as_deref(), Some("node_lost"));
    assert_eq!(bar.stock().await, [99, 0, 1]);
}

use axum::{Router, body::Body, http::Request};
use futures::StreamExt;
use tower::ServiceExt;

use super::*;

/// One event as read from the wire.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: i32,
    kind: String,
    data: serde_json::Value,
}

fn router(bar: &Bar) -> Router {
    gateway::router()
        .with_state(bar.room.clone())
        .split_for_parts()
        .0
}

/// Reads the events of a run after number `after`, at most `most` of them; then hangs up.
async fn read(bar: &Bar, id: RunId, after: i32, most: usize) -> Vec<Event> {
    let token = identity::mint_inference_token(&bar.room.identity, &bar.guest, "misaki")
        .unwrap()
        .token;
    let request = Request::get(format!("/inference/{id}/events"))
        .header("authorization", format!("Bearer {token}"))
        .header("last-event-id", after.to_string())
        .body(Body::empty())
        .unwrap();
    let response = router(bar).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some((block, rest)) = text
            .split_once("\n\n")
            .map(|(b, r)| (b.to_owned(), r.to_owned()))
        {
            text = rest;
            events.extend(parse(&block));
            if events.len() >= most {
                return events;
            }
        }
    }
    events
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    Some(Event {
        id: field("id:")?.parse().unwrap(),
        kind: field("event:")?.to_owned(),
        data: serde_json::from_str(field("data:")?).unwrap(),
    })
}

fn text(events: &[Event]) -> String {
    events
        .iter()
        .filter_map(|event| event.data.get("text")?.as_str())
        .collect()
}

#[tokio::test]
async fn events_are_numbered_without_gaps_and_end_once() {
    let bar = Bar::open().await;
    let id = bar.ask("こんばんは").await;
    let events = read(&bar, id, 0, usize::MAX).await;
    let numbers: Vec<i32> = events.iter().map(|event| event.id).collect();
    assert_eq!(
        numbers,
        (1..=i32::try_from(events.len()).unwrap()).collect::<Vec<_>>()
    );
    assert_eq!(events[0].kind, "started");
    assert_eq!(
        events.iter().filter(|event| event.kind == "ended").count(),
        1
    );
    assert_eq!(events.last().unwrap().data["state"], "completed");
    assert_eq!(text(&events), bar.get(id).await.output);
}

#[tokio::test]
async fn a_reader_cut_after_any_event_goes_on_to_the_same_text() {
    let bar = Bar::with_pace(Duration::from_millis(4)).await;
    let id = bar.ask("[long 30]").await;
    let mut seen = Vec::new();
    while seen
        .last()
        .is_none_or(|event: &Event| event.kind != "ended")
    {
        let after = seen.last().map_or(0, |event| event.id);
        seen.extend(read(&bar, id, after, 1).await);
    }
    assert_eq!(text(&seen), bar.get(id).await.output);
    let whole = read(&bar, id, 0, usize::MAX).await;
    assert_eq!(seen, whole, "a late reader sees the same");
    let last = whole.last().unwrap().id;
    assert_eq!(
        read(&bar, id, last, usize::MAX).await,
        [],
        "after the end there is nothing"
    );
}

#[tokio::test]
async fn several_readers_on_two_nodes_see_the_same() {
    let bar = Bar::with_pace(Duration::from_millis(5)).await;
    let other = bar.another_node().await;
    let id = bar.ask("[long 40]").await;
    let there = Bar {
        room: other,
        test: testkit::context().await,
        caller: bar.caller.clone(),
        guest: bar.guest.clone(),
        model: bar.model.clone(),
    };
    let (one, two, remote) = tokio::join!(
        read(&bar, id, 0, usize::MAX),
        read(&bar, id, 0, usize::MAX),
        read(&there, id, 0, usize::MAX)
    );
    assert_eq!(one, two);
    assert_eq!(one, remote);
}

#[tokio::test]
async fn nobody_else_can_read_or_stop_a_run() {
    let bar = Bar::open().await;
    let id = bar.ask("こんばんは").await;
    let meta = RequestMeta::of_the_house("req_test");
    let stranger = identity::guest(&bar.room.identity, &meta)
        .await
        .unwrap()
        .session
        .principal;
    assert!(matches!(
        gateway::get(&bar.room, stranger, id).await,
        Err(Error::RunNotFound)
    ));
    assert!(matches!(
        gateway::cancel(&bar.room, stranger, id).await,
        Err(Error::RunNotFound)
    ));
    assert_eq!(bar.ended(id).await.state, State::Completed);
}

#[tokio::test]
async fn a_server_that_can_not_stream_answers_in_one_piece() {
    let bar = Bar::open().await;
    let whole = node_with(&bar.test.cx, &bar.model, false).await;
    let bar = Bar { room: whole, ..bar };
    let id = bar.ask("こんばんは").await;
    let events = read(&bar, id, 0, usize::MAX).await;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["started", "delta", "ended"]);
    let run = bar.get(id).await;
    assert_eq!(text(&events), run.output);
    assert!(run.tokens_out > 0 && run.state == State::Completed);

    let mut owner = bar.test.database.owner().await;
    let rows: i64 = sqlx::query_scalar("select count(*) from gateway.run_event")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(rows, 0, "the run's own row says the rest");
    let room = bar.another_node().await;
    let elsewhere = Bar { room, ..bar };
    for after in 0..=3 {
        let read = read(&elsewhere, id, i32::try_from(after).unwrap(), usize::MAX).await;
        assert_eq!(read, events[after..], "after {after}");
    }
}

use std::collections::BTreeSet;

use chrono::Duration;
use db::Ctx;
use mail_parser::MessageParser;

use crate::{
    TO, post, room, room_on, row,
    sink::{Does, Sink},
    states, verify,
};

#[tokio::test]
async fn a_letter_goes_out_whole_and_is_forgotten() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    let mail = room(&test, &sink);
    post(&test.cx, verify("a")).await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 1);
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);

    let taken = sink.taken();
    assert_eq!(taken.len(), 1);
    let letter = MessageParser::default().parse(taken[0].as_bytes()).unwrap();
    assert_eq!(letter.to().unwrap().first().unwrap().address(), Some(TO));
    assert_eq!(
        letter.from().unwrap().first().unwrap().address(),
        Some("noreply@noren.example")
    );
    assert_eq!(letter.subject(), Some("メールアドレスの確認をお願いします"));
    let words = letter.body_text(0).unwrap();
    assert!(
        words
            .lines()
            .any(|line| line == "https://noren.example/link/verify#canary-token"),
        "{words}"
    );
    assert!(words.contains("千鳥さん"));
    assert!(
        letter
            .body_html(0)
            .unwrap()
            .contains("https://noren.example/link/verify#canary-token")
    );
    assert!(
        letter.header_raw("List-Unsubscribe").is_none(),
        "an account letter has no way out"
    );

    let row = row(&test, "a").await;
    assert_eq!((row.state.as_str(), row.attempts), ("sent", 1));
    assert_eq!(
        (row.to_address, row.data),
        (None, None),
        "nothing of it is kept"
    );
}

#[tokio::test]
async fn a_letter_with_a_key_that_was_sent_long_ago_is_not_sent_again() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    let mail = room(&test, &sink);
    post(&test.cx, verify("a")).await;
    mail::deliver_due(&mail, 10).await.unwrap();
    test.time.advance(Duration::days(400));
    mail::clear_due(&test.cx, 10).await.unwrap();
    post(&test.cx, verify("a")).await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
    assert_eq!(sink.taken().len(), 1);
}

#[tokio::test]
async fn many_nodes_at_once_send_each_letter_once() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    for n in 0..40 {
        post(&test.cx, verify(&format!("letter {n}"))).await;
    }
    let other = Ctx::new(test.another_node().await, test.time.clock());
    let nodes: Vec<_> = (0..6)
        .map(|n| {
            let cx = if n % 2 == 0 {
                test.cx.clone()
            } else {
                other.clone()
            };
            let mail = room_on(cx, sink.port);
            tokio::spawn(async move { mail::deliver_due(&mail, 100).await.unwrap() })
        })
        .collect();
    let mut sent = 0;
    for node in nodes {
        sent += node.await.unwrap();
    }
    assert_eq!(sent, 40);
    let ids = sink.ids();
    assert_eq!(ids.len(), 40);
    assert_eq!(
        ids.values().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from([1])
    );
    assert_eq!(states(&test).await, [("sent".to_owned(), 40)]);
}

#[tokio::test]
async fn no_more_go_than_asked_for() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    for n in 0..12 {
        post(&test.cx, verify(&format!("letter {n}"))).await;
    }
    let mail = room(&test, &sink);
    assert_eq!(mail::deliver_due(&mail, 9).await.unwrap(), 9);
    assert_eq!(mail::deliver_due(&mail, 9).await.unwrap(), 3);
}

#[tokio::test]
async fn the_letter_of_a_node_that_died_goes_from_another_when_its_lease_is_over() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::Holds("250 taken")]);
    post(&test.cx, verify("a")).await;
    let dying = room(&test, &sink);
    let node = tokio::spawn(async move { mail::deliver_due(&dying, 10).await });
    sink.holding().await;
    node.abort();
    assert!(node.await.unwrap_err().is_cancelled());

    let mail = room(&test, &sink);
    assert_eq!(row(&test, "a").await.state, "sending");
    assert_eq!(
        mail::deliver_due(&mail, 10).await.unwrap(),
        0,
        "the lease holds"
    );
    test.time.advance(Duration::seconds(59));
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
    test.time.advance(Duration::seconds(1));
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 1);
    assert_eq!(sink.taken().len(), 1);
    let row = row(&test, "a").await;
    assert_eq!((row.state.as_str(), row.attempts), ("sent", 2));
}

#[tokio::test]
async fn a_letter_whose_every_node_died_is_given_up() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    post(&test.cx, verify("a")).await;
    for _ in 0..7 {
        sink.plan([Does::Holds("250 taken")]);
        let dying = room(&test, &sink);
        let node = tokio::spawn(async move { mail::deliver_due(&dying, 10).await });
        sink.holding().await;
        node.abort();
        assert!(node.await.is_err());
        test.time.advance(Duration::minutes(1));
    }
    assert_eq!(mail::deliver_due(&room(&test, &sink), 10).await.unwrap(), 0);
    let row = row(&test, "a").await;
    assert_eq!((row.state.as_str(), row.attempts), ("dead", 7));
    assert_eq!(row.last_error.as_deref(), Some("the node died"));
}

#[tokio::test]
async fn a_result_that_comes_after_its_lease_does_not_count() {
    let test = testkit::context().await;
    for late in ["451 later", "550 never", "250 taken"] {
        let sink = Sink::start().await;
        sink.plan([Does::Holds(late)]);
        post(&test.cx, verify(late)).await;
        let slow = room(&test, &sink);
        let slow = tokio::spawn(async move { mail::deliver_due(&slow, 10).await });
        sink.holding().await;
        test.time.advance(Duration::seconds(61));
        assert_eq!(mail::deliver_due(&room(&test, &sink), 10).await.unwrap(), 1);
        let sent = row(&test, late).await;
        sink.let_go();
        assert_eq!(slow.await.unwrap().unwrap(), 0, "{late}");
        assert_eq!(row(&test, late).await, sent, "{late}");
    }
}

#[tokio::test]
async fn a_slow_server_does_not_cost_a_living_node_its_lease() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::Holds("250 taken")]);
    post(&test.cx, verify("a")).await;
    let mut slow = room(&test, &sink);
    slow.renew_every = std::time::Duration::from_millis(1);
    let slow = tokio::spawn(async move { mail::deliver_due(&slow, 10).await });
    sink.holding().await;
    for _ in 0..10 {
        test.time.advance(Duration::seconds(50));
        let mut owner = test.database.owner().await;
        let renewed = "select lease_until > $1 + interval '50 s' from mail.letter";
        while !sqlx::query_scalar::<_, bool>(renewed)
            .bind(test.cx.clock.now())
            .fetch_one(&mut owner)
            .await
            .unwrap()
        {}
        assert_eq!(mail::deliver_due(&room(&test, &sink), 10).await.unwrap(), 0);
    }
    sink.let_go();
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    assert_eq!(sink.taken().len(), 1);
}

#[tokio::test]
async fn a_node_that_lost_its_lease_stops_sending() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::Holds("250 taken")]);
    post(&test.cx, verify("a")).await;
    let mut slow = room(&test, &sink);
    slow.renew_every = std::time::Duration::from_millis(1);
    let slow = tokio::spawn(async move { mail::deliver_due(&slow, 10).await });
    sink.holding().await;
    let mut owner = test.database.owner().await;
    sqlx::query("update mail.letter set lease_id = gen_random_uuid()")
        .execute(&mut owner)
        .await
        .unwrap();
    assert_eq!(
        slow.await.unwrap().unwrap(),
        0,
        "without an answer from the server"
    );
    assert_eq!(
        row(&test, "a").await.state,
        "sending",
        "it is the other node's"
    );
}

#[tokio::test]
async fn without_a_server_letters_wait_and_none_is_lost() {
    let test = testkit::context().await;
    for n in 0..3 {
        post(&test.cx, verify(&format!("letter {n}"))).await;
    }
    let nowhere = crate::open(test.cx.clone(), mail::Way::Nowhere);
    for _ in 0..3 {
        assert_eq!(mail::deliver_due(&nowhere, 10).await.unwrap(), 0);
        test.time.advance(Duration::days(30));
    }
    assert_eq!(states(&test).await, [("queued".to_owned(), 3)]);
    assert_eq!(
        row(&test, "letter 0").await.attempts,
        0,
        "no try was used up"
    );
    let sink = Sink::start().await;
    assert_eq!(mail::deliver_due(&room(&test, &sink), 10).await.unwrap(), 3);
}

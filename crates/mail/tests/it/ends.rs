use chrono::Duration;
use mail::LetterId;
use uuid::Uuid;

use crate::{
    Row, TO, post, room, room_on, row,
    sink::{Does, Sink},
    verify,
};

#[tokio::test]
async fn a_refused_letter_is_tried_on_a_schedule_and_dead_after_the_seventh_time() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::RefusesLetter("451 4.7.1 please come back"); 7]);
    let mail = room(&test, &sink);
    post(&test.cx, verify("a")).await;
    let waits = [
        Duration::seconds(5),
        Duration::minutes(1),
        Duration::minutes(5),
        Duration::minutes(30),
        Duration::hours(2),
        Duration::hours(8),
    ];
    for (tried, wait) in waits.into_iter().enumerate() {
        assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
        assert_eq!(sink.visits(), tried + 1);
        assert_eq!(row(&test, "a").await.state, "queued");
        test.time.advance(wait - Duration::microseconds(1));
        assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
        assert_eq!(sink.visits(), tried + 1, "not before its time");
        test.time.advance(Duration::microseconds(1));
    }
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
    let dead = row(&test, "a").await;
    assert_eq!((dead.state.as_str(), dead.attempts), ("dead", 7));
    assert_eq!(dead.last_error.as_deref(), Some("smtp 451"));
    test.time.advance(Duration::days(1));
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
    assert_eq!(sink.visits(), 7);
}

#[tokio::test]
async fn a_letter_that_was_refused_once_arrives_once() {
    let test = testkit::context().await;
    for (n, first) in [
        Does::RefusesLetter("451 later"),
        Does::RefusesAddress("450 greylisted"),
        Does::RefusesUs("421 too busy"),
        Does::RefusesUs("554 not you"),
        Does::HangsUp,
    ]
    .into_iter()
    .enumerate()
    {
        let sink = Sink::start().await;
        sink.plan([first]);
        let mail = room(&test, &sink);
        let key = format!("letter {n}");
        post(&test.cx, verify(&key)).await;
        assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0, "{first:?}");
        test.time.advance(Duration::seconds(5));
        assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 1, "{first:?}");
        assert_eq!(sink.ids().into_values().collect::<Vec<_>>(), [1]);
        assert_eq!(row(&test, &key).await.last_error, None);
    }
}

#[tokio::test]
async fn a_letter_that_will_never_be_taken_is_dead_at_once() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::RefusesAddress(
        "550 5.1.1 <chidori@example.test>: no such user",
    )]);
    let mail = room(&test, &sink);
    post(&test.cx, verify("a")).await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
    let dead = row(&test, "a").await;
    assert_eq!((dead.state.as_str(), dead.attempts), ("dead", 1));
    let why = dead.last_error.unwrap();
    assert_eq!(why, "smtp 550", "what the server said holds the address");

    post(
        &test.cx,
        mail::Letter {
            to: "nobody",
            ..verify("b")
        },
    )
    .await;
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 0);
    let dead = row(&test, "b").await;
    assert_eq!(
        (dead.state.as_str(), dead.last_error.as_deref()),
        ("dead", Some("the address can't be written to"))
    );
    assert_eq!(sink.visits(), 1);
}

#[tokio::test]
async fn an_operators_mistake_kills_no_letter_at_once() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::RefusesAddress("530 5.7.0 authentication required")]);
    post(&test.cx, verify("a")).await;
    assert_eq!(mail::deliver_due(&room(&test, &sink), 10).await.unwrap(), 0);
    assert_eq!(row(&test, "a").await.state, "queued");
    assert_eq!(
        row(&test, "a").await.last_error.as_deref(),
        Some("smtp 530")
    );
}

#[tokio::test]
async fn a_server_that_is_down_is_not_asked_for_every_letter() {
    let test = testkit::context().await;
    for n in 0..30 {
        post(&test.cx, verify(&format!("letter {n}"))).await;
    }
    let sink = Sink::start().await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let mail = room_on(test.cx.clone(), closed);
    assert_eq!(mail::deliver_due(&mail, 100).await.unwrap(), 0);
    let mut owner = test.database.owner().await;
    let tried: i64 = sqlx::query_scalar("select count(*) from mail.letter where attempts > 0")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(tried, 8, "one round found out");
    let why: Vec<String> =
        sqlx::query_scalar("select distinct last_error from mail.letter where attempts > 0")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert_eq!(why, ["connection: ConnectionRefused"]);
    test.time.advance(Duration::seconds(5));
    assert_eq!(
        mail::deliver_due(&room(&test, &sink), 100).await.unwrap(),
        30
    );
}

#[tokio::test]
async fn an_operator_sees_dead_letters_and_tries_them_again() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::RefusesAddress("550 no")]);
    let mail = room(&test, &sink);
    post(&test.cx, verify("a")).await;
    mail::deliver_due(&mail, 10).await.unwrap();
    let dead = mail::list_dead(&test.cx, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].template.as_str(), dead[0].last_error.as_str()),
        ("verify_email", "smtp 550")
    );
    assert!(!format!("{dead:?}").contains(TO));

    assert!(!mail::retry(&test.cx, LetterId(Uuid::nil())).await.unwrap());
    assert!(mail::retry(&test.cx, dead[0].id).await.unwrap());
    assert!(
        !mail::retry(&test.cx, dead[0].id).await.unwrap(),
        "it is not dead any more"
    );
    assert_eq!(mail::deliver_due(&mail, 10).await.unwrap(), 1);
    assert!(mail::list_dead(&test.cx, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_dead_letters_payload_is_gone_after_seven_days() {
    let test = testkit::context().await;
    let sink = Sink::start().await;
    sink.plan([Does::RefusesAddress("550 no")]);
    let mail = room(&test, &sink);
    post(&test.cx, verify("a")).await;
    mail::deliver_due(&mail, 10).await.unwrap();
    let id = mail::list_dead(&test.cx, 10).await.unwrap()[0].id;

    test.time.advance(Duration::days(7) - Duration::seconds(1));
    assert_eq!(mail::clear_due(&test.cx, 10).await.unwrap(), 0);
    assert!(row(&test, "a").await.data.is_some());
    test.time.advance(Duration::seconds(1));
    assert_eq!(mail::clear_due(&test.cx, 10).await.unwrap(), 1);
    assert_eq!(mail::clear_due(&test.cx, 10).await.unwrap(), 0);
    let Row {
        state,
        to_address,
        data,
        ..
    } = row(&test, "a").await;
    assert_eq!((state.as_str(), to_address, data), ("dead", None, None));
    assert!(
        !mail::retry(&test.cx, id).await.unwrap(),
        "there is nothing to send"
    );
    assert!(mail::list_dead(&test.cx, 10).await.unwrap().is_empty());
}

use chrono::Duration as Days;
use gateway::{
    Ask, Terms,
    history::{self, Filter},
    retention::{self, Keep, Rule},
    statistics::{By, statistics},
};
use kernel::PageRequest;
use llm::ChatRequest;

use super::*;

const HERE: &str = "misaki";
const PAGE: PageRequest = PageRequest {
    limit: 100,
    after: None,
};

impl Bar {
    /// Asks by a door, and waits for the end.
    async fn shown(&self, text: &str, terms: Terms) -> RunId {
        let ask = Ask {
            purpose: "misaki.chat".to_owned(),
            model: None,
            request: ChatRequest {
                messages: vec![Message::user(text)],
                ..ChatRequest::default()
            },
            id: None,
            terms: Terms {
                is_shown: true,
                ..terms
            },
        };
        let (admitted, view) = gateway::begin(&self.room, &self.caller, ask).await.unwrap();
        gateway::launch(&self.room, admitted);
        self.ended(view.id).await;
        view.id
    }

    async fn found(&self, text: &str) -> usize {
        let filter = Filter {
            text: Some(text.to_owned()),
            ..Filter::default()
        };
        let listed = history::list(&self.room, self.caller.principal, HERE, &filter, &PAGE);
        listed.await.unwrap().items.len()
    }

    async fn is_kept(&self, id: RunId) -> bool {
        let found = history::find(&self.room, self.caller.principal, HERE, id);
        found.await.unwrap().text.is_some()
    }

    async fn rule(&self, keep: Keep, days: Option<i32>) {
        let meta = RequestMeta::of_the_house("req_test");
        let rule = Rule { keep, days };
        retention::set(&self.room, self.caller.principal, None, rule, &meta)
            .await
            .unwrap();
    }

    async fn sweep(&self) -> i64 {
        retention::forget_due(&self.room, HERE, 100).await.unwrap()
    }
}

#[tokio::test]
async fn words_are_found_in_questions_and_answers_by_their_folded_letters() {
    let bar = Bar::open().await;
    bar.shown("コーヒーと「ＴＥＡ」の話\n続き\"引用\"", Terms::default())
        .await;
    for (text, found) in [
        ("こーひー", 1),
        ("tea", 1),
        ("話\n続き", 1),
        ("\"引用\"", 1),
        ("紅茶", 0),
        ("%", 0),
        ("_", 0),
    ] {
        assert_eq!(bar.found(text).await, found, "{text}");
    }
}

#[tokio::test]
async fn a_deleted_text_is_gone_and_the_run_stays_in_the_sums() {
    let bar = Bar::open().await;
    let (kept, gone) = (
        bar.shown("残る話", Terms::default()).await,
        bar.shown("消える話", Terms::default()).await,
    );
    let by = bar.caller.principal;
    let span = (
        bar.room.cx.clock.now() - Days::hours(1),
        bar.room.cx.clock.now() + Days::hours(1),
    );
    let before = statistics(&bar.room, by, HERE, span, By::Model)
        .await
        .unwrap();
    history::delete(&bar.room, by, HERE, gone).await.unwrap();
    history::delete(&bar.room, by, HERE, gone).await.unwrap();
    assert!(bar.is_kept(kept).await && !bar.is_kept(gone).await);
    assert_eq!((bar.found("消える").await, bar.found("残る").await), (0, 1));
    let after = statistics(&bar.room, by, HERE, span, By::Model)
        .await
        .unwrap();
    assert_eq!((before.totals.requests, &before.totals), (2, &after.totals));
    let missing = history::delete(&bar.room, by, "genai", kept).await;
    assert!(
        matches!(missing, Err(Error::RunNotFound)),
        "at another storefront it does not exist"
    );
}

#[tokio::test]
async fn a_rule_holds_for_what_is_there_and_goes_to_the_day() {
    let bar = Bar::open().await;
    let old = bar.shown("古い話", Terms::default()).await;
    bar.test.time.advance(Days::days(5));
    let young = bar.shown("新しい話", Terms::default()).await;
    assert_eq!(bar.sweep().await, 0, "without a rule all is kept");
    bar.rule(Keep::Days, Some(6)).await;
    assert_eq!(bar.sweep().await, 0, "five days are not six");
    bar.test.time.advance(Days::days(1));
    assert_eq!(bar.sweep().await, 1);
    assert!(!bar.is_kept(old).await && bar.is_kept(young).await);
    bar.rule(Keep::Always, None).await;
    bar.test.time.advance(Days::days(900));
    assert_eq!(bar.sweep().await, 0);
}

#[tokio::test]
async fn who_wants_nothing_kept_leaves_no_question_and_the_answer_for_a_minute() {
    let bar = Bar::open().await;
    let unkept = Terms {
        is_stored: false,
        ..Terms::default()
    };
    let own = bar.shown("内緒の話", unkept).await;
    bar.rule(Keep::None, None).await;
    let ruled = bar.shown("内緒の話", Terms::default()).await;
    for id in [own, ruled] {
        let found = history::find(&bar.room, bar.caller.principal, HERE, id)
            .await
            .unwrap();
        assert!(found.messages.is_none() && found.text.is_some());
    }
    assert_eq!(bar.sweep().await, 0);
    bar.test.time.advance(Days::minutes(1));
    assert_eq!(bar.sweep().await, 2);
    assert!(!bar.is_kept(own).await && !bar.is_kept(ruled).await);
}

#[tokio::test]
async fn of_more_tags_than_are_shown_the_rest_are_summed_up_and_nothing_is_lost() {
    let bar = Bar::open().await;
    let first = bar.shown("こんばんは", Terms::default()).await;
    let mut owner = bar.test.database.owner().await;
    // their reservations do not matter here
    sqlx::query("set session_replication_role = replica")
        .execute(&mut owner)
        .await
        .unwrap();
    // 501 runs with ten tags of their own, and three that have one of the last of these
    sqlx::query(
        "insert into gateway.run
         select (jsonb_populate_record(run, jsonb_build_object('id', gen_random_uuid(), 'reservation_id', gen_random_uuid(), 'tags', wish.tags))).*
         from gateway.run as run, (
             select (select jsonb_agg('t' || (n * 10 + k)) from generate_series(0, 9) as k) as tags from generate_series(0, 500) as n
             union all
             select jsonb_build_array('t999') from generate_series(1, 3)) as wish
         where run.id = $1",
    )
    .bind(first.0)
    .execute(&mut owner)
    .await
    .unwrap();
    let now = bar.room.cx.clock.now();
    let span = (now - Days::hours(1), now + Days::hours(1));
    let of = async |by| {
        let found = statistics(&bar.room, bar.caller.principal, HERE, span, by).await;
        found.unwrap()
    };
    let found = of(By::Tag).await;
    let others = found.others.unwrap();
    assert_eq!((found.groups.len(), others.groups), (5000, 11));
    let shown = |name: &str| found.groups.iter().find(|group| group.name == name);
    assert_eq!(shown("t999").map(|group| group.sums.requests), Some(4));
    assert!(shown("").is_some(), "what has no tag is a group too");
    let counted: i64 = found.groups.iter().map(|group| group.sums.requests).sum();
    assert_eq!(counted + others.sums.requests, 5010 + 3 + 1);
    let cost: i64 = found
        .groups
        .iter()
        .map(|group| group.sums.cost_nano_usd)
        .sum();
    let one = shown("").unwrap().sums.cost_nano_usd;
    assert_eq!(cost + others.sums.cost_nano_usd, one * (5010 + 3 + 1));
    assert_eq!(
        found.totals.requests, 505,
        "a run with many tags is one run"
    );
    let few = of(By::Model).await;
    assert!(few.others.is_none() && few.groups.len() == 1);
}

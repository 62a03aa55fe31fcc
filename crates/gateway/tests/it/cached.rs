use chrono::Duration as Days;
use gateway::{
    Ask, AskVectors, CacheUse, Cached, Terms, Vectors, history,
    retention::{self, Keep, Rule},
};
use llm::{ChatRequest, EmbedInput, EmbedRequest};

use super::*;

const HERE: &str = "misaki";

fn asking(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::user(text)],
        ..ChatRequest::default()
    }
}

impl Bar {
    /// Asks by a door that has a cache, and waits for the end.
    async fn cached(&self, request: ChatRequest, cache: CacheUse) -> (Option<Cached>, RunView) {
        let terms = Terms {
            is_shown: true,
            cache,
            ..Terms::default()
        };
        self.with_terms(&self.caller, request, terms).await
    }

    async fn with_terms(
        &self,
        caller: &InferenceCaller,
        request: ChatRequest,
        terms: Terms,
    ) -> (Option<Cached>, RunView) {
        let ask = Ask {
            purpose: "misaki.chat".to_owned(),
            model: None,
            request,
            id: None,
            terms,
        };
        let (mut admitted, view) = gateway::begin(&self.room, caller, ask).await.unwrap();
        let cached = gateway::recall(&self.room, &mut admitted).await;
        gateway::launch(&self.room, admitted);
        let ended = async {
            loop {
                let run = gateway::get(&self.room, caller.principal, view.id).await;
                let run = run.unwrap();
                if run.state.is_ended() {
                    break run;
                }
                tokio::task::yield_now().await;
            }
        };
        let run = tokio::time::timeout(Duration::from_secs(20), ended).await;
        (cached, run.unwrap())
    }

    /// How often the model was asked.
    async fn calls(&self) -> i64 {
        self.counted("requests").await
    }

    async fn counted(&self, what: &str) -> i64 {
        let counters = reqwest::get(format!("{}/sandbox/counters", self.model)).await;
        let counters: serde_json::Value = counters.unwrap().json().await.unwrap();
        counters
            .get(what)
            .and_then(serde_json::Value::as_i64)
            .unwrap()
    }

    pub(super) async fn vectors(&self, texts: &[&str], dimensions: Option<u32>) -> Vectors {
        let ask = AskVectors {
            purpose: "misaki.embedding_token".to_owned(),
            model: None,
            request: EmbedRequest {
                model: String::new(),
                input: EmbedInput::Texts(texts.iter().map(|&text| text.to_owned()).collect()),
                dimensions,
            },
            cache: CacheUse::ON,
            priority: gateway::Priority::Normal,
            policy: gateway::DataPolicy::default(),
        };
        gateway::embed(&self.room, &self.caller, ask).await.unwrap()
    }

    async fn keep(&self, keep: Keep) {
        let meta = RequestMeta::of_the_house("req_test");
        let rule = Rule { keep, days: None };
        retention::set(&self.room, self.caller.principal, None, rule, &meta)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_same_again_is_answered_without_a_call_and_without_a_bill() {
    let bar = Bar::open().await;
    let (cached, first) = bar.cached(asking("こんばんは"), CacheUse::ON).await;
    assert_eq!((cached, bar.calls().await), (Some(Cached::None), 1));
    let (cached, again) = bar.cached(asking("こんばんは"), CacheUse::ON).await;
    assert_eq!((cached, bar.calls().await), (Some(Cached::All), 1));
    assert_eq!(
        (again.state, &again.output, &again.model),
        (State::Completed, &first.output, &first.model)
    );
    assert_eq!(
        (again.tokens_in, again.tokens_out, again.cost_nano_usd),
        (0, 0, 0)
    );
    assert_eq!(bar.stock().await, [99, 0, 1], "a unit for the first alone");
    let by = bar.caller.principal;
    for (run, is_cached) in [(first.id, false), (again.id, true)] {
        let found = history::find(&bar.room, by, HERE, run).await.unwrap();
        assert_eq!(found.item.inference.is_cached, is_cached);
        assert_eq!(found.text.as_ref(), Some(&again.output));
    }
    let (cached, _) = bar.cached(asking("こんばんは"), CacheUse::default()).await;
    assert_eq!(
        (cached, bar.calls().await),
        (None, 2),
        "who does not ask for it gets none of it"
    );
    assert_eq!(ledger::verify(&bar.room.cx).await.unwrap(), []);
}

#[tokio::test]
async fn whatever_is_not_the_same_is_asked_anew() {
    let bar = Bar::open().await;
    bar.cached(asking("こんばんは"), CacheUse::ON).await;
    let cooler = ChatRequest {
        temperature: Some(0.1),
        ..asking("こんばんは")
    };
    assert_eq!(bar.cached(cooler, CacheUse::ON).await.0, Some(Cached::None));
    let meta = RequestMeta::of_the_house("req_test");
    let guest = identity::guest(&bar.room.identity, &meta).await.unwrap();
    let stranger = InferenceCaller::of(&Caller::from(guest.session), "misaki");
    let terms = Terms {
        cache: CacheUse::ON,
        ..Terms::default()
    };
    let (cached, _) = bar.with_terms(&stranger, asking("こんばんは"), terms).await;
    assert_eq!(cached, Some(Cached::None), "another tenant's own");
    bar.test.time.advance(Days::seconds(61));
    let fresh = CacheUse {
        max_age: Some(Days::seconds(60)),
        ..CacheUse::ON
    };
    let (cached, _) = bar.cached(asking("こんばんは"), fresh).await;
    assert_eq!((cached, bar.calls().await), (Some(Cached::None), 4));
    bar.test.time.advance(Days::days(7));
    let (cached, _) = bar.cached(asking("こんばんは"), CacheUse::ON).await;
    assert_eq!(cached, Some(Cached::None), "nothing lasts for ever");
    assert_eq!(
        gateway::forget_cached(&bar.room, 100).await.unwrap(),
        2,
        "all but the last, which took the place of the first"
    );
}

#[tokio::test]
async fn only_a_whole_answer_that_may_stay_is_given_again() {
    let bar = Bar::open().await;
    let cut = ChatRequest {
        max_tokens: Some(2),
        ..asking("[long 50]")
    };
    for request in [asking("[fail]"), asking("[fail after 5]"), cut] {
        for _ in 0..2 {
            let (cached, _) = bar.cached(request.clone(), CacheUse::ON).await;
            assert_eq!(cached, Some(Cached::None), "{request:?}");
        }
    }
    let unkept = Terms {
        is_stored: false,
        cache: CacheUse::ON,
        ..Terms::default()
    };
    bar.with_terms(&bar.caller, asking("内緒"), unkept).await;
    let (cached, _) = bar.cached(asking("内緒"), CacheUse::ON).await;
    assert_eq!(cached, Some(Cached::None), "nothing was to be kept");
    bar.keep(Keep::Metadata).await;
    for _ in 0..2 {
        let (cached, _) = bar.cached(asking("規則"), CacheUse::ON).await;
        assert_eq!(cached, Some(Cached::None), "the rule wants nothing kept");
    }
}

#[tokio::test]
async fn what_is_deleted_is_not_given_again() {
    let bar = Bar::open().await;
    let by = bar.caller.principal;
    let (_, first) = bar.cached(asking("消える"), CacheUse::ON).await;
    history::delete(&bar.room, by, HERE, first.id)
        .await
        .unwrap();
    let (cached, _) = bar.cached(asking("消える"), CacheUse::ON).await;
    assert_eq!(cached, Some(Cached::None));
    bar.vectors(&["消える"], None).await;
    let mut tx = bar
        .room
        .cx
        .db
        .begin(db::Scope::House("a leaver"))
        .await
        .unwrap();
    gateway::forget(&mut tx, by.tenant).await.unwrap();
    tx.commit().await.unwrap();
    let mut owner = bar.test.database.owner().await;
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from gateway.cached_answer) + (select count(*) from gateway.cached_vector)",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn of_several_texts_only_the_unknown_are_sent_and_paid() {
    let bar = Bar::open().await;
    let unit = "misaki.embedding_token";
    let tokens = |vectors: &Vectors| vectors.answer.usage.unwrap().input;
    let one = bar.vectors(&["東京の天気"], None).await;
    let other = bar.vectors(&["a bird in the hand"], None).await;
    assert_eq!(one.cached, Some(Cached::None));
    let mixed = bar
        .vectors(&["a bird in the hand", "新しい文", "東京の天気"], None)
        .await;
    assert_eq!((mixed.cached, bar.calls().await), (Some(Cached::Some), 3));
    assert_eq!(mixed.answer.vectors.first(), other.answer.vectors.first());
    assert_eq!(mixed.answer.vectors.last(), one.answer.vectors.first());
    let alone = bar.vectors(&["新しい文"], None).await;
    assert_eq!((alone.cached, bar.calls().await), (Some(Cached::All), 3));
    assert_eq!(alone.answer.vectors.first(), mixed.answer.vectors.get(1));
    assert_eq!((tokens(&alone), alone.cost_nano_usd), (0, 0));
    let paid = i64::try_from(tokens(&one) + tokens(&other) + tokens(&mixed)).unwrap();
    let [.., spent] = bar.stock_of(unit).await;
    assert_eq!(spent, paid);
    assert_eq!(bar.counted("tokens_in").await, paid, "what was sent");
    let short = bar.vectors(&["東京の天気"], Some(64)).await;
    assert_eq!(short.cached, Some(Cached::None), "of another length");
    bar.keep(Keep::None).await;
    bar.vectors(&["内緒"], None).await;
    assert_eq!(
        bar.vectors(&["内緒"], None).await.cached,
        Some(Cached::None)
    );
    assert_eq!(ledger::verify(&bar.room.cx).await.unwrap(), []);
}

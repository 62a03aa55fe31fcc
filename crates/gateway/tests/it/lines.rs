use std::sync::{Mutex, PoisonError};

use axum::{
    Router,
    body::Body,
    extract::State as Shared,
    http::{Request, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::post,
};
use gateway::{Ask, DataPolicy, Room, Shadow, Terms};
use llm::ChatRequest;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::*;

/// A model that writes down what it is asked, and answers when it is told to.
struct Slow {
    asked: Mutex<Vec<String>>,
    may_answer: Semaphore,
}

impl Slow {
    async fn open() -> (Arc<Self>, String) {
        let slow = Arc::new(Self {
            asked: Mutex::default(),
            may_answer: Semaphore::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(Arc::clone(&slow));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (slow, url)
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    async fn until_asked(&self, times: usize) {
        until(async || self.asked().len() >= times).await;
    }
}

async fn answer(Shared(slow): Shared<Arc<Slow>>, body: String) -> impl IntoResponse {
    let body: Value = serde_json::from_str(&body).unwrap();
    let said = body.pointer("/messages/0/content").and_then(Value::as_str);
    slow.asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(said.unwrap_or_default().to_owned());
    slow.may_answer.acquire().await.unwrap().forget();
    let said = json!({
        "id": "x", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "はい" } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    });
    ([(CONTENT_TYPE, "application/json")], said.to_string())
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting)
        .await
        .unwrap();
}

fn target(url: &str, room: impl Into<Option<Room>>, rank: u32) -> Target {
    Target {
        base_url: url.to_owned(),
        model: format!("m{rank}"),
        streams: false,
        weight: 1,
        start: Some(Duration::from_mins(1)),
        room: room.into(),
        rank,
        ..Target::default()
    }
}

const fn one_place(line: u32) -> Room {
    Room {
        places: 1,
        line: Some(line),
    }
}

async fn with_targets(bar: &Bar, targets: Vec<Target>) -> Gateway {
    let routes = Routes::new([("small".to_owned(), targets)]);
    node_of(&bar.room.cx, routes, vault()).await
}

fn wish(text: &str, terms: Terms) -> Ask {
    Ask {
        purpose: "misaki.chat".to_owned(),
        model: None,
        request: ChatRequest {
            messages: vec![Message::user(text)],
            ..ChatRequest::default()
        },
        id: None,
        terms,
    }
}

async fn ask(room: &Gateway, caller: &InferenceCaller, text: &str) -> RunId {
    start(room, caller, wish(text, Terms::default()))
        .await
        .unwrap()
}

async fn start(room: &Gateway, caller: &InferenceCaller, ask: Ask) -> Result<RunId, Error> {
    let (admitted, view) = gateway::begin(room, caller, ask).await?;
    gateway::launch(room, admitted);
    Ok(view.id)
}

async fn another_guest(bar: &Bar) -> (Caller, InferenceCaller) {
    let meta = RequestMeta::of_the_house("req_test");
    let guest = identity::guest(&bar.room.identity, &meta).await.unwrap();
    let guest = Caller::from(guest.session);
    let caller = InferenceCaller::of(&guest, "misaki");
    (guest, caller)
}

/// Its status and its place in the line, as its owner reads them.
async fn stands(room: &Gateway, guest: &Caller, id: RunId) -> (String, Option<i64>) {
    let token = identity::mint_inference_token(&room.identity, guest, "misaki")
        .unwrap()
        .token;
    let request = Request::get(format!("/inference/{id}"))
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let router = gateway::router().with_state(room.clone());
    let response = router.split_for_parts().0.oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 100_000)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let read = |name| body.get(name).cloned().unwrap_or_default();
    let status = read("status").as_str().unwrap().to_owned();
    (status, read("queue_position").as_i64())
}

async fn until_at(room: &Gateway, guest: &Caller, id: RunId, place: i64) {
    until(async || stands(room, guest, id).await == ("queued".to_owned(), Some(place))).await;
}

#[tokio::test]
async fn a_noisy_tenant_delays_a_quiet_ones_first_run_by_one_and_who_is_stopped_leaves_the_line() {
    let bar = Bar::open().await;
    let (slow, url) = Slow::open().await;
    let room = with_targets(&bar, vec![target(&url, one_place(100), 0)]).await;
    let (quiet, quiet_caller) = another_guest(&bar).await;

    let mut noisy = vec![ask(&room, &bar.caller, "noisy 0").await];
    slow.until_asked(1).await;
    for number in 1..6 {
        let id = ask(&room, &bar.caller, &format!("noisy {number}")).await;
        until_at(&room, &bar.guest, id, number).await;
        noisy.push(id);
    }
    let first = ask(&room, &quiet_caller, "quiet").await;
    until_at(&room, &quiet, first, 2).await;
    until_at(&room, &bar.guest, noisy[5], 6).await;

    gateway::cancel(&room, bar.caller.principal, noisy[2])
        .await
        .unwrap();
    let ended = async |id| {
        let found = gateway::get(&room, bar.caller.principal, id).await;
        found.unwrap().state.is_ended()
    };
    until(async || ended(noisy[2]).await).await;
    until_at(&room, &bar.guest, noisy[5], 5).await;

    slow.may_answer.add_permits(10);
    for id in &noisy {
        until(async || ended(*id).await).await;
    }
    assert_eq!(
        slow.asked(),
        [
            "noisy 0", "noisy 1", "quiet", "noisy 3", "noisy 4", "noisy 5"
        ]
    );
    room.drain(Duration::from_secs(30)).await;
    assert_eq!(
        bar.stock().await,
        [95, 0, 5],
        "who only waited pays nothing"
    );
}

#[tokio::test]
async fn where_the_line_is_full_the_next_target_is_asked_and_then_nobody() {
    let bar = Bar::open().await;
    let (slow, url) = Slow::open().await;
    let targets = vec![target(&url, one_place(0), 0), target(&url, one_place(0), 1)];
    let room = with_targets(&bar, targets).await;
    let first = ask(&room, &bar.caller, "first").await;
    slow.until_asked(1).await;
    let second = ask(&room, &bar.caller, "second").await;
    slow.until_asked(2).await;
    let third = ask(&room, &bar.caller, "third").await;
    let view = async |id| gateway::get(&room, bar.caller.principal, id).await.unwrap();
    until(async || view(third).await.state.is_ended()).await;
    assert_eq!(view(third).await.reason.as_deref(), Some("line_full"));

    slow.may_answer.add_permits(10);
    for (id, model) in [(first, "m0"), (second, "m1")] {
        until(async || view(id).await.state.is_ended()).await;
        let run = view(id).await;
        assert_eq!((run.state, run.model.as_str()), (State::Completed, model));
    }
    assert_eq!(slow.asked(), ["first", "second"]);
    room.drain(Duration::from_secs(30)).await;
    assert_eq!(
        bar.stock().await,
        [98, 0, 2],
        "who was turned away pays nothing"
    );
}

#[tokio::test]
async fn only_what_a_request_allows_is_asked_and_where_nothing_is_left_nothing_is_reserved() {
    let bar = Bar::open().await;
    let (slow, url) = Slow::open().await;
    slow.may_answer.add_permits(10);
    let at = |provider: &str, region: &str, rank| Target {
        provider: provider.to_owned(),
        region: region.to_owned(),
        ..target(&url, None, rank)
    };
    let targets = vec![at("near", "ap-northeast-1", 0), at("far", "us-east-1", 1)];
    let room = with_targets(&bar, targets).await;
    let limited = |providers: &[&str], regions: &[&str]| {
        let list = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            (!names.is_empty()).then_some(names)
        };
        let terms = Terms {
            policy: DataPolicy {
                providers: list(providers),
                regions: list(regions),
            },
            ..Terms::default()
        };
        wish("hello", terms)
    };
    for refused in [limited(&["other"], &[]), limited(&["near"], &["us"])] {
        let refused = start(&room, &bar.caller, refused).await;
        assert!(matches!(refused, Err(Error::DataPolicyUnmet)));
    }
    assert_eq!(slow.asked().len(), 0);
    for (allowed, model) in [
        (limited(&[], &["us"]), "m1"),
        (limited(&["far", "near"], &[]), "m0"),
    ] {
        let id = start(&room, &bar.caller, allowed).await.unwrap();
        let view = async || gateway::get(&room, bar.caller.principal, id).await.unwrap();
        until(async || view().await.state.is_ended()).await;
        let run = view().await;
        assert_eq!((run.state, run.model.as_str()), (State::Completed, model));
    }
    room.drain(Duration::from_secs(30)).await;
    assert_eq!(
        bar.stock().await,
        [98, 0, 2],
        "what was refused took nothing"
    );
}

#[tokio::test]
async fn a_shadow_is_asked_once_the_answer_is_given_and_not_where_nothing_is_to_be_kept() {
    let bar = Bar::open().await;
    let (shown, url) = Slow::open().await;
    let (hidden, hidden_url) = Slow::open().await;
    shown.may_answer.add_permits(10);
    let route = Route {
        targets: vec![target(&url, None, 0)],
        shadow: Some(Shadow {
            model: "newer".to_owned(),
            targets: vec![target(&hidden_url, None, 0)],
            percent: 100,
        }),
        ..Route::default()
    };
    let routes = Routes::new([]).with([("small".to_owned(), route)]);
    let room = node_of(&bar.room.cx, routes, vault()).await;
    let ended = async |ask| {
        let id = start(&room, &bar.caller, ask).await.unwrap();
        let view = async || gateway::get(&room, bar.caller.principal, id).await.unwrap();
        until(async || view().await.state.is_ended()).await;
        view().await
    };
    let unkept = Terms {
        is_stored: false,
        ..Terms::default()
    };
    let limited = Terms {
        policy: DataPolicy {
            providers: Some(vec![String::new()]),
            regions: None,
        },
        ..Terms::default()
    };
    for terms in [unkept, limited, Terms::default()] {
        let run = ended(wish(
            if terms.is_stored && !terms.policy.limits() {
                "open"
            } else {
                "closed"
            },
            terms,
        ))
        .await;
        assert_eq!((run.state, run.tokens_out), (State::Completed, 1));
    }
    // it has not answered yet, and nobody has waited for it
    hidden.until_asked(1).await;
    hidden.may_answer.add_permits(10);
    room.drain(Duration::from_secs(30)).await;
    assert_eq!(hidden.asked(), ["open"]);
    assert_eq!(shown.asked(), ["closed", "closed", "open"]);
    assert_eq!(bar.stock().await, [97, 0, 3], "nobody pays for it");
    for _ in 0..2 {
        room.write_down_pulses().await.unwrap();
    }
    let mut owner = bar.test.database.owner().await;
    let found: (i64, i64, i64, i64) = sqlx::query_as(
        "select answered, failed, agreement, tokens from gateway.shadow_day where (model, shadow) = ('small', 'newer')",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(found, (1, 0, 100, 1), "written down once");
    let counted: (i64, i64, i64) = sqlx::query_as(
        "select sum(calls), sum(failed), sum((select sum(n) from unnest(first_words) n))::bigint from gateway.target_minute",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        counted,
        (3, 0, 3),
        "a shadow is no call of the target's health"
    );
}

//! The stand-in model over a real socket.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts test functions, and these are their helpers"
)]

use std::time::Duration;

use futures::StreamExt as _;
use llm::openai::StreamDecoder;
use llm::{ChatRequest, CodecError, Finish, Message, StreamEvent, Usage};
use serde_json::{Value, json};

struct House {
    url: String,
    client: reqwest::Client,
}

impl House {
    async fn open() -> Self {
        // The client wants a provider of TLS even where none is used; a second test may have set it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = sandbox::model_router_paced(Duration::from_millis(1));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { url, client }
    }

    async fn ask(&self, text: &str, stream: bool) -> reqwest::Response {
        self.send(&llm::openai::encode(&ChatRequest {
            model: "sandbox-small".into(),
            messages: vec![Message::system("あなたはママです"), Message::user(text)],
            max_tokens: None,
            temperature: None,
            stream,
            ..ChatRequest::default()
        }))
        .await
    }

    async fn send(&self, body: &Value) -> reqwest::Response {
        let url = format!("{}/v1/chat/completions", self.url);
        self.client.post(url).json(body).send().await.unwrap()
    }

    async fn counters(&self) -> Value {
        let url = format!("{}/sandbox/counters", self.url);
        self.client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Waits until a counter has a value; a client's leaving is seen a moment after it.
    async fn counted(&self, name: &str, value: u64) -> Value {
        for _ in 0..400 {
            let counters = self.counters().await;
            if counters[name] == json!(value) {
                return counters;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{name} never became {value}: {}", self.counters().await);
    }
}

/// Reads a stream to its end, its fault, or the break of its connection.
async fn read(response: reqwest::Response) -> (Vec<StreamEvent>, Result<(), String>) {
    let mut decoder = StreamDecoder::new();
    let mut events = Vec::new();
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        let Ok(bytes) = bytes else {
            return (events, Err("connection broke".into()));
        };
        match decoder.push(&bytes) {
            Ok(more) => events.extend(more),
            Err(fault) => return (events, Err(fault.to_string())),
        }
    }
    match decoder.finish() {
        Ok(more) => {
            events.extend(more);
            (events, Ok(()))
        }
        Err(fault) => (events, Err(fault.to_string())),
    }
}

fn texts(events: &[StreamEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn usage(events: &[StreamEvent]) -> Option<Usage> {
    events.iter().rev().find_map(|event| match event {
        StreamEvent::Usage(usage) => Some(*usage),
        _ => None,
    })
}

#[tokio::test]
async fn a_streamed_answer_is_whole_and_its_usage_is_what_was_produced() {
    let house = House::open().await;
    let (events, end) = read(house.ask("今日は暑かったね", true).await).await;

    assert_eq!(end, Ok(()));
    assert!(texts(&events).len() > 15, "{events:?}");
    assert!(events.contains(&StreamEvent::Finish(Finish::Stop)));
    assert_eq!(events.last(), Some(&StreamEvent::Done));
    let usage = usage(&events).unwrap();
    assert_eq!(
        usage.output,
        llm::tokens::estimate(&texts(&events).concat())
    );
    let counters = house.counted("completed", 1).await;
    assert_eq!(counters["tokens_in"], json!(usage.input));
    assert_eq!(counters["tokens_out"], json!(usage.output));
    assert_eq!(counters["chunks"], json!(texts(&events).len()));
    assert_eq!(counters["in_flight"], json!(0));
}

#[tokio::test]
async fn a_whole_answer_is_the_streamed_one() {
    let house = House::open().await;
    let body = house.ask("hello there", false).await.bytes().await.unwrap();
    let whole = llm::openai::decode(&body).unwrap();
    let (events, _) = read(house.ask("hello there", true).await).await;

    assert_eq!(whole.text, texts(&events).concat());
    assert_eq!(whole.usage, usage(&events));
    assert_eq!(whole.model, "sandbox-small");
}

#[tokio::test]
async fn usage_is_streamed_only_when_asked_for() {
    let house = House::open().await;
    let body = json!({ "model": "sandbox-large", "stream": true, "max_completion_tokens": 5,
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "hello" }] }] });
    let (events, end) = read(house.send(&body).await).await;

    assert_eq!(end, Ok(()));
    assert_eq!(usage(&events), None);
    assert!(events.contains(&StreamEvent::Finish(Finish::Length)));
}

#[tokio::test]
async fn failures_before_the_first_byte_are_told_in_the_protocol() {
    let house = House::open().await;
    let failed = house.ask("[fail]", true).await;
    assert_eq!(failed.status(), 500);
    let fault = llm::openai::decode(&failed.bytes().await.unwrap()).unwrap_err();
    assert!(matches!(&fault, CodecError::Upstream { .. }) && fault.retryable());

    let refused = house.ask("[429]", true).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "2");

    let unknown = json!({ "model": "gpt-x", "messages": [{ "role": "user", "content": "a" }] });
    let unknown = house.send(&unknown).await;
    assert_eq!(unknown.status(), 404);
    assert!(
        !llm::openai::decode(&unknown.bytes().await.unwrap())
            .unwrap_err()
            .retryable()
    );

    assert_eq!(
        house
            .send(&json!({ "model": "sandbox-small" }))
            .await
            .status(),
        400
    );
    let silent = json!({ "model": "sandbox-small", "messages": [] });
    assert_eq!(house.send(&silent).await.status(), 400);
    let counters = house.counted("failed", 5).await;
    assert_eq!(counters["chunks"], json!(0));
}

#[tokio::test]
async fn a_connection_breaks_after_as_many_chunks_as_asked() {
    let house = House::open().await;
    let (events, end) = read(house.ask("話して [fail after 5]", true).await).await;

    assert_eq!(texts(&events).len(), 5);
    assert_eq!(end, Err("connection broke".into()));
    assert_eq!(house.counted("failed", 1).await["chunks"], json!(5));

    let whole = house.ask("話して [fail after 5]", false).await;
    assert!(whole.bytes().await.is_err());
}

#[tokio::test]
async fn a_garbled_stream_is_seen_as_garbled() {
    let house = House::open().await;
    let (events, end) = read(house.ask("[garble] 話して", true).await).await;

    assert_eq!(texts(&events).len(), 2);
    assert!(end.unwrap_err().contains("garbled"));
    let whole = house
        .ask("[garble] 話して", false)
        .await
        .bytes()
        .await
        .unwrap();
    assert!(matches!(
        llm::openai::decode(&whole),
        Err(CodecError::Garbled { .. })
    ));
}

#[tokio::test]
async fn a_long_answer_has_its_length() {
    let house = House::open().await;
    let (events, end) = read(house.ask("[long 300]", true).await).await;

    assert_eq!((texts(&events).len(), end), (300, Ok(())));
}

#[tokio::test]
async fn a_stall_lasts_until_the_client_leaves_and_that_is_counted() {
    let house = House::open().await;
    let mut body = house.ask("[stall]", true).await.bytes_stream();
    let mut decoder = StreamDecoder::new();
    let mut events = Vec::new();
    while texts(&events).len() < 3 {
        events.extend(decoder.push(&body.next().await.unwrap().unwrap()).unwrap());
    }
    assert_eq!(house.counters().await["in_flight"], json!(1));
    let more = tokio::time::timeout(Duration::from_millis(100), body.next()).await;
    assert!(more.is_err(), "it went on: {more:?}");

    drop(body);

    let counters = house.counted("cancelled", 1).await;
    assert_eq!(counters["in_flight"], json!(0));
    assert_eq!(counters["chunks"], json!(3));
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_work() {
    let house = House::open().await;
    let mut body = house.ask("[slow] [long 300]", true).await.bytes_stream();
    body.next().await.unwrap().unwrap();

    drop(body);

    let counters = house.counted("cancelled", 1).await;
    assert!(counters["chunks"].as_u64().unwrap() < 10, "{counters}");
}

#[tokio::test]
async fn the_models_are_listed() {
    let house = House::open().await;
    let url = format!("{}/v1/models", house.url);
    let list: Value = house
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["id"].as_str())
        .collect();

    let (vectors, chat) = ids.split_last().unwrap();
    assert_eq!(chat, sandbox::MODELS);
    assert_eq!(*vectors, "sandbox-embedding");
}

#[tokio::test]
async fn files_that_came_are_named_where_that_is_asked_for() {
    let house = House::open().await;
    let url = "data:application/pdf;base64,JVBERi0xLjQK";
    let file = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": url}});
    let text = json!({"type": "text", "text": "[files]"});
    for (content, said) in [
        (json!([file, text]), "a.pdf application/pdf 9"),
        (json!([text]), "no files"),
    ] {
        let body = json!({"model": "sandbox-obedient", "messages": [{"role": "user", "content": content}]});
        let answer: Value = house.send(&body).await.json().await.unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], said);
    }
}

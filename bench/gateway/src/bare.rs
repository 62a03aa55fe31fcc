//! The upstream's mock and the pass-through, each served by a process of its own.

use std::{
    collections::HashMap,
    fmt::Write,
    io::Write as _,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

const CHUNKS: usize = 20;

/// A process of this benchmark's own that serves something.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
}

impl Served {
    pub(crate) async fn start(args: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().context("no output")?;
        let url = BufReader::new(out).lines().next_line().await?;
        Ok(Self {
            child,
            url: url.context("it did not start")?,
        })
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("it has ended")
    }

    /// How often the upstream was called, by the key that it was called with.
    pub(crate) async fn count(&self) -> Result<HashMap<String, u64>> {
        let answer = crate::client()?.get(format!("{}/count", self.url)).send();
        Ok(answer.await?.json().await?)
    }
}

/// Serves `app` on a free port in the way that Noren serves, for as long as the process lives.
async fn serve(app: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let limits = api::Limits {
        connections: 4096,
        per_address: 4096,
        header_timeout: Duration::from_mins(10),
        patience: Duration::from_mins(10),
        drain: Duration::ZERO,
    };
    let stop = CancellationToken::new();
    api::serve(listener, app, limits, api::Proxies::default(), stop).await;
    Ok(())
}

#[derive(Clone, Default)]
struct Upstream {
    stream: Bytes,
    whole: Bytes,
    calls: Arc<Mutex<HashMap<String, u64>>>,
}

/// A mock of an OpenAI-compatible server: 20 chunks, usage, done, all at once; or the same whole.
pub(crate) async fn upstream() -> Result<()> {
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 40, "total_tokens": 50 });
    let (mut stream, mut text) = (String::new(), String::new());
    for n in 0..CHUNKS {
        let piece = format!("piece {n} ");
        text.push_str(&piece);
        let chunk = json!({ "id": "x", "object": "chat.completion.chunk", "model": "mock", "created": 0,
            "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }] });
        write!(stream, "data: {chunk}\n\n")?;
    }
    let last = json!({ "id": "x", "object": "chat.completion.chunk", "model": "mock", "created": 0,
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let counted = json!({ "id": "x", "object": "chat.completion.chunk", "model": "mock", "created": 0, "choices": [],
        "usage": usage });
    write!(
        stream,
        "data: {last}\n\ndata: {counted}\n\ndata: [DONE]\n\n"
    )?;
    let whole = json!({ "id": "x", "object": "chat.completion", "model": "mock", "created": 0, "usage": usage,
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }] });
    let state = Upstream {
        stream: stream.into(),
        whole: whole.to_string().into(),
        calls: Arc::default(),
    };
    let app = Router::new()
        .route("/v1/chat/completions", post(answer))
        .route("/count", get(count))
        .with_state(state);
    serve(app).await
}

async fn answer(State(upstream): State<Upstream>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers.get(header::AUTHORIZATION);
    let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
    *upstream.lock().entry(key.to_owned()).or_default() += 1;
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    if asked.get("stream") == Some(&Value::Bool(true)) {
        (
            [(header::CONTENT_TYPE, "text/event-stream")],
            upstream.stream,
        )
            .into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], upstream.whole).into_response()
    }
}

async fn count(State(upstream): State<Upstream>) -> String {
    json!(*upstream.lock()).to_string()
}

impl Upstream {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Forward {
    http: Client,
    upstream: String,
}

/// Forwards requests and answers, and nothing else.
pub(crate) async fn pass_through(upstream: &str) -> Result<()> {
    let state = Forward {
        http: crate::client()?,
        upstream: format!("{upstream}/v1/chat/completions"),
    };
    let app = Router::new()
        .route("/v1/chat/completions", post(forward))
        .with_state(state);
    serve(app).await
}

async fn forward(State(to): State<Forward>, body: Body) -> Response {
    let sent = to
        .http
        .post(&to.upstream)
        .body(reqwest::Body::wrap_stream(body.into_data_stream()))
        .send()
        .await;
    match sent {
        Ok(answer) => Body::from_stream(answer.bytes_stream()).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

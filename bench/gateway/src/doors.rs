use std::{fmt::Write, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::post,
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

/// A client that can have one stream from beginning to end.
pub(crate) trait Door {
    async fn run(&self) -> Result<()>;
}

/// Serves `app` on a free port in the way that Noren serves, for as long as the process lives.
async fn serve(app: Router) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let limits = api::Limits {
        connections: 4096,
        per_address: 4096,
        header_timeout: Duration::from_mins(10),
        drain: Duration::ZERO,
    };
    tokio::spawn(api::serve(
        listener,
        app,
        limits,
        api::Proxies::default(),
        CancellationToken::new(),
    ));
    Ok(url)
}

/// A mock of an OpenAI-compatible server: 20 chunks, usage, done, all at once.
pub(crate) async fn start_upstream() -> Result<String> {
    let mut stream = String::new();
    for n in 0..CHUNKS {
        let chunk = json!({ "id": "x", "object": "chat.completion.chunk", "model": "mock", "created": 0,
            "choices": [{ "index": 0, "delta": { "content": format!("piece {n} ") }, "finish_reason": null }] });
        write!(stream, "data: {chunk}\n\n")?;
    }
    let last = json!({ "id": "x", "object": "chat.completion.chunk", "model": "mock", "created": 0,
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let usage = json!({ "id": "x", "object": "chat.completion.chunk", "model": "mock", "created": 0, "choices": [],
        "usage": { "prompt_tokens": 10, "completion_tokens": 40, "total_tokens": 50 } });
    write!(stream, "data: {last}\n\ndata: {usage}\n\ndata: [DONE]\n\n")?;
    let answer = move || {
        let stream = stream.clone();
        async move { ([(header::CONTENT_TYPE, "text/event-stream")], stream) }
    };
    serve(Router::new().route("/v1/chat/completions", post(answer))).await
}

/// Forwards request and stream, and nothing else.
pub(crate) struct PassThrough {
    url: String,
}

#[derive(Clone)]
struct Forward {
    http: Client,
    upstream: String,
}

impl PassThrough {
    pub(crate) async fn start(upstream: &str) -> Result<Self> {
        let state = Forward {
            http: client()?,
            upstream: format!("{upstream}/v1/chat/completions"),
        };
        let app = Router::new()
            .route("/v1/chat/completions", post(forward))
            .with_state(state);
        Ok(Self {
            url: serve(app).await?,
        })
    }

    pub(crate) fn client(&self) -> Result<PassThroughClient> {
        Ok(PassThroughClient {
            http: client()?,
            url: format!("{}/v1/chat/completions", self.url),
        })
    }
}

async fn forward(State(to): State<Forward>, body: Body) -> Response {
    let sent = to
        .http
        .post(&to.upstream)
        .body(reqwest::Body::wrap_stream(body.into_data_stream()))
        .send()
        .await;
    match sent {
        Ok(answer) => (
            [(header::CONTENT_TYPE, "text/event-stream")],
            Body::from_stream(answer.bytes_stream()),
        )
            .into_response(),
        Err(_) => axum::http::StatusCode::BAD_GATEWAY.into_response(),
    }
}

pub(crate) struct PassThroughClient {
    http: Client,
    url: String,
}

impl Door for PassThroughClient {
    async fn run(&self) -> Result<()> {
        let body = json!({ "model": "mock", "stream": true, "messages": [{ "role": "user", "content": "hello" }] });
        let text = self
            .http
            .post(&self.url)
            .json(&body)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        if !text.ends_with("data: [DONE]\n\n") {
            bail!("the pass-through's stream ended early");
        }
        Ok(())
    }
}

/// The real binary on a private cluster of its own, with the mock as its model.
pub(crate) struct Noren {
    child: Child,
    account: String,
    inference: String,
    _data: tempfile::TempDir,
}

impl Noren {
    pub(crate) async fn start(binary: &str, upstream: &str) -> Result<Self> {
        let data = tempfile::tempdir()?;
        // the server's user has to be able to walk there
        std::fs::set_permissions(
            data.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
        let mut child = Command::new(binary)
            .args([
                "run",
                "--account",
                "127.0.0.1:0",
                "--inference",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(data.path())
            .env(
                "NOREN__PLANS__FILE",
                concat!(env!("CARGO_MANIFEST_DIR"), "/plans.toml"),
            )
            .env("NOREN__GATEWAY__OPENAI__BASE_URL", format!("{upstream}/v1"))
            .env("NOREN__GATEWAY__OPENAI__MODEL", "mock")
            .env("NOREN__LOG__FILTER", "warn")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{binary} can't be started"))?;
        let out = child.stdout.take().context("no output")?;
        let line = BufReader::new(out)
            .lines()
            .next_line()
            .await?
            .context("noren did not start")?;
        let ready: Value = serde_json::from_str(&line)?;
        let url = |name: &str| {
            ready
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .context("no address")
        };
        Ok(Self {
            child,
            account: url("account")?,
            inference: url("inference")?,
            _data: data,
        })
    }

    /// A guest of its own, so that clients don't stand in one tenant's line.
    pub(crate) async fn client(&self) -> Result<NorenClient> {
        let http = client()?;
        let guest = http
            .post(format!("{}/auth/guest", self.account))
            .send()
            .await?
            .error_for_status()?;
        let cookie = guest
            .headers()
            .get("set-cookie")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let plan = http
            .get(format!("{}/billing/plan?storefront=misaki", self.account))
            .header("cookie", cookie);
        let plan: Value = plan.send().await?.error_for_status()?.json().await?;
        let token = plan
            .pointer("/inference/token")
            .and_then(Value::as_str)
            .context("no token")?
            .to_owned();
        Ok(NorenClient {
            http,
            url: format!("{}/inference", self.inference),
            token,
        })
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().context("noren has ended by itself")?;
        Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .await?;
        self.child.wait().await?;
        Ok(())
    }
}

pub(crate) struct NorenClient {
    http: Client,
    url: String,
    token: String,
}

impl Door for NorenClient {
    async fn run(&self) -> Result<()> {
        let body =
            json!({ "route": "misaki.chat", "messages": [{ "role": "user", "content": "hello" }] });
        let started = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await?;
        let run: Value = started.error_for_status()?.json().await?;
        let id = run.get("id").and_then(Value::as_str).context("no run")?;
        let events = self
            .http
            .get(format!("{}/{id}/events", self.url))
            .bearer_auth(&self.token)
            .send()
            .await?;
        let text = events.error_for_status()?.text().await?;
        if !text.contains("\"state\":\"completed\"") {
            bail!("a run did not complete: {text}");
        }
        Ok(())
    }
}

fn client() -> Result<Client> {
    Ok(Client::builder()
        .tcp_nodelay(true)
        .timeout(Duration::from_mins(1))
        .build()?)
}

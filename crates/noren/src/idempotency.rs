//! `Idempotency-Key` on every POST of both listeners (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! The key belongs to whoever asks and to the route. A retry gets the first answer again, marked `Idempotency-Replayed`; while
//! the first is under way 409, with another body 422. Kept for a day. Not kept: streams, answers over 1 MiB, and refusals
//! before anything began (401, 403, 408, 413, 415, 429, 503), after which the key is free.
//!
//! What signs in or out, renews a session or exchanges tokens takes no key: to repeat it does no harm, and its answer would be
//! a credential kept for a day. Messages to Misaki have keys of their own, which never expire.

mod seal;
mod store;

use std::{sync::Arc, time::Duration};

use api::{ClientAddr, Problem};
use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{Caller, Identity, InferenceCaller, Principal};
use kernel::{Fault, Text};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use utoipa::openapi::{
    OpenApi, RefOr, Required,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};

use seal::{Keys, Said};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long an answer is kept.
const KEPT: chrono::Duration = chrono::Duration::hours(24);
/// After this long without a sign of life the process that worked is taken for dead.
const LEASE: chrono::Duration = chrono::Duration::seconds(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// The largest answer that is kept.
const LARGEST: u64 = 1024 * 1024;
/// The largest request that may carry a key, of somebody we know and of anybody.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;
const LARGEST_OF_A_STRANGER: usize = 1024 * 1024;
/// Strangers share their networks, so their keys must be ones that nobody else comes upon.
const SHORTEST_OF_A_STRANGER: usize = 16;

/// What takes no key; see above.
const WITHOUT: [&str; 22] = [
    "/auth/callback",
    "/auth/guest",
    "/auth/login",
    "/auth/login/child",
    "/auth/login/second",
    "/auth/logout",
    "/auth/passkey/login",
    "/auth/passkey/options",
    "/auth/password",
    "/auth/password/reset",
    "/auth/step-up",
    "/auth/tenant",
    "/auth/token",
    "/auth/token/refresh",
    "/demo/sign-in",
    "/family/children/{user}/enter",
    "/invitations/accept",
    "/misaki/messages",
    "/misaki/messages/{message}/again",
    "/oauth/revoke",
    "/oauth/token",
    "/oauth/userinfo",
];

/// Doors whose key names a run: a retry reads the same run again, streams too.
const OF_RUNS: [&str; 9] = [
    "/inference",
    "/inference/quote",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v2/{endpoint}/run",
    "/v2/{endpoint}/runsync",
];

/// Which listener is asked, and so by what it knows its callers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Account,
    Inference,
}

/// One attempt at a request with a key.
#[derive(Debug)]
struct Claim {
    scope: Vec<u8>,
    fingerprint: Vec<u8>,
    lease: store::Lease,
    lease_until: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// What is known of a key.
#[derive(Debug)]
struct Found {
    fingerprint: Vec<u8>,
    state: String,
    sealed: Option<Vec<u8>>,
}

/// What to do with a request that carries a key.
#[derive(Debug)]
enum Verdict {
    /// It is the first, or the ones before came to nothing.
    Begin,
    Replay(Vec<u8>),
    Refuse(Box<Problem>),
}

/// Answers a POST with a key once; everything else passes.
pub(crate) async fn once<F: Future<Output = Response> + Send>(
    room: Arc<Identity>,
    door: Door,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|route| route.as_str().to_owned());
    let Some(route) = route.filter(|route| {
        request.method() == Method::POST
            && request.headers().contains_key(HEADER)
            && !WITHOUT.contains(&route.as_str())
            && !OF_RUNS.contains(&route.as_str())
    }) else {
        return next(request).await;
    };
    match Box::pin(guarded(&room, door, &route, request, next)).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn guarded<F: Future<Output = Response> + Send>(
    room: &Identity,
    door: Door,
    route: &str,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Result<Response, Problem> {
    let key = read_key(request.headers()).ok_or_else(bad_key)?;
    let (mut parts, body) = request.into_parts();
    let asker = asker(room, door, &mut parts).await?;
    let limit = match asker {
        Asker::Known(_) => LARGEST_REQUEST,
        Asker::Stranger(_) if key.len() < SHORTEST_OF_A_STRANGER => return Err(bad_key()),
        Asker::Stranger(_) => LARGEST_OF_A_STRANGER,
    };
    // the route unfolds it, or looks at the very bytes, as Stripe's does
    let sent = Request::from_parts(parts.clone(), body);
    let body = api::read_body_as_sent(sent, limit).await?;
    let secret = room.derived_secret("idempotency");
    let keys = Keys::derive(&secret, &key, &[&asker.text(), route])
        .ok_or_else(|| Fault::broken("no keys can be derived"))?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let now = room.cx.clock.now();
    let claim = Claim {
        scope: keys.scope(),
        fingerprint: keys.fingerprint(path, &body),
        lease: room.cx.ids.new_id(),
        lease_until: now + LEASE,
        expires_at: now + KEPT,
    };
    match look(&room.cx, &claim, now).await? {
        Verdict::Begin => {}
        Verdict::Refuse(problem) => return Err(*problem),
        Verdict::Replay(sealed) => return replay(&keys, &claim, &sealed),
    }
    let request = Request::from_parts(parts, Body::from(body));
    let response = work(&room.cx, &claim, next(request)).await;
    Ok(keep(&room.cx, &keys, &claim, response).await)
}

/// Who asks.
#[derive(Debug)]
enum Asker {
    Known(Principal),
    /// From this network.
    Stranger(String),
}

impl Asker {
    fn text(&self) -> String {
        match self {
            Self::Known(principal) => {
                let id = |id: Option<String>| id.unwrap_or_default();
                let user = id(principal.user.map(|user| user.to_string()));
                let key = id(principal.key.map(|key| key.to_string()));
                format!("known:{}:{user}:{key}", principal.tenant)
            }
            Self::Stranger(network) => format!("stranger:{network}"),
        }
    }
}

/// Whoever brings nothing that lets them in, or something that is over, is a stranger here; the route says what that means.
async fn asker(room: &Identity, door: Door, parts: &mut Parts) -> Result<Asker, Problem> {
    let found = match door {
        Door::Account => Caller::from_request_parts(parts, room)
            .await
            .map(|caller| caller.principal),
        Door::Inference => InferenceCaller::from_request_parts(parts, room)
            .await
            .map(|caller| caller.principal),
    };
    match found {
        Ok(principal) => Ok(Asker::Known(principal)),
        Err(identity::Error::Fault(fault)) => Err(fault.into()),
        Err(_) => {
            let address = parts.extensions.get::<ClientAddr>();
            Ok(Asker::Stranger(
                address.map_or_else(String::new, |address| address.0.to_canonical().to_string()),
            ))
        }
    }
}

/// The key as a structured-field string (RFC 8941 §3.3.3) or bare; none when it is neither, or too long.
fn read_key(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(HEADER).iter();
    let text = values.next()?.to_str().ok()?.trim();
    if values.next().is_some() {
        return None;
    }
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest.strip_suffix('"')?)?,
        None if text.contains(['"', ',', ';', ' ', '\t']) => return None,
        None => text.to_owned(),
    };
    (1..=200).contains(&key.len()).then_some(key)
}

fn unquoted(text: &str) -> Option<String> {
    let mut found = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => found.push(chars.next().filter(|char| matches!(char, '"' | '\\'))?),
            '"' | '\t' => return None,
            char => found.push(char),
        }
    }
    Some(found)
}

/// Takes the key, or says what became of the request that has it.
async fn look(cx: &Ctx, claim: &Claim, now: DateTime<Utc>) -> Result<Verdict, Problem> {
    let mut tx = begin(cx).await?;
    let verdict = if store::claim(&mut tx, claim, now).await.map_err(db::fault)? {
        Verdict::Begin
    } else {
        let found = store::find(&mut tx, &claim.scope)
            .await
            .map_err(db::fault)?;
        judge(found, claim)
    };
    tx.commit().await.map_err(db::fault)?;
    Ok(verdict)
}

fn judge(found: Option<Found>, claim: &Claim) -> Verdict {
    match found {
        // it came to nothing this very moment; the next try has the key
        None => Verdict::Refuse(in_flight().into()),
        Some(found) if found.fingerprint != claim.fingerprint => Verdict::Refuse(reused().into()),
        Some(found) => match (found.state.as_str(), found.sealed) {
            ("kept", Some(sealed)) => Verdict::Replay(sealed),
            ("working", _) => Verdict::Refuse(in_flight().into()),
            _ => Verdict::Refuse(unkept().into()),
        },
    }
}

/// Runs the request and keeps the key meanwhile, however long it takes.
async fn work(cx: &Ctx, claim: &Claim, answer: impl Future<Output = Response> + Send) -> Response {
    let mut answer = Box::pin(answer);
    let mut beat = interval_at(Instant::now() + RENEW_EVERY, RENEW_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            response = &mut answer => return response,
            _ = beat.tick() => {
                if let Err(error) = renew(cx, claim).await {
                    tracing::warn!(%error, "a request's key can't be kept; the next beat tries again");
                }
            }
        }
    }
}

async fn renew(cx: &Ctx, claim: &Claim) -> Result<(), Fault> {
    let mut tx = begin(cx).await?;
    store::renew(&mut tx, claim, cx.clock.now() + LEASE)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)
}

/// Writes down what became of the request. The answer goes out in any case.
async fn keep(cx: &Ctx, keys: &Keys, claim: &Claim, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let outcome = if nothing_began(parts.status.as_u16()) {
        Outcome::Nothing
    } else if is_stream(&parts.headers) || body.size_hint().exact().is_none_or(|n| n > LARGEST) {
        Outcome::Unkept
    } else {
        Outcome::Kept
    };
    if !matches!(outcome, Outcome::Kept) {
        note(cx, claim, &outcome, None).await;
        return Response::from_parts(parts, body);
    }
    let bytes = match to_bytes(body, usize::try_from(LARGEST).unwrap_or(usize::MAX)).await {
        Ok(bytes) => bytes,
        Err(error) => {
            return Problem::from(Fault::internal("an answer ended early", error)).into_response();
        }
    };
    let said = Said::of(parts.status.as_u16(), &parts.headers, &bytes);
    if let Some(sealed) = keys.seal(&said, &claim.fingerprint) {
        note(cx, claim, &outcome, Some(&sealed)).await;
    } else {
        tracing::error!("an answer can't be sealed, so it is not kept");
    }
    Response::from_parts(parts, Body::from(bytes))
}

#[derive(Debug)]
enum Outcome {
    Kept,
    Unkept,
    Nothing,
}

async fn note(cx: &Ctx, claim: &Claim, outcome: &Outcome, sealed: Option<&[u8]>) {
    let written = async {
        let mut tx = begin(cx).await?;
        match outcome {
            Outcome::Nothing => store::free(&mut tx, claim).await,
            Outcome::Kept | Outcome::Unkept => store::finish(&mut tx, claim, sealed).await,
        }
        .map_err(db::fault)?;
        tx.commit().await.map_err(db::fault)
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "what became of a request can't be written down; its key is free when the lease ends");
    }
}

/// Refusals that come before anything was done.
const fn nothing_began(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 413 | 415 | 429 | 503)
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|media| media.to_str().ok())
        .is_some_and(|media| media.starts_with("text/event-stream"))
}

fn replay(keys: &Keys, claim: &Claim, sealed: &[u8]) -> Result<Response, Problem> {
    let said = keys
        .open(sealed, &claim.fingerprint)
        .ok_or_else(|| Fault::broken("a kept answer can't be opened"))?;
    let mut response = said
        .response()
        .ok_or_else(|| Fault::broken("a kept answer can't be read"))?;
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Fault> {
    cx.db
        .begin(Scope::House("a request's key"))
        .await
        .map_err(db::fault)
}

/// Forgets answers whose day is over.
pub(crate) async fn clear_due(cx: &Ctx, most: i64) -> Result<(), Fault> {
    let mut tx = begin(cx).await?;
    store::delete_expired(&mut tx, cx.clock.now(), most)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)
}

fn bad_key() -> Problem {
    Problem::new(
        400,
        "idempotency_key_malformed",
        Text::new(
            "Idempotency-Key は1〜200文字の英数字にしてください（サインインしていないときは16文字以上）。",
            "An Idempotency-Key has 1 to 200 characters of plain text, and at least 16 from whoever is not signed in.",
        ),
    )
}

fn in_flight() -> Problem {
    Problem::new(
        409,
        "request_in_flight",
        Text::new(
            "同じ Idempotency-Key のリクエストを処理しています。少し待って送り直してください。",
            "A request with this Idempotency-Key is under way. Please send it again in a moment.",
        ),
    )
    .with_retry_after(1)
}

fn reused() -> Problem {
    Problem::new(
        422,
        "idempotency_key_reused",
        Text::new(
            "同じ Idempotency-Key で別の内容が送られました。",
            "This Idempotency-Key was used for another request.",
        ),
    )
}

fn unkept() -> Problem {
    Problem::new(
        409,
        "answer_not_kept",
        Text::new(
            "このリクエストは処理済みですが、応答は保存していません。新しい Idempotency-Key で送ってください。",
            "This request was done; its answer, a stream or a large one, is not kept. Please use a new Idempotency-Key.",
        ),
    )
}

/// Writes the header into the document, at every POST that takes it.
pub(crate) fn describe(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        if WITHOUT.contains(&path.as_str()) {
            continue;
        }
        if let Some(post) = &mut item.post {
            post.parameters
                .get_or_insert_default()
                .push(RefOr::T(parameter()));
        }
    }
}

fn parameter() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(200))
        .build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names the request: a retry within 24 hours gets the first answer again, marked Idempotency-Replayed.",
        ))
        .schema(Some(schema))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).unwrap());
        read_key(&headers)
    }

    #[test]
    fn keys_come_quoted_or_bare_and_nothing_else_is_one() {
        for (value, key) in [
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                Some("8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ),
            ("\"8e03978e\"", Some("8e03978e")),
            (r#""a \"quoted\" \\ key""#, Some(r#"a "quoted" \ key"#)),
            (" bare ", Some("bare")),
            ("", None),
            ("\"\"", None),
            ("\"", None),
            ("\"open", None),
            ("two words", None),
            ("a, b", None),
            ("a\"b", None),
            (r#""a"b""#, None),
            (r#""a\b""#, None),
            (r#""a"; p=1"#, None),
        ] {
            assert_eq!(read(value).as_deref(), key, "{value}");
        }
        assert!(read(&"x".repeat(200)).is_some());
        assert!(read(&"x".repeat(201)).is_none());
        let mut twice = HeaderMap::new();
        twice.append(HEADER, HeaderValue::from_static("a"));
        twice.append(HEADER, HeaderValue::from_static("b"));
        assert_eq!(read_key(&twice), None);
    }

    #[test]
    fn what_a_retry_gets_follows_a_fixed_table() {
        let claim = Claim {
            scope: vec![1; 32],
            fingerprint: vec![2; 32],
            lease: uuid::Uuid::nil(),
            lease_until: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
        };
        let found = |fingerprint: u8, state: &str, sealed: Option<Vec<u8>>| {
            let found = Found {
                fingerprint: vec![fingerprint; 32],
                state: state.to_owned(),
                sealed,
            };
            match judge(Some(found), &claim) {
                Verdict::Begin => "begin",
                Verdict::Replay(_) => "replay",
                Verdict::Refuse(problem) => problem.code,
            }
        };
        assert_eq!(found(2, "kept", Some(vec![3])), "replay");
        assert_eq!(found(2, "working", None), "request_in_flight");
        assert_eq!(found(2, "unkept", None), "answer_not_kept");
        for state in ["kept", "working", "unkept"] {
            assert_eq!(found(9, state, None), "idempotency_key_reused");
        }
        assert!([401, 403, 429, 503].into_iter().all(nothing_began));
        assert!(
            ![200, 201, 400, 402, 404, 409, 422, 500]
                .into_iter()
                .any(nothing_began)
        );
    }
}

//! Questions of the house's own, such as what to remember of a talk: nobody's run and nobody's bill. What one has cost is
//! told to whoever asks, who keeps it within bounds.

use std::time::Duration;

use futures::StreamExt;
use identity::TenantId;
use kernel::NanoUsd;
use llm::{ChatRequest, EmbedInput, EmbedRequest, Message, StreamEvent, Usage, tokens};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    Error, Gateway, Priority, RunId, Target, choose,
    places::Guest,
    provider::{self, Asker, Trouble},
    route::{Kind, Use},
    run::weigh,
};

/// The most targets that are asked.
const MOST_CALLS: usize = 3;
/// How long an answer may take in all.
const PATIENCE: Duration = Duration::from_mins(3);
/// The longest answer, in bytes.
const LONGEST: usize = 64 * 1024;
const LINE_FULL: &str = "line_full";

/// What was answered.
#[derive(Clone, Debug)]
pub struct Aside {
    pub text: String,
    pub model: String,
    pub cost: NanoUsd,
}

/// Asks the models of a route.
///
/// # Errors
/// `ModelNotConfigured` when the route has none, `Upstream` when none delivered.
pub async fn ask_aside(
    room: &Gateway,
    tenant: TenantId,
    route: &str,
    (messages, max_tokens): (Vec<Message>, u32),
) -> Result<Aside, Error> {
    let mut targets = targets(room, route, Use::Chat)?;
    let wish = ChatRequest {
        messages,
        max_tokens: Some(max_tokens),
        ..ChatRequest::default()
    };
    weigh(&mut targets, &wish, room.cx.clock.now());
    let id: RunId = room.cx.ids.new_id();
    let mut last = None;
    let guest = Guest {
        run: id.0,
        tenant,
        priority: Priority::Low,
    };
    for target in in_order(room, &targets, id.0.as_u64_pair().1) {
        let within = room.node.patience.line;
        let Ok(_place) = room.node.places.take(target, guest, within).await else {
            last = Some(LINE_FULL);
            continue;
        };
        let request = ChatRequest {
            model: target.model.clone(),
            stream: target.streams,
            ..wish.clone()
        };
        let asked = timeout(
            PATIENCE,
            listen(room, Asker::new(id, tenant), target, &request),
        )
        .await;
        match asked.unwrap_or(Err(Trouble::Silent)) {
            Ok((text, usage)) => {
                room.node.health.succeeded(&target.name());
                let usage = usage.unwrap_or_else(|| Usage {
                    input: tokens::estimate_request(&wish),
                    output: tokens::estimate(&text),
                    ..Usage::default()
                });
                let cost = target.price.of(usage);
                return Ok(Aside {
                    text,
                    model: target.model.clone(),
                    cost,
                });
            }
            Err(trouble) => {
                let told = trouble.told(provider::words(&wish));
                last = Some(note(room, target, &trouble, &told));
            }
        }
    }
    Err(Error::Upstream(last.unwrap_or("upstream_unavailable")))
}

/// Makes vectors of texts by the models of a route, within a time.
///
/// # Errors
/// As [`ask_aside`].
pub async fn embed_aside(
    room: &Gateway,
    route: &str,
    texts: Vec<String>,
    within: Duration,
) -> Result<(Vec<Vec<f32>>, NanoUsd), Error> {
    let mut targets = targets(room, route, Use::Embedding)?;
    targets.retain(|target| target.kind == Kind::OpenAi);
    let estimate = texts.iter().map(|text| tokens::estimate(text)).sum();
    let read = Usage {
        input: estimate,
        ..Usage::default()
    };
    for target in &mut targets {
        target.weigh(read, room.cx.clock.now());
    }
    let seed = room.cx.ids.new_id::<Uuid>().as_u64_pair().1;
    let mut last = None;
    let guest = Guest {
        run: room.cx.ids.new_id(),
        // nobody's but the house's
        tenant: TenantId(Uuid::nil()),
        priority: Priority::Low,
    };
    for target in in_order(room, &targets, seed) {
        let Ok(_place) = room.node.places.take(target, guest, within).await else {
            last = Some(LINE_FULL);
            continue;
        };
        let request = EmbedRequest {
            model: target.model.clone(),
            input: EmbedInput::Texts(texts.clone()),
            dimensions: None,
        };
        let secret = choose::key(&target.keys, seed, &[]).and_then(|at| target.keys.get(at));
        let asked = timeout(
            within,
            provider::embed(room, target, secret, (None, &request)),
        )
        .await;
        match asked.unwrap_or(Err(Trouble::Silent)) {
            Ok(answer) if answer.vectors.len() == texts.len() => {
                room.node.health.succeeded(&target.name());
                let usage = answer.usage.unwrap_or(read);
                return Ok((answer.vectors, target.price.of(usage)));
            }
            Ok(_) => last = Some("upstream_garbled"),
            Err(trouble) => {
                let told = trouble.told(texts.iter().map(String::as_str));
                last = Some(note(room, target, &trouble, &told));
            }
        }
    }
    Err(Error::Upstream(last.unwrap_or("upstream_unavailable")))
}

/// Whether a route leads anywhere.
pub fn leads(room: &Gateway, route: &str) -> bool {
    room.routes.use_of(route).is_some()
}

/// Whether a route lacks what is configured for it, since providers outside are switched off.
pub fn is_degraded(room: &Gateway, route: &str) -> bool {
    room.routes.is_degraded(route)
}

fn targets(room: &Gateway, route: &str, use_for: Use) -> Result<Vec<Target>, Error> {
    if room.routes.use_of(route) != Some(use_for) {
        return Err(Error::ModelNotConfigured(route.to_owned()));
    }
    Ok(room.routes.targets(route, room.cx.clock.now()))
}

fn in_order<'a>(
    room: &Gateway,
    targets: &'a [Target],
    seed: u64,
) -> impl Iterator<Item = &'a Target> {
    let health = &room.node.health;
    choose::order(targets, |target| health.is_well(&target.name()), seed)
        .into_iter()
        .filter_map(|at| targets.get(at))
        .filter(|target| health.admits(&target.name()))
        .take(MOST_CALLS)
        .collect::<Vec<_>>()
        .into_iter()
}

async fn listen(
    room: &Gateway,
    asker: Asker,
    target: &Target,
    request: &ChatRequest,
) -> Result<(String, Option<Usage>), Trouble> {
    let key = choose::key(&target.keys, asker.run.0.as_u64_pair().1, &[]);
    let secret = key.and_then(|at| target.keys.get(at));
    let mut events = provider::open(room, &asker, target, secret, request)
        .await?
        .events;
    let (mut text, mut usage) = (String::new(), None);
    while let Some(event) = events.next().await {
        match event? {
            StreamEvent::Text(piece) => text.push_str(&piece.replace('\0', "")),
            StreamEvent::Usage(counted) => usage = Some(counted),
            StreamEvent::Done => break,
            StreamEvent::Read(_)
            | StreamEvent::Alive
            | StreamEvent::Thought(_)
            | StreamEvent::Logprobs(_)
            | StreamEvent::Tool(_)
            | StreamEvent::Finish(_) => {}
        }
        if text.len() > LONGEST {
            break;
        }
    }
    Ok((text, usage))
}

fn note(room: &Gateway, target: &Target, trouble: &Trouble, told: &str) -> &'static str {
    tracing::warn!(
        provider = target.provider,
        model = target.model,
        error = told,
        "upstream, aside"
    );
    if !trouble.is_ours() {
        let (health, name) = (&room.node.health, target.name());
        health.failed(&name, trouble.retry_after());
        health.failed_beside(&name, trouble.meaning().reason());
    }
    trouble.meaning().reason()
}

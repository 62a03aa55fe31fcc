//! What traces say of runs and calls: the names of OpenTelemetry's conventions for generative AI, and no word of anybody's.
//! Source: <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>.

use llm::{ChatRequest, Usage};
use telemetry::trace::{self, Kind, Span};

use crate::{
    RunId, Target,
    route::{self, Use},
    state::Verdict,
};

/// The span of a run, within what started it.
pub(crate) fn of_run(id: RunId, request: &ChatRequest) -> Span {
    let span = trace::current().child(Kind::Internal, || "run".to_owned());
    if span.is_on() {
        span.set("noren.run.id", id.to_string());
        span.set("gen_ai.request.model", request.model.clone());
    }
    span
}

/// The span of a call to a provider.
pub(crate) fn of_call(within: &Span, target: &Target, what: Use) -> Span {
    let operation = match what {
        Use::Chat => "chat",
        Use::Embedding => "embeddings",
    };
    let span = within.child(Kind::Client, || format!("{operation} {}", target.model));
    if span.is_on() {
        span.set("gen_ai.operation.name", operation);
        span.set("gen_ai.provider.name", provider(target));
        span.set("gen_ai.request.model", target.model.clone());
        if let Ok(url) = url::Url::parse(&target.base_url) {
            let host = url.host_str().unwrap_or_default();
            span.set("server.address", host.to_owned());
            let port = url.port_or_known_default();
            span.set("server.port", i64::from(port.unwrap_or_default()));
        }
    }
    span
}

/// How a chat is asked, without what is asked.
pub(crate) fn asks(span: &Span, request: &ChatRequest) {
    if !span.is_on() {
        return;
    }
    span.set("gen_ai.request.stream", request.stream);
    if let Some(most) = request.max_tokens {
        span.set("gen_ai.request.max_tokens", i64::from(most));
    }
    if let Some(temperature) = request.temperature {
        span.set("gen_ai.request.temperature", temperature);
    }
    if let Some(share) = request.top_p {
        span.set("gen_ai.request.top_p", share);
    }
}

/// What was counted.
pub(crate) fn used(span: &Span, model: &str, usage: Option<Usage>) {
    if !span.is_on() {
        return;
    }
    span.set("gen_ai.response.model", model.to_owned());
    if let Some(usage) = usage {
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        span.set("gen_ai.usage.input_tokens", count(usage.input));
        span.set("gen_ai.usage.output_tokens", count(usage.output));
        span.set("gen_ai.usage.cache_read.input_tokens", count(usage.cached));
    }
}

/// How it ended.
pub(crate) fn ended(span: &Span, verdict: Verdict) {
    if let Some(reason) = verdict.reason() {
        span.failed(reason);
    }
    span.end();
}

/// The provider in the conventions' words where they have one, else in the operator's.
fn provider(target: &Target) -> String {
    match target.kind {
        route::Kind::Anthropic => "anthropic".to_owned(),
        route::Kind::Bedrock => "aws.bedrock".to_owned(),
        _ => target.provider.clone(),
    }
}

//! Traces: one span for each request, run and call to a provider, sent by OTLP where an endpoint is set. A span holds names,
//! numbers and ids, never what was said. Without an endpoint nothing is made.

use std::{sync::OnceLock, time::Duration};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};

pub use opentelemetry::Value;

/// How long spans gather before they are sent.
const GATHER: Duration = Duration::from_secs(1);
/// How long the last of them may take when the process ends.
const LAST: Duration = Duration::from_secs(3);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

tokio::task_local! {
    static CURRENT: Span;
}

/// Sends spans until it is dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts sending spans to an OTLP endpoint over HTTP, such as `http://localhost:4318`, with headers such as a key.
    ///
    /// # Errors
    /// When the endpoint is no URL.
    pub fn start(
        endpoint: &str,
        headers: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ExporterBuildError> {
        let endpoint = endpoint.trim_end_matches('/');
        let endpoint = if endpoint.ends_with("/v1/traces") {
            endpoint.to_owned()
        } else {
            format!("{endpoint}/v1/traces")
        };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_headers(headers.into_iter().collect())
            .build()?;
        let gather = BatchConfigBuilder::default().with_scheduled_delay(GATHER);
        let sends = BatchSpanProcessor::builder(exporter).with_batch_config(gather.build());
        let resource = Resource::builder()
            .with_service_name("noren")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(sends.build())
            .with_resource(resource)
            .build();
        let _ = TRACER.set(provider.tracer("noren"));
        Ok(Self(provider))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let _ = self.0.shutdown_with_timeout(LAST);
    }
}

/// What a span is in the words of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Server,
    Internal,
    Client,
}

/// Something that takes time; nothing where no endpoint is set. It lasts until [`Span::end`], or until its last copy is dropped.
#[derive(Clone, Debug, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// A span of a request, within the trace that its caller names (W3C Trace Context).
    pub fn of_request(headers: &HeaderMap, name: impl FnOnce() -> String) -> Self {
        let parent = || TraceContextPropagator::new().extract(&Headers(headers));
        Self::begin(parent, Kind::Server, name)
    }

    /// A span within this one; the first of a trace where this is nothing.
    #[must_use]
    pub fn child(&self, kind: Kind, name: impl FnOnce() -> String) -> Self {
        Self::begin(|| self.0.clone().unwrap_or_default(), kind, name)
    }

    fn begin(parent: impl FnOnce() -> Context, kind: Kind, name: impl FnOnce() -> String) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self(None);
        };
        let parent = parent();
        let span = SpanBuilder::from_name(name()).with_kind(match kind {
            Kind::Server => SpanKind::Server,
            Kind::Internal => SpanKind::Internal,
            Kind::Client => SpanKind::Client,
        });
        let span = tracer.build_with_context(span, &parent);
        Self(Some(parent.with_span(span)))
    }

    /// Whether anybody will see it.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// It came to nothing, for a reason of a known few.
    pub fn failed(&self, reason: &'static str) {
        if let Some(context) = &self.0 {
            context
                .span()
                .set_attribute(KeyValue::new("error.type", reason));
            context.span().set_status(Status::error(reason));
        }
    }

    pub fn end(&self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }

    /// Does some work as a part of this.
    pub fn around<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self, work)
    }
}

/// What the present work is a part of.
pub fn current() -> Span {
    if TRACER.get().is_none() {
        return Span(None);
    }
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The headers by which whoever is asked goes on with the present trace.
pub fn outgoing() -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(context) = current().0 {
        TraceContextPropagator::new().inject_context(&context, &mut Outgoing(&mut headers));
    }
    headers
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = http::HeaderName::try_from(key);
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

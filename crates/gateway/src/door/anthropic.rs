use api::RequestId;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use kernel::Lang;
use llm::{
    ChatRequest, Refusal, StreamEvent,
    anthropic::door::{MessageWriter, read_count, read_messages, write_count},
    tokens::{self, Vocabulary},
};

use super::{Visit, collect, openai::face, sse, tell::Write, unless_gone, visit::DISCONNECT};
use crate::{
    Gateway,
    dialect::{Dialect, Turned, VendorRefusals, json, lang},
};

const DIALECT: Dialect = Dialect::Anthropic;

/// Answers a chat in Anthropic's Messages protocol, whole or as a stream.
#[utoipa::path(post, path = "/v1/messages", operation_id = "create_message", tag = "anthropic",
    request_body = serde_json::Value,
    params(("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: whether an answer that this tenant was given before will do, and this one may be given again. The answer says `hit` or `miss`; a hit is free."),
           ("x-noren-disconnect" = Option<String>, Header, description = DISCONNECT)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn create_message(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let named = request.extensions().get::<RequestId>().cloned();
    let answered = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        require_version(&visit)?;
        let request = read_messages(&visit.body)?;
        let (model, streams) = (request.model.clone(), request.stream);
        let (input, display) = (counted(&request), request.display);
        let begun = visit.ask(&room, Some(model.clone()), request).await?;
        let id = begun.id;
        let writer = MessageWriter::new(face(&room, "msg", id, model), input);
        let named = named.as_ref().map(|id| id.0.clone());
        let writer = writer.with_thoughts(display).with_request_id(named);
        let mut response = if streams {
            let aborts = visit.aborts();
            sse(
                &room,
                visit.caller,
                begun.clone(),
                0,
                aborts,
                Messages { writer, lang },
            )
            .await?
        } else {
            let answer = collect(&room, visit.caller.principal, begun.clone());
            let answer = unless_gone(&room, [id], visit.gone(), answer).await?;
            json(StatusCode::OK, &writer.answer(&answer))
        };
        begun.name(&mut response);
        Ok(response)
    };
    DIALECT.answer_named(answered.await, lang, named.as_ref())
}

/// Estimates what a chat would count as input; free, and no model is asked.
#[utoipa::path(post, path = "/v1/messages/count_tokens", operation_id = "count_message_tokens", tag = "anthropic",
    request_body = serde_json::Value, security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn count_message_tokens(
    State(room): State<Gateway>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let named = request.extensions().get::<RequestId>().cloned();
    let counted = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        require_version(&visit)?;
        let request = read_count(&visit.body)?;
        let count = counted(&request);
        Ok(json(StatusCode::OK, &write_count(count)))
    };
    DIALECT.answer_named(counted.await, lang, named.as_ref())
}

/// What a request would count as input, its tools with it.
fn counted(request: &ChatRequest) -> u64 {
    tokens::count_request(request, Vocabulary::of(&request.model))
}

/// The protocol asks for its version with every request.
fn require_version(visit: &Visit) -> Result<(), Turned> {
    let said = visit.headers.contains_key("anthropic-version");
    said.then_some(())
        .ok_or_else(|| Refusal::at("/anthropic-version", "This header is required.").into())
}

struct Messages {
    writer: MessageWriter,
    lang: Lang,
}

impl Write for Messages {
    fn said(&mut self, event: &StreamEvent) -> String {
        self.writer.event(event)
    }

    fn failed(&mut self, turned: Turned) -> String {
        self.writer.fail(&turned.into_refusal(self.lang))
    }
}

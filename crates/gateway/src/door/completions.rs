use axum::{
    extract::{Request, State},
    response::Response,
};
use llm::openai::door::{ChatWriter, read_completion};

use super::{
    Visit,
    choices::{Wish, answer},
    openai::face,
    visit::DISCONNECT,
};
use crate::{
    Gateway,
    dialect::{Dialect, VendorRefusals, lang},
};

const DIALECT: Dialect = Dialect::OpenAi;

/// Goes on from a text, in OpenAI's protocol before chats, whole or as a stream: a chat model is told the prompt by its user. Each
/// prompt of a list and each of `n` answers is a run of its own, named in `X-Noren-Runs`.
#[utoipa::path(post, path = "/v1/completions", operation_id = "create_completion", tag = "openai",
    request_body = serde_json::Value,
    params(("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: whether an answer that this tenant was given before will do, and this one may be given again. The answer says `hit`, `partial` or `miss`; a hit is free."),
           ("x-noren-disconnect" = Option<String>, Header, description = DISCONNECT)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn create_completion(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let answered = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        let asked = read_completion(&visit.body)?;
        let wish = Wish {
            model: asked.model,
            requests: asked.requests,
            each: asked.choices,
            streams: asked.stream,
        };
        answer(&room, visit, wish, lang, |id, model| {
            let face = face(&room, "cmpl", id, model);
            ChatWriter::new(face, asked.include_usage).as_text(asked.echoes)
        })
        .await
    };
    DIALECT.answer(answered.await, lang)
}

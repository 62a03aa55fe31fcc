use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use llm::openai::door::{read_embed, write_embed};

use super::{Visit, priority, visit::name_run, wants_no_trace};
use crate::{
    AskVectors, CacheUse, DataPolicy, Gateway,
    dialect::{Dialect, VendorRefusals, json, lang},
    embed::{VECTORS, embed},
};

const DIALECT: Dialect = Dialect::OpenAi;

/// Places texts in the space of a model, in OpenAI's protocol; counted by the tokens that were read.
#[utoipa::path(post, path = "/v1/embeddings", operation_id = "create_embedding", tag = "openai",
    request_body = serde_json::Value,
    params(("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: texts whose vectors this tenant was given before are not sent and not paid. The answer says `hit`, `partial` or `miss`.")),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn create_embedding(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let answered = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        let asked = read_embed(&visit.body)?;
        let model = asked.request.model.clone();
        let ask = AskVectors {
            purpose: visit.purpose(VECTORS),
            model: Some(model.clone()),
            request: asked.request,
            cache: CacheUse::of(&visit.headers)?.where_kept(!wants_no_trace(&visit.headers)),
            policy: DataPolicy::of(&visit.headers)?,
            priority: priority(&visit.headers, None)?,
        };
        let made = embed(&room, &visit.caller, ask).await?;
        let body = write_embed(&made.answer, &model, asked.encoding);
        let mut response = json(StatusCode::OK, &body);
        name_run(&mut response, made.id);
        if let Some(cached) = made.cached {
            cached.mark(response.headers_mut());
        }
        Ok(response)
    };
    DIALECT.answer(answered.await, lang)
}

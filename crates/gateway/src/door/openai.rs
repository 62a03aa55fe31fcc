use axum::{
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode},
    response::Response,
};
use entitlement::plan_of;
use llm::{
    Face, Refusal, RefusalKind, StreamEvent,
    openai::door::{ChatWriter, ModelCard, read_chat, write_model, write_models},
};

use super::{
    Dialect, Turned, VendorRefusals, Visit, collect, dialect::json, embeddings::VECTORS, lang, sse,
    tell::Write,
};
use crate::{Gateway, RunId, menu};

const DIALECT: Dialect = Dialect::OpenAi;

/// Answers a chat in OpenAI's protocol, whole or as a stream.
#[utoipa::path(post, path = "/v1/chat/completions", operation_id = "create_chat_completion", tag = "openai",
    request_body = serde_json::Value,
    params(("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: whether an answer that this tenant was given before will do, and this one may be given again. The answer says `hit` or `miss`; a hit is free.")),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn create_chat_completion(
    State(room): State<Gateway>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let answered = async {
        let mut visit = Visit::begin(&room, request, DIALECT).await?;
        let asked = read_chat(&visit.body)?;
        let (model, streams) = (asked.request.model.clone(), asked.request.stream);
        visit.may_wait = asked.may_wait;
        let begun = visit.ask(&room, Some(model.clone()), asked.request).await?;
        let id = begun.id;
        let writer = ChatWriter::new(face(&room, "chatcmpl", id, model), asked.include_usage);
        let mut response = if streams {
            let aborts = visit.aborts();
            sse(
                &room,
                visit.caller,
                begun.clone(),
                0,
                aborts,
                Chat { writer, lang },
            )
            .await?
        } else {
            let answer = collect(&room, visit.caller.principal, begun.clone()).await?;
            json(StatusCode::OK, &writer.answer(&answer))
        };
        begun.name(&mut response);
        Ok(response)
    };
    DIALECT.answer(answered.await, lang)
}

struct Chat {
    writer: ChatWriter,
    lang: kernel::Lang,
}

impl Write for Chat {
    fn said(&mut self, event: &StreamEvent) -> String {
        self.writer.event(event)
    }

    fn failed(&mut self, turned: Turned) -> String {
        self.writer.fail(&turned.into_refusal(self.lang))
    }
}

/// Lists the models that the caller's plan has.
#[utoipa::path(get, path = "/v1/models", operation_id = "list_models", tag = "openai",
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn list_models(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    match cards(&room, request).await {
        Ok(cards) => json(StatusCode::OK, &write_models(&cards)),
        Err(turned) => DIALECT.refuse(turned, lang),
    }
}

/// Shows one of the models that the caller's plan has.
#[utoipa::path(get, path = "/v1/models/{model}", operation_id = "get_model", tag = "openai",
    params(("model" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn get_model(
    State(room): State<Gateway>,
    Path(model): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = cards(&room, request).await.and_then(|cards| {
        let found = cards.into_iter().find(|card| card.id == model);
        found.ok_or_else(|| {
            Refusal::new(RefusalKind::NotFound, "There is no such model.")
                .coded("model_not_found")
                .into()
        })
    });
    match found {
        Ok(card) => json(StatusCode::OK, &write_model(&card)),
        Err(turned) => DIALECT.refuse(turned, lang),
    }
}

async fn cards(room: &Gateway, request: Request) -> Result<Vec<ModelCard>, Turned> {
    let visit = Visit::begin(room, request, DIALECT).await?;
    let now = room.cx.clock.now();
    let caller = &visit.caller;
    let catalogue = room.entitlement.catalogue.read().await;
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let standing = plan_of(
        &mut tx,
        &catalogue,
        caller.principal,
        &caller.storefront,
        now,
    )
    .await
    .map_err(crate::Error::from)?;
    tx.commit().await?;
    let own = caller.key.as_ref().and_then(|key| key.models.as_deref());
    let mut names = menu::names(&standing.plan, &visit.purpose("chat"));
    for name in menu::names(&standing.plan, &visit.purpose(VECTORS)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let cards = names
        .into_iter()
        .filter(|name| own.is_none_or(|own| own.iter().any(|model| model == name)))
        .filter(|name| room.routes.use_of(name).is_some())
        .map(|name| ModelCard {
            id: name.to_owned(),
            created: 0,
            owned_by: "noren".to_owned(),
        });
    Ok(cards.collect())
}

/// How an answer introduces itself: the run's own id behind the dialect's prefix.
pub(crate) fn face(room: &Gateway, prefix: &str, id: RunId, model: String) -> Face {
    Face {
        id: format!("{prefix}-{}", id.0.simple()),
        model,
        created: room.cx.clock.now().timestamp(),
    }
}

/// Names the run, which every other door can read.
pub(super) fn name_run(response: &mut Response, id: impl std::fmt::Display) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-noren-run", value);
    }
}

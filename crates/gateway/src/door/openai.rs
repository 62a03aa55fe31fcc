use api::RequestId;
use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use entitlement::plan_of;
use llm::{
    Face, Refusal, RefusalKind, anthropic,
    openai::door::{ChatWriter, ModelCard, read_chat, write_model, write_models},
};
use serde_json::Value;

use super::{
    Visit,
    choices::{Wish, answer},
    visit::DISCONNECT,
};
use crate::{
    Gateway, RunId,
    dialect::{Dialect, Turned, VendorRefusals, json, lang},
    embed::VECTORS,
    menu,
};

const DIALECT: Dialect = Dialect::OpenAi;

/// Answers a chat in OpenAI's protocol, whole or as a stream. Each of `n` answers is a run of its own, named in
/// `X-Noren-Runs`.
#[utoipa::path(post, path = "/v1/chat/completions", operation_id = "create_chat_completion", tag = "openai",
    request_body = serde_json::Value,
    params(("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: whether an answer that this tenant was given before will do, and this one may be given again. The answer says `hit`, `partial` or `miss`; a hit is free."),
           ("x-noren-disconnect" = Option<String>, Header, description = DISCONNECT)),
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
        visit.may_wait = asked.may_wait;
        let (include_usage, choices) = (asked.include_usage, asked.choices);
        let include_reasoning = asked.include_reasoning;
        let wish = Wish {
            model: asked.request.model.clone(),
            each: choices,
            streams: asked.request.stream,
            requests: asked.requests(),
        };
        answer(&room, visit, wish, lang, |id, model| {
            let face = face(&room, "chatcmpl", id, model);
            let writer = ChatWriter::new(face, include_usage).of_choices(choices);
            writer.with_reasoning(include_reasoning)
        })
        .await
    };
    DIALECT.answer(answered.await, lang)
}

/// Lists the models that the caller's plan has; in Anthropic's words to whoever sends `anthropic-version`, and then `limit`, `after_id`
/// and `before_id` name a page.
#[utoipa::path(get, path = "/v1/models", operation_id = "list_models", tag = "openai",
    params(("limit" = Option<usize>, Query), ("after_id" = Option<String>, Query), ("before_id" = Option<String>, Query)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn list_models(State(room): State<Gateway>, request: Request) -> Response {
    let asked = Shown::of(&request);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let listed = cards(&room, request, asked.dialect).await;
    let written = listed.and_then(|cards| {
        Ok(match asked.dialect {
            Dialect::Anthropic => anthropic::door::write_models(&cards, &query)?,
            _ => write_models(&cards),
        })
    });
    asked.answer(written)
}

/// Shows one of the models that the caller's plan has; in Anthropic's words to whoever sends `anthropic-version`.
#[utoipa::path(get, path = "/v1/models/{model}", operation_id = "get_model", tag = "openai",
    params(("model" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn get_model(
    State(room): State<Gateway>,
    Path(model): Path<String>,
    request: Request,
) -> Response {
    let asked = Shown::of(&request);
    let found = cards(&room, request, asked.dialect)
        .await
        .and_then(|cards| {
            let found = cards.into_iter().find(|card| card.id == model);
            found.ok_or_else(|| {
                Refusal::new(RefusalKind::NotFound, "There is no such model.")
                    .coded("model_not_found")
                    .into()
            })
        });
    let written = found.map(|card| match asked.dialect {
        Dialect::Anthropic => anthropic::door::write_model(&card),
        _ => write_model(&card),
    });
    asked.answer(written)
}

/// How whoever asks for models is answered: two vendors have the same address.
struct Shown {
    dialect: Dialect,
    lang: kernel::Lang,
    id: Option<RequestId>,
}

impl Shown {
    fn of(request: &Request) -> Self {
        Self {
            dialect: Dialect::of(request.headers()),
            lang: lang(request.headers()),
            id: request.extensions().get().cloned(),
        }
    }

    fn answer(&self, written: Result<Value, Turned>) -> Response {
        let shown = written.map(|body| json(StatusCode::OK, &body));
        match self.dialect {
            Dialect::Anthropic => self
                .dialect
                .answer_named(shown, self.lang, self.id.as_ref()),
            _ => self.dialect.answer(shown, self.lang),
        }
    }
}

async fn cards(
    room: &Gateway,
    request: Request,
    dialect: Dialect,
) -> Result<Vec<ModelCard>, Turned> {
    let visit = Visit::begin(room, request, dialect).await?;
    let now = room.cx.clock.now();
    let caller = &visit.caller;
    let catalogue = room.entitlement.catalogue.now();
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

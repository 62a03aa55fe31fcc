use api::{
    Check, FieldError, FieldErrors, Okay, Problem, Refusals, ValidJson, ValidQuery, read_body,
    require_json,
};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use identity::{Granted, RequestMeta, may};
use kernel::{Lang, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Card, Flaw, PersonaVersionView, PersonaView, picture};
use crate::{Error, Misaki};

/// The largest card that is taken in, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(get_persona))
        .routes(routes!(get_persona_card, publish_persona))
        .routes(routes!(import_persona))
        .routes(routes!(export_persona))
        .routes(routes!(list_persona_versions))
        .routes(routes!(roll_back_persona))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Persona {
    name: String,
    version: i32,
    greeting: String,
}

/// Who answers at this bar.
#[utoipa::path(get, path = "/api/misaki/persona", operation_id = "get_persona", tag = "misaki",
    responses((status = 200, body = Persona), Refusals))]
async fn get_persona(State(room): State<Misaki>) -> Result<Okay<Persona>, Error> {
    let mut tx = room.cx.db.begin(db::Scope::House("the persona")).await?;
    let (version, card) = super::current(&mut tx, &room).await?;
    tx.commit().await?;
    Ok(Okay(Persona {
        name: card.data.name.clone(),
        version,
        greeting: card.fill(&card.data.first_mes, Lang::Ja),
    }))
}

/// The persona in force as a character card.
#[utoipa::path(get, path = "/admin/misaki/persona", operation_id = "get_persona_card", tag = "admin",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PersonaView), Refusals))]
async fn get_persona_card(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
) -> Result<Okay<PersonaView>, Error> {
    Ok(Okay(super::get(&room).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewPersona {
    /// A character card of version 1, 2 or 3.
    #[schema(value_type = Object)]
    card: Value,
}

impl Check for NewPersona {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Publishes a persona; it answers from the next message on.
#[utoipa::path(put, path = "/admin/misaki/persona", operation_id = "publish_persona", tag = "admin", request_body = NewPersona,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PersonaView), Refusals))]
async fn publish_persona(
    State(room): State<Misaki>,
    operator: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewPersona>,
) -> Result<Okay<PersonaView>, Problem> {
    let card = Card::read(body.card).map_err(invalid)?;
    Ok(Okay(
        super::publish(&room, (operator.principal, &meta), &card).await?,
    ))
}

/// Publishes the persona of a card's file: JSON, or a PNG picture with a card in it.
#[utoipa::path(post, path = "/admin/misaki/persona/import", operation_id = "import_persona", tag = "admin",
    request_body(content((Value = "application/json"), (Vec<u8> = "image/png")), description = "The file as it is, up to 4 MiB."),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PersonaView), Refusals))]
async fn import_persona(
    State(room): State<Misaki>,
    operator: Granted<may::HouseOperate>,
    meta: RequestMeta,
    request: Request,
) -> Result<Okay<PersonaView>, Problem> {
    let is_picture = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == "image/png");
    if !is_picture {
        require_json(request.headers())?;
    }
    let file = read_body(request, LARGEST).await?;
    let value = if is_picture {
        picture::read(&file)
    } else {
        serde_json::from_slice(&file).ok()
    };
    let no_card = || {
        vec![Flaw {
            pointer: String::new(),
            code: "form",
        }]
    };
    let card = Card::read(value.ok_or_else(no_card).map_err(invalid)?).map_err(invalid)?;
    Ok(Okay(
        super::publish(&room, (operator.principal, &meta), &card).await?,
    ))
}

/// A card that breaks the rules, with the places.
fn invalid(flaws: Vec<Flaw>) -> Problem {
    let text = |code: &str| match code {
        "spec" => Text::new(
            "キャラクターカード（V1〜V3）ではありません。",
            "This is no character card of version 1, 2 or 3.",
        ),
        "length" => Text::new(
            "長さか数が決まりを超えています。",
            "Too long, too many, or empty.",
        ),
        "nul" => Text::new("NUL文字は使えません。", "There is a NUL character in it."),
        _ => Text::new("形式が正しくありません。", "It has the wrong form."),
    };
    let fields = flaws.into_iter().map(|flaw| FieldError {
        pointer: flaw.pointer,
        text: text(flaw.code),
        code: flaw.code,
    });
    Problem::new(
        422,
        "persona_card_invalid",
        Text::new(
            "このカードは読み込めません。",
            "This card can't be taken in.",
        ),
    )
    .with_fields(fields.collect())
}

#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum CardFormat {
    V2,
    #[default]
    V3,
    Png,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct CardQuery {
    /// v3 unless said; a picture has both versions in it.
    #[param(inline)]
    #[serde(default)]
    format: CardFormat,
}

impl Check for CardQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

/// The persona in force as a file for other houses.
#[utoipa::path(get, path = "/admin/misaki/persona/export", operation_id = "export_persona", tag = "admin", params(CardQuery),
    security(("session" = []), ("access_token" = [])),
    responses((status = 200, description = "The card.", content((Object = "application/json"), (Vec<u8> = "image/png"))), Refusals))]
async fn export_persona(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<CardQuery>,
) -> Result<Response, Error> {
    let mut tx = room
        .cx
        .db
        .begin(db::Scope::House("the persona to take along"))
        .await?;
    let (_, card) = super::current(&mut tx, &room).await?;
    tx.commit().await?;
    let (mut response, name) = match query.format {
        CardFormat::V2 => (Okay(card.v2()).into_response(), "persona-v2.json"),
        CardFormat::V3 => (Okay(card.v3()).into_response(), "persona-v3.json"),
        CardFormat::Png => {
            let picture = picture::write(&card.v2(), &card.v3());
            (
                ([(header::CONTENT_TYPE, "image/png")], picture).into_response(),
                "persona.png",
            )
        }
    };
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PersonaVersions {
    items: Vec<PersonaVersionView>,
}

/// The personas that there were, newest first.
#[utoipa::path(get, path = "/admin/misaki/persona/versions", operation_id = "list_persona_versions", tag = "admin",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PersonaVersions), Refusals))]
async fn list_persona_versions(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
) -> Result<Okay<PersonaVersions>, Error> {
    let items = super::versions(&room).await?;
    Ok(Okay(PersonaVersions { items }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct ToVersion {
    pub(crate) version: i32,
}

impl Check for ToVersion {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Publishes a persona that there was before, as the next.
#[utoipa::path(post, path = "/admin/misaki/persona/rollback", operation_id = "roll_back_persona", tag = "admin", request_body = ToVersion,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PersonaView), Refusals))]
async fn roll_back_persona(
    State(room): State<Misaki>,
    operator: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<ToVersion>,
) -> Result<Okay<PersonaView>, Error> {
    let by = (operator.principal, &meta);
    Ok(Okay(super::roll_back(&room, by, body.version).await?))
}

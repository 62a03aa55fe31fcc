use api::{Check, FieldErrors, Okay, Problem, Refusals, ValidJson, ValidQuery, read_body};
use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Duration, Utc};
use gateway::Refused;
use identity::{Granted, RequestMeta, may};
use kernel::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PhrasesVersionView,
    csv::{self, LineError},
    desk::{self, Edit, From, PhraseBook, Trial},
};
use crate::{
    Error, Misaki,
    bar::{bar_hour, bar_month},
    persona::ToVersion,
    phrase::{Phrase, PhraseSet, Scene, Visits},
};

/// The largest table that is taken in, in bytes.
const LARGEST: usize = 1024 * 1024;

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(get_phrases))
        .routes(routes!(get_phrase_book))
        .routes(routes!(put_phrase, delete_phrase))
        .routes(routes!(test_phrases))
        .routes(routes!(export_phrases, import_phrases))
        .routes(routes!(publish_phrases))
        .routes(routes!(list_phrase_versions))
        .routes(routes!(roll_back_phrases))
        .routes(routes!(get_moderation))
}

/// The canned phrases in force, so that a browser can answer by itself.
#[utoipa::path(get, path = "/api/misaki/phrases", operation_id = "get_phrases", tag = "misaki",
    responses((status = 200, body = PhraseSet), (status = 304, description = "Unchanged."), Refusals))]
async fn get_phrases(State(room): State<Misaki>, headers: HeaderMap) -> Result<Response, Error> {
    let published = super::in_force(&room).await?;
    let etag = format!(
        "\"{}\"",
        hex::encode(Sha256::digest(&published.json))
            .get(..16)
            .unwrap_or_default()
    );
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let json = published.json.clone();
        ([(header::CONTENT_TYPE, "application/json")], json).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// What became of answers that were looked through.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Moderation {
    /// From when on is counted.
    since: DateTime<Utc>,
    /// How many answers were refused, by the reason, the most first; their words are kept nowhere.
    refused: Vec<Refused>,
}

/// How many answers of models were refused in the last 30 days, and why.
#[utoipa::path(get, path = "/admin/misaki/moderation", operation_id = "get_moderation", tag = "admin",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Moderation), Refusals))]
async fn get_moderation(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
) -> Result<Okay<Moderation>, Error> {
    let since = room.cx.clock.now() - Duration::days(30);
    let refused = super::refused_since(&room, since).await?;
    Ok(Okay(Moderation { since, refused }))
}

/// The phrases that are being worked on.
#[utoipa::path(get, path = "/admin/misaki/phrases", operation_id = "get_phrase_book", tag = "admin",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PhraseBook), Refusals))]
async fn get_phrase_book(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
) -> Result<Okay<PhraseBook>, Error> {
    Ok(Okay(desk::get(&room).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewPhrase {
    /// The one that the change was made on.
    revision: i32,
    phrase: Phrase,
}

impl Check for NewPhrase {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.phrase.id.trim(), "/phrase/id", 1, 60);
    }
}

/// Puts a phrase into the draft, in the place of the one with this name.
#[utoipa::path(put, path = "/admin/misaki/phrases/{phrase}", operation_id = "put_phrase", tag = "admin", request_body = NewPhrase,
    params(("phrase" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = PhraseBook), Refusals))]
async fn put_phrase(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    Path(id): Path<String>,
    ValidJson(body): ValidJson<NewPhrase>,
) -> Result<Okay<PhraseBook>, Error> {
    let edit = Edit::Put(id, Box::new(body.phrase));
    Ok(Okay(desk::edit(&room, body.revision, edit).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct RevisionQuery {
    /// The one that the change was made on.
    revision: i32,
}

impl Check for RevisionQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Takes a phrase out of the draft.
#[utoipa::path(delete, path = "/admin/misaki/phrases/{phrase}", operation_id = "delete_phrase", tag = "admin",
    params(("phrase" = String, Path), RevisionQuery), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = PhraseBook), Refusals))]
async fn delete_phrase(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    Path(id): Path<String>,
    ValidQuery(query): ValidQuery<RevisionQuery>,
) -> Result<Okay<PhraseBook>, Error> {
    Ok(Okay(
        desk::edit(&room, query.revision, Edit::Delete(id)).await?,
    ))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct TryText {
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
    /// The hour at the bar; now unless said.
    hour: Option<u32>,
    /// The month at the bar, from 1 to 12; now unless said.
    month: Option<u32>,
    /// How often the person was here; again unless said.
    visits: Option<Visits>,
    /// The id of the person's plan.
    #[serde(default)]
    plan: String,
    /// What chooses among replies.
    #[serde(default)]
    seed: String,
    #[serde(default)]
    from: From,
    /// Whether it is tried as the answer of a model: what guards is looked for in it.
    #[serde(default)]
    as_answer: bool,
}

impl Check for TryText {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.text.trim(), "/text", 1, 4000);
        errors.length(&self.seed, "/seed", 0, 100);
        errors.require(
            self.hour.is_none_or(|hour| hour < 24),
            "/hour",
            "range",
            Text::new("0〜23で指定してください。", "Please use 0 to 23."),
        );
        errors.require(
            self.month.is_none_or(|month| (1..=12).contains(&month)),
            "/month",
            "range",
            Text::new("1〜12で指定してください。", "Please use 1 to 12."),
        );
        errors.length(&self.plan, "/plan", 0, 60);
    }
}

/// Tries a text: what would answer it, by which rule, and what is near.
#[utoipa::path(post, path = "/admin/misaki/phrases/test", operation_id = "test_phrases", tag = "admin", request_body = TryText,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Trial), Refusals))]
async fn test_phrases(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    ValidJson(body): ValidJson<TryText>,
) -> Result<Okay<Trial>, Error> {
    let now = room.cx.clock.now();
    let scene = Scene {
        hour: body.hour.unwrap_or_else(|| bar_hour(now)),
        month: body.month.unwrap_or_else(|| bar_month(now)),
        visits: body.visits.unwrap_or(Visits::Again),
        plan: &body.plan,
        recent: &[],
        seed: &body.seed,
    };
    Ok(Okay(
        desk::test(&room, body.from, (body.text.trim(), body.as_answer), &scene).await?,
    ))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct FromQuery {
    /// The draft unless said.
    #[param(inline)]
    #[serde(default)]
    from: From,
}

impl Check for FromQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

/// The phrases as a table for a spreadsheet: a line for each text.
#[utoipa::path(get, path = "/admin/misaki/phrases/csv", operation_id = "export_phrases", tag = "admin", params(FromQuery),
    security(("session" = []), ("access_token" = [])),
    responses((status = 200, description = "The table.", content_type = "text/csv", body = String), Refusals))]
async fn export_phrases(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<FromQuery>,
) -> Result<Response, Error> {
    let page = csv::write(&desk::phrases(&room, query.from).await?);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"phrases.csv\"",
        ),
    ];
    Ok((headers, page).into_response())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// The draft that is replaced.
    revision: i32,
    /// Only look for errors.
    #[serde(default)]
    check: bool,
}

impl Check for ImportQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PhrasesRead {
    /// Whether the draft is this now.
    applied: bool,
    lines: usize,
    phrases: usize,
    errors: Vec<LineError>,
}

/// Makes a table the draft, as a whole or not at all.
#[utoipa::path(post, path = "/admin/misaki/phrases/csv", operation_id = "import_phrases", tag = "admin", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PhrasesRead), Refusals))]
async fn import_phrases(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<ImportQuery>,
    request: Request,
) -> Result<Okay<PhrasesRead>, Problem> {
    let is_table = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/csv"));
    if !is_table {
        return Err(Problem::new(
            415,
            "unsupported_media_type",
            Text::new(
                "Content-Type は text/csv にしてください。",
                "Send the table as text/csv.",
            ),
        ));
    }
    let file = read_body(request, LARGEST).await?;
    let (lines, read) = csv::read(&String::from_utf8_lossy(&file));
    let checked = read.and_then(|phrases| match desk::check(&phrases) {
        Ok(()) => Ok(phrases),
        Err(error) => Err(vec![LineError {
            line: 1,
            code: "set",
            text: error.told(),
        }]),
    });
    let told = match checked {
        Ok(phrases) => {
            let count = phrases.len();
            if !query.check {
                desk::edit(&room, query.revision, Edit::Replace(phrases)).await?;
            }
            PhrasesRead {
                applied: !query.check,
                lines,
                phrases: count,
                errors: Vec::new(),
            }
        }
        Err(errors) => PhrasesRead {
            applied: false,
            lines,
            phrases: 0,
            errors,
        },
    };
    Ok(Okay(told))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Publishing {
    /// The draft that was looked at.
    revision: i32,
    #[schema(max_length = 200)]
    note: Option<String>,
}

impl Check for Publishing {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(note) = &self.note {
            errors.length(note, "/note", 0, 200);
        }
    }
}

/// Publishes the draft; it answers from the next message on.
#[utoipa::path(post, path = "/admin/misaki/phrases/publish", operation_id = "publish_phrases", tag = "admin", request_body = Publishing,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PhraseBook), Refusals))]
async fn publish_phrases(
    State(room): State<Misaki>,
    operator: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Publishing>,
) -> Result<Okay<PhraseBook>, Error> {
    let note = body.note.as_deref().map(str::trim);
    let wanted = (body.revision, note.filter(|note| !note.is_empty()));
    let by = (operator.principal, &meta);
    Ok(Okay(desk::publish(&room, by, wanted).await?))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PhraseVersions {
    items: Vec<PhrasesVersionView>,
}

/// The sets that were published, newest first.
#[utoipa::path(get, path = "/admin/misaki/phrases/versions", operation_id = "list_phrase_versions", tag = "admin",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PhraseVersions), Refusals))]
async fn list_phrase_versions(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
) -> Result<Okay<PhraseVersions>, Error> {
    let items = desk::versions(&room).await?;
    Ok(Okay(PhraseVersions { items }))
}

/// Publishes a set of before as the next one.
#[utoipa::path(post, path = "/admin/misaki/phrases/rollback", operation_id = "roll_back_phrases", tag = "admin", request_body = ToVersion,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PhraseBook), Refusals))]
async fn roll_back_phrases(
    State(room): State<Misaki>,
    operator: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<ToVersion>,
) -> Result<Okay<PhraseBook>, Error> {
    let by = (operator.principal, &meta);
    Ok(Okay(desk::roll_back(&room, by, body.version).await?))
}

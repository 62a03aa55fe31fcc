use api::{
    Check, Created, FieldErrors, NoContent, Okay, PageQuery, PathId, Refusals, ValidJson,
    ValidQuery,
};
use axum::extract::State;
use gateway::RunId;
use identity::{Granted, may};
use kernel::{Page, Text};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{Place, Talk, TalkDetail, TalkId};
use crate::{Error, Genai, talk};

pub(crate) fn router() -> OpenApiRouter<Genai> {
    OpenApiRouter::new()
        .routes(routes!(list_talks, begin_talk))
        .routes(routes!(get_talk, rename_talk, delete_talk))
        .routes(routes!(go_on_with_talk))
}

#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
struct TalkRun {
    run_id: RunId,
    /// A name for the turn that the caller chooses; runs that are asked the same thing side by side have the same.
    turn: Uuid,
    /// The run's column.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    place: i16,
}

impl TalkRun {
    const fn place(self) -> Place {
        Place {
            turn: self.turn,
            place: self.place,
        }
    }
}

impl Check for TalkRun {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            (0..=1).contains(&self.place),
            "/place",
            "range",
            Text::new("0か1を指定してください。", "Please use 0 or 1."),
        );
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct TalkName {
    /// `null`: it goes by its first words again.
    #[schema(required, min_length = 1, max_length = 100)]
    title: Option<String>,
}

impl Check for TalkName {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(title) = &self.title {
            errors.length(title.trim(), "/title", 1, 100);
        }
    }
}

/// Lists the caller's own talks at the playground, the last used first.
#[utoipa::path(get, path = "/genai/talks", operation_id = "list_talks", tag = "genai", params(PageQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Page<Talk>), Refusals))]
async fn list_talks(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    ValidQuery(page): ValidQuery<PageQuery>,
) -> Result<Okay<Page<Talk>>, Error> {
    Ok(Okay(
        talk::list(&room, caller.principal, &page.request()).await?,
    ))
}

/// Begins a talk with its first run. A run that is in one of the caller's talks already tells which, so to send it again does
/// no harm.
#[utoipa::path(post, path = "/genai/talks", operation_id = "begin_talk", tag = "genai", request_body = TalkRun,
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 201, body = Talk), Refusals))]
async fn begin_talk(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    ValidJson(body): ValidJson<TalkRun>,
) -> Result<Created<Talk>, Error> {
    let begun = talk::begin(&room, caller.principal, body.run_id, body.place());
    Ok(Created(begun.await?))
}

/// Puts one more run into a talk; one that is in it stays where it is.
#[utoipa::path(post, path = "/genai/talks/{talk}/runs", operation_id = "go_on_with_talk", tag = "genai",
    params(("talk" = TalkId, Path)), request_body = TalkRun,
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Talk), Refusals))]
async fn go_on_with_talk(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<TalkId>,
    ValidJson(body): ValidJson<TalkRun>,
) -> Result<Okay<Talk>, Error> {
    let gone_on = talk::go_on(&room, caller.principal, id, body.run_id, body.place());
    Ok(Okay(gone_on.await?))
}

/// One talk with all that is kept of it.
#[utoipa::path(get, path = "/genai/talks/{talk}", operation_id = "get_talk", tag = "genai", params(("talk" = TalkId, Path)),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = TalkDetail), Refusals))]
async fn get_talk(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<TalkId>,
) -> Result<Okay<TalkDetail>, Error> {
    Ok(Okay(talk::find(&room, caller.principal, id).await?))
}

/// Names a talk.
#[utoipa::path(patch, path = "/genai/talks/{talk}", operation_id = "rename_talk", tag = "genai", params(("talk" = TalkId, Path)),
    request_body = TalkName, security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Talk), Refusals))]
async fn rename_talk(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<TalkId>,
    ValidJson(body): ValidJson<TalkName>,
) -> Result<Okay<Talk>, Error> {
    let title = body.title.as_deref().map(str::trim);
    Ok(Okay(
        talk::rename(&room, caller.principal, id, title).await?,
    ))
}

/// Removes a talk and what its runs asked and said, at once; that they ran, and what they cost, stays. One that is under way is
/// to be cancelled first.
#[utoipa::path(delete, path = "/genai/talks/{talk}", operation_id = "delete_talk", tag = "genai", params(("talk" = TalkId, Path)),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "It is gone with its words."), Refusals))]
async fn delete_talk(
    State(room): State<Genai>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<TalkId>,
) -> Result<NoContent, Error> {
    talk::delete(&room, caller.principal, id).await?;
    Ok(NoContent)
}

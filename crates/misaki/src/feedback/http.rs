use api::{
    Check, FieldErrors, NoContent, Okay, PageQuery, PathId, Refusals, ValidJson, ValidQuery,
};
use axum::extract::State;
use identity::{Granted, may};
use kernel::Page;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{FeedbackView, Reason, ReportView, Which};
use crate::{Error, MessageId, Misaki};

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new()
        .routes(routes!(give_feedback, take_back_feedback))
        .routes(routes!(list_feedback))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewFeedback {
    liked: bool,
    reason: Option<Reason>,
    #[schema(max_length = 500)]
    text: Option<String>,
    /// Whether the house may read the question and the answer; it may not unless said.
    #[serde(default)]
    with_talk: bool,
}

impl Check for NewFeedback {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(text) = &self.text {
            errors.length(text.trim(), "/text", 0, 500);
        }
    }
}

/// Says what the caller thinks of an answer, instead of what they said before. It goes with the answer.
#[utoipa::path(put, path = "/api/misaki/messages/{message}/feedback", operation_id = "give_feedback", tag = "misaki", request_body = NewFeedback,
    params(("message" = MessageId, Path, description = "The answer.")), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = FeedbackView), Refusals))]
async fn give_feedback(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<MessageId>,
    ValidJson(body): ValidJson<NewFeedback>,
) -> Result<Okay<FeedbackView>, Error> {
    let text = body.text.map(|text| text.trim().to_owned());
    let feedback = FeedbackView {
        liked: body.liked,
        reason: body.reason,
        text: text.filter(|text| !text.is_empty()),
        with_talk: body.with_talk,
        at: room.cx.clock.now(),
    };
    Ok(Okay(
        super::give(&room, caller.principal, id, feedback).await?,
    ))
}

/// Takes back what the caller said of an answer.
#[utoipa::path(delete, path = "/api/misaki/messages/{message}/feedback", operation_id = "take_back_feedback", tag = "misaki",
    params(("message" = MessageId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "Taken back."), Refusals))]
async fn take_back_feedback(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    PathId(id): PathId<MessageId>,
) -> Result<NoContent, Error> {
    super::take_back(&room, caller.principal, id).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ReportsQuery {
    liked: Option<bool>,
    #[param(inline)]
    reason: Option<Reason>,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ReportsQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for ReportsQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
    }
}

/// What people thought of answers, newest first; question and answer only where the person said so.
#[utoipa::path(get, path = "/admin/misaki/feedback", operation_id = "list_feedback", tag = "admin", params(ReportsQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Page<ReportView>), Refusals))]
async fn list_feedback(
    State(room): State<Misaki>,
    _operator: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<ReportsQuery>,
) -> Result<Okay<Page<ReportView>>, Error> {
    let which = Which {
        liked: query.liked,
        reason: query.reason,
    };
    let page = query.page().request();
    Ok(Okay(super::reports(&room, which, &page).await?))
}

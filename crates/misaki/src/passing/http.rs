use api::{Accepted, Check, FieldErrors, Okay, Refusals, ValidJson};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use gateway::RunId;
use identity::InferenceCaller;
use kernel::{Lang, Text};
use llm::Role;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Passing, Reply};
use crate::{Error, Misaki, chat::Speaker, view::CannedView};

/// The most earlier messages that may come along, and their most characters.
const MOST: usize = 40;
const MOST_CHARS: usize = 20_000;

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new().routes(routes!(say_in_passing))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct PassingMessage {
    /// What was said so far, oldest first; the server has kept nothing of it.
    #[schema(max_items = 40)]
    earlier: Vec<Earlier>,
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
    #[serde(default)]
    locale: Lang,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Earlier {
    role: Speaker,
    text: String,
}

impl Check for PassingMessage {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.text.trim(), "/text", 1, 4000);
        let chars: usize = self
            .earlier
            .iter()
            .map(|said| said.text.chars().count())
            .sum();
        errors.require(
            self.earlier.len() <= MOST && chars <= MOST_CHARS,
            "/earlier",
            "length",
            Text::new(
                "これまでの話は40件、2万文字までにしてください。",
                "Please send at most 40 earlier messages of 20,000 characters in all.",
            ),
        );
    }
}

/// What answers in passing: a canned phrase, or a run whose words can be read for a quarter of an hour.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum PassingAnswer {
    Canned { text: String, canned: CannedView },
    Run { run_id: RunId },
}

/// Says something in a talk of which nothing is kept: no chat, no message, and soon no answer.
#[utoipa::path(post, path = "/misaki/passing", operation_id = "say_in_passing", tag = "misaki", request_body = PassingMessage,
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "A canned phrase answered; it costs nothing.", body = PassingAnswer),
              (status = 202, description = "A run answers.", body = PassingAnswer), Refusals))]
async fn say_in_passing(
    State(room): State<Misaki>,
    caller: InferenceCaller,
    ValidJson(body): ValidJson<PassingMessage>,
) -> Result<Response, Error> {
    let passing = Passing {
        earlier: body
            .earlier
            .into_iter()
            .map(|said| {
                let role = match said.role {
                    Speaker::User => Role::User,
                    Speaker::Assistant => Role::Assistant,
                };
                (role, said.text)
            })
            .collect(),
        text: body.text.trim().to_owned(),
        lang: body.locale,
        seed: room.cx.ids.new_id::<uuid::Uuid>().to_string(),
    };
    Ok(match super::say(&room, &caller, passing).await? {
        Reply::Canned(hit) => Okay(PassingAnswer::Canned {
            text: hit.reply.clone(),
            canned: CannedView::of(&hit),
        })
        .into_response(),
        Reply::Run(run_id) => Accepted(PassingAnswer::Run { run_id }).into_response(),
    })
}

use api::{Check, FieldErrors, Okay, Refusals, ValidQuery};
use axum::extract::State;
use identity::Session;
use kernel::Lang;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Welcome;
use crate::{Error, Misaki};

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new().routes(routes!(get_welcome))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WelcomeQuery {
    #[param(inline)]
    #[serde(default)]
    locale: Lang,
}

impl Check for WelcomeQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

/// What she says first to whoever has come, by the hour at the bar and how often they were here.
#[utoipa::path(get, path = "/api/misaki/welcome", operation_id = "get_welcome", tag = "misaki", params(WelcomeQuery),
    responses((status = 200, body = Welcome), Refusals))]
async fn get_welcome(
    State(room): State<Misaki>,
    session: Option<Session>,
    ValidQuery(query): ValidQuery<WelcomeQuery>,
) -> Result<Okay<Welcome>, Error> {
    let caller = session.map(|session| session.principal);
    Ok(Okay(super::welcome(&room, caller, query.locale).await?))
}

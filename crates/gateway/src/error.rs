use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What the gateway refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such run")]
    RunNotFound,
    #[error("the plan has no such route")]
    RouteNotFound,
    #[error("the key may not use this model")]
    ModelNotAllowed,
    #[error("no model is configured for the route {0}")]
    ModelNotConfigured(String),
    #[error(transparent)]
    Entitlement(#[from] entitlement::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::RunNotFound => Problem::new(
                404,
                "run_not_found",
                Text::new("この返事は見つかりません。", "This run was not found."),
            ),
            Error::RouteNotFound => Problem::new(
                404,
                "route_not_found",
                Text::new(
                    "ご利用のプランにこの経路はありません。",
                    "Your plan has no such route.",
                ),
            ),
            Error::ModelNotAllowed => Problem::new(
                403,
                "model_not_allowed",
                Text::new(
                    "このAPIキーでは、このモデルを使えません。",
                    "This API key may not use this model.",
                ),
            ),
            Error::ModelNotConfigured(route) => {
                tracing::warn!(route, "no model is configured");
                Problem::new(
                    503,
                    "model_not_configured",
                    Text::new(
                        "応答するモデルがまだ設定されていません。運営者にお知らせください。",
                        "No model has been set up to answer yet. Please tell the operator.",
                    ),
                )
            }
            Error::Entitlement(error) => error.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

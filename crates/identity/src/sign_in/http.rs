use api::{Check, FieldErrors, Refusals, ValidJson};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use kernel::Text;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{SignedIn, second, sign_in, sign_in_child};
use crate::{
    Error, Identity, Me, RequestMeta, Session,
    factor::Method,
    family,
    user::{check_email, check_password, entered},
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(post_login))
        .routes(routes!(post_login_second))
        .routes(routes!(post_login_child))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Login {
    #[schema(min_length = 3, max_length = 254, pattern = r"^[^@\s]+@[^@\s]{2,}$")]
    email: String,
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
}

impl Check for Login {
    fn check(&self, errors: &mut FieldErrors) {
        check_email(&self.email, errors);
        check_password(&self.password, errors);
    }
}

/// The password was right; now the second factor.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SecondFactor {
    /// Bring it along with the code, within five minutes.
    ticket: String,
    methods: Vec<Method>,
}

/// Signs in with e-mail and password.
#[utoipa::path(post, path = "/auth/login", operation_id = "login", tag = "identity", request_body = Login,
    responses((status = 200, body = Me), (status = 202, description = "A second factor is asked for.", body = SecondFactor), Refusals))]
async fn post_login(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Login>,
) -> Result<Response, Error> {
    let answer = sign_in(&room, &body.email, body.password, before, &meta).await?;
    came_in(&room, answer).await
}

/// The answer to a password: in, or the second factor.
pub async fn came_in(room: &Identity, answer: SignedIn) -> Result<Response, Error> {
    match answer {
        SignedIn::Session(opened) => entered(room, StatusCode::OK, &opened).await,
        SignedIn::Waiting { ticket, methods } => {
            let body = axum::Json(SecondFactor { ticket, methods });
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct LoginSecond {
    #[schema(min_length = 20, max_length = 100)]
    ticket: String,
    /// Six digits of an authenticator, or a recovery code.
    #[schema(min_length = 6, max_length = 30)]
    code: String,
}

impl Check for LoginSecond {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.ticket, "/ticket", 20, 100);
        errors.length(&self.code, "/code", 6, 30);
    }
}

/// Signs in with the second factor.
#[utoipa::path(post, path = "/auth/login/second", operation_id = "login_second", tag = "identity", request_body = LoginSecond,
    responses((status = 200, body = Me), Refusals))]
async fn post_login_second(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<LoginSecond>,
) -> Result<Response, Error> {
    let opened = second(&room, &body.ticket, body.code.trim(), before, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct LoginChild {
    /// The family's code.
    #[schema(min_length = 4, max_length = 20)]
    family: String,
    #[schema(min_length = 1, max_length = 30)]
    name: String,
    #[schema(value_type = String, pattern = "^[0-9]{6}$")]
    pin: SecretString,
}

impl Check for LoginChild {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(self.family.trim(), "/family", 4, 20);
        errors.length(self.name.trim(), "/name", 1, 30);
        check_pin(&self.pin, errors);
    }
}

/// Signs in a child with the family's code, the child's name and PIN.
#[utoipa::path(post, path = "/auth/login/child", operation_id = "login_child", tag = "identity", request_body = LoginChild,
    responses((status = 200, body = Me), Refusals))]
async fn post_login_child(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<LoginChild>,
) -> Result<Response, Error> {
    let login_name = family::login_name(&body.name, &body.family);
    let opened = sign_in_child(&room, &login_name, body.pin, before, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

pub(crate) fn check_pin(pin: &SecretString, errors: &mut FieldErrors) {
    let pin = pin.expose_secret();
    errors.require(
        pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()),
        "/pin",
        "pin",
        Text::new("数字6桁にしてください。", "Please use six digits."),
    );
}

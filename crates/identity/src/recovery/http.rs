use api::{Check, FieldErrors, NoContent, Okay, Refusals, ValidJson};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use kernel::Lang;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{change_email, change_password, forgot, remove_password, resend, reset, verify_email};
use crate::{
    Error, Granted, Identity, Me, Proven, RequestMeta, Session, may,
    user::{check_email, check_password, entered},
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(post_forgot))
        .routes(routes!(post_reset))
        .routes(routes!(post_password, delete_password))
        .routes(routes!(post_verify))
        .routes(routes!(post_resend))
        .routes(routes!(post_email))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Forgot {
    #[schema(min_length = 3, max_length = 254, pattern = r"^[^@\s]+@[^@\s]{2,}$")]
    email: String,
    /// The language of the letter.
    #[serde(default)]
    locale: Lang,
}

impl Check for Forgot {
    fn check(&self, errors: &mut FieldErrors) {
        check_email(&self.email, errors);
    }
}

/// Asks for a link that sets a new password. The answer is the same for every address.
#[utoipa::path(post, path = "/auth/password/forgot", operation_id = "forgot_password", tag = "identity", request_body = Forgot,
    responses((status = 202, description = "If the address has an account, a letter is on its way."), Refusals))]
async fn post_forgot(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Forgot>,
) -> Result<Response, Error> {
    forgot(&room, &body.email, body.locale, &meta).await?;
    Ok(on_its_way())
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Reset {
    #[schema(min_length = 20, max_length = 100)]
    token: String,
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
}

impl Check for Reset {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.token, "/token", 20, 100);
        check_password(&self.password, errors);
    }
}

/// Sets a new password with the link of a letter. Every session of the account ends; the second factor stays.
#[utoipa::path(post, path = "/auth/password/reset", operation_id = "reset_password", tag = "identity", request_body = Reset,
    responses((status = 204, description = "The password is set."), Refusals))]
async fn post_reset(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Reset>,
) -> Result<NoContent, Error> {
    reset(&room, &body.token, body.password, &meta).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewPassword {
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
}

impl Check for NewPassword {
    fn check(&self, errors: &mut FieldErrors) {
        check_password(&self.password, errors);
    }
}

/// Sets a new password. Every other session and API client ends.
#[utoipa::path(post, path = "/auth/password", operation_id = "change_password", tag = "identity", request_body = NewPassword,
    security(("session" = [])), responses((status = 200, body = Me), Refusals))]
async fn post_password(
    State(room): State<Identity>,
    session: Session,
    _caller: Proven<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewPassword>,
) -> Result<Response, Error> {
    let opened = change_password(&room, session, body.password, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

/// Takes the password away: a passkey alone lets its owner in. Every other session and API client ends.
#[utoipa::path(delete, path = "/auth/password", operation_id = "remove_password", tag = "identity",
    security(("session" = [])), responses((status = 204, description = "There is no password any more."), Refusals))]
async fn delete_password(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    remove_password(&room, &caller, &meta).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Token {
    #[schema(min_length = 20, max_length = 100)]
    token: String,
}

impl Check for Token {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.token, "/token", 20, 100);
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ProvenEmail {
    email: String,
}

/// Proves an address with the link of a letter: a new account's, or the one that replaces another. No session is needed.
#[utoipa::path(post, path = "/auth/email/verify", operation_id = "verify_email", tag = "identity", request_body = Token,
    responses((status = 200, body = ProvenEmail), Refusals))]
async fn post_verify(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Token>,
) -> Result<Okay<ProvenEmail>, Error> {
    let email = verify_email(&room, &body.token, &meta).await?;
    Ok(Okay(ProvenEmail { email }))
}

/// Sends the letter that proves the address once more.
#[utoipa::path(post, path = "/auth/email/resend", operation_id = "resend_verification", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 202, description = "On its way."), Refusals))]
async fn post_resend(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
) -> Result<Response, Error> {
    resend(&room, &caller).await?;
    Ok(on_its_way())
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewEmail {
    #[schema(min_length = 3, max_length = 254, pattern = r"^[^@\s]+@[^@\s]{2,}$")]
    email: String,
}

impl Check for NewEmail {
    fn check(&self, errors: &mut FieldErrors) {
        check_email(&self.email, errors);
    }
}

/// Asks for another address; it takes effect when the letter's link is followed.
#[utoipa::path(post, path = "/auth/email", operation_id = "change_email", tag = "identity", request_body = NewEmail,
    security(("session" = []), ("access_token" = [])), responses((status = 202, description = "On its way."), Refusals))]
async fn post_email(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewEmail>,
) -> Result<Response, Error> {
    change_email(&room, &caller, &body.email, &meta).await?;
    Ok(on_its_way())
}

fn on_its_way() -> Response {
    (StatusCode::ACCEPTED, axum::Json(serde_json::json!({}))).into_response()
}

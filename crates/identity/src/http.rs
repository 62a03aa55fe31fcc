use api::{Check, FieldErrors, NoContent, Okay, Refusals, ValidJson};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{Fault, Lang, Text};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Error, Identity, Me, NewSession, NewUser, RequestMeta, Session, email_is_plausible, guest, me,
    register, sign_in, sign_out,
};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(post_register))
        .routes(routes!(post_login))
        .routes(routes!(post_logout))
        .routes(routes!(post_guest))
        .routes(routes!(get_me))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Register {
    #[schema(min_length = 3, max_length = 254, pattern = r"^[^@\s]+@[^@\s]{2,}$")]
    email: String,
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
    #[schema(max_length = 50)]
    display_name: Option<String>,
    #[serde(default)]
    locale: Lang,
}

impl Check for Register {
    fn check(&self, errors: &mut FieldErrors) {
        check_email(&self.email, errors);
        check_password(&self.password, errors);
        if let Some(name) = &self.display_name {
            errors.length(name.trim(), "/display_name", 0, 50);
        }
    }
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

/// Registers a user. A guest's chats and remaining quota stay.
#[utoipa::path(post, path = "/auth/register", operation_id = "register", tag = "identity", request_body = Register,
    responses((status = 201, body = Me), Refusals))]
async fn post_register(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Register>,
) -> Result<Response, Error> {
    let new = NewUser {
        email: body.email,
        password: body.password,
        display_name: body.display_name,
        locale: body.locale,
    };
    let opened = register(&room, new, before, &meta).await?;
    entered(&room, StatusCode::CREATED, &opened).await
}

/// Signs in with e-mail and password.
#[utoipa::path(post, path = "/auth/login", operation_id = "login", tag = "identity", request_body = Login,
    responses((status = 200, body = Me), Refusals))]
async fn post_login(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Login>,
) -> Result<Response, Error> {
    let opened = sign_in(&room, &body.email, body.password, before, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

/// Signs out; without a session nothing happens.
#[utoipa::path(post, path = "/auth/logout", operation_id = "logout", tag = "identity",
    responses((status = 204, description = "Signed out."), Refusals))]
async fn post_logout(
    State(room): State<Identity>,
    session: Option<Session>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    if let Some(session) = session {
        sign_out(&room, session, &meta).await?;
    }
    with_cookie(NoContent.into_response(), &room.cookie.clear())
}

/// Comes in as a guest; with a live session nothing changes.
#[utoipa::path(post, path = "/auth/guest", operation_id = "enter_as_guest", tag = "identity",
    responses((status = 200, description = "There was a session.", body = Me), (status = 201, body = Me), Refusals))]
async fn post_guest(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    if let Some(session) = before {
        return Ok(Okay(me(&room, session.principal).await?).into_response());
    }
    let opened = guest(&room, &meta).await?;
    entered(&room, StatusCode::CREATED, &opened).await
}

/// Tells who the caller is.
#[utoipa::path(get, path = "/auth/me", operation_id = "get_me", tag = "identity", security(("session" = [])),
    responses((status = 200, body = Me), Refusals))]
async fn get_me(State(room): State<Identity>, session: Session) -> Result<Okay<Me>, Error> {
    Ok(Okay(me(&room, session.principal).await?))
}

/// The answer to someone who just came in: who they are, and the cookie.
pub async fn entered(
    room: &Identity,
    status: StatusCode,
    opened: &NewSession,
) -> Result<Response, Error> {
    let mut response = Okay(me(room, opened.session.principal).await?).into_response();
    *response.status_mut() = status;
    with_cookie(response, &room.cookie.set(&opened.token))
}

fn with_cookie(mut response: Response, cookie: &str) -> Result<Response, Error> {
    let value = HeaderValue::from_str(cookie)
        .map_err(|e| Fault::internal("a cookie can't be written", e))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

fn check_email(email: &str, errors: &mut FieldErrors) {
    errors.require(
        email_is_plausible(email),
        "/email",
        "email",
        Text::new(
            "メールアドレスの形で入力してください。",
            "Please enter an e-mail address.",
        ),
    );
}

fn check_password(password: &SecretString, errors: &mut FieldErrors) {
    errors.length(
        secrecy::ExposeSecret::expose_secret(password),
        "/password",
        8,
        128,
    );
}

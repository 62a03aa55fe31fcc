use api::{Check, FieldErrors, Okay, Refusals, ValidJson};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{Fault, Lang, Text};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Me, NewUser, email_is_plausible, me, profile::update_profile, register};
use crate::{Caller, Error, Granted, Identity, KeyId, NewSession, RequestMeta, Session, may};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(post_register))
        .routes(routes!(get_me, patch_me))
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

/// Who registered, and their first API key, whose secret is shown this once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Welcome {
    #[serde(flatten)]
    me: Me,
    api_key: FirstKey,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct FirstKey {
    id: KeyId,
    name: String,
    secret: String,
}

/// Registers a user. The answer is the same whether or not the address has an account; a letter goes to it. A guest's
/// chats and remaining quota stay.
#[utoipa::path(post, path = "/auth/register", operation_id = "register", tag = "identity", request_body = Register,
    responses((status = 201, body = Welcome), Refusals))]
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
    let registered = register(&room, new, before, &meta).await?;
    let welcome = Welcome {
        me: me(&room, &registered.opened.session.into()).await?,
        api_key: FirstKey {
            id: registered.key.key.id,
            name: registered.key.key.name,
            secret: registered.key.secret,
        },
    };
    let response = (StatusCode::CREATED, axum::Json(welcome)).into_response();
    with_cookies(response, &registered.opened.cookies(room.cookie))
}

/// Tells who the caller is.
#[utoipa::path(get, path = "/auth/me", operation_id = "get_me", tag = "identity",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Me), Refusals))]
async fn get_me(State(room): State<Identity>, caller: Caller) -> Result<Okay<Me>, Error> {
    Ok(Okay(me(&room, &caller).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Profile {
    #[schema(min_length = 1, max_length = 50)]
    display_name: Option<String>,
    locale: Option<Lang>,
}

impl Check for Profile {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(name) = &self.display_name {
            errors.length(name.trim(), "/display_name", 1, 50);
        }
    }
}

/// Changes the caller's name and language.
#[utoipa::path(patch, path = "/auth/me", operation_id = "update_me", tag = "identity", request_body = Profile,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Me), Refusals))]
async fn patch_me(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Profile>,
) -> Result<Okay<Me>, Error> {
    let name = body.display_name.as_deref().map(str::trim);
    update_profile(&room, &caller, name, body.locale, &meta).await?;
    Ok(Okay(me(&room, &caller).await?))
}

/// The answer to someone who just came in: who they are, and the cookies.
pub async fn entered(
    room: &Identity,
    status: StatusCode,
    opened: &NewSession,
) -> Result<Response, Error> {
    let me = me(room, &opened.session.into()).await?;
    let response = (status, axum::Json(me)).into_response();
    with_cookies(response, &opened.cookies(room.cookie))
}

pub(crate) fn with_cookies(mut response: Response, cookies: &[String]) -> Result<Response, Error> {
    for cookie in cookies {
        let value = HeaderValue::from_str(cookie)
            .map_err(|e| Fault::internal("a cookie can't be written", e))?;
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

pub(crate) fn check_email(email: &str, errors: &mut FieldErrors) {
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

pub(crate) fn check_password(password: &SecretString, errors: &mut FieldErrors) {
    errors.length(password.expose_secret(), "/password", 8, 128);
}

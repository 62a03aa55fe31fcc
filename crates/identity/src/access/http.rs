use api::{Check, FieldErrors, Okay, Refusals, ValidJson};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Tokens, password::sign_in_client, refresh, signer::PublicKey};
use crate::{
    Error, Identity, RequestMeta,
    user::{check_email, check_password},
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(post_token))
        .routes(routes!(post_refresh))
        .routes(routes!(get_jwks))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = TokenRequest)]
struct Request {
    #[schema(min_length = 3, max_length = 254, pattern = r"^[^@\s]+@[^@\s]{2,}$")]
    email: String,
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
    /// Six digits of an authenticator, or a recovery code, for accounts with a second factor.
    #[schema(min_length = 6, max_length = 30)]
    code: Option<String>,
}

impl Check for Request {
    fn check(&self, errors: &mut FieldErrors) {
        check_email(&self.email, errors);
        check_password(&self.password, errors);
        if let Some(code) = &self.code {
            errors.length(code, "/code", 6, 30);
        }
    }
}

/// Tokens for an API client. The access token goes into `Authorization: Bearer`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AccessTokens)]
struct Answer {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Good for one use, which gives the next one. A used one that comes again signs the client out.
    refresh_token: String,
    /// What the access token is good for, with spaces in between.
    scope: String,
}

impl From<Tokens> for Answer {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token,
            scope: tokens.scope,
        }
    }
}

/// Signs an API client in with the user's e-mail and password. `wrong_code` asks for the second factor too.
#[utoipa::path(post, path = "/auth/token", operation_id = "create_token", tag = "identity", request_body = Request,
    responses((status = 200, body = Answer), Refusals))]
async fn post_token(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Request>,
) -> Result<Okay<Answer>, Error> {
    let code = body.code.as_deref().map(str::trim);
    let tokens = sign_in_client(&room, &body.email, body.password, code, &meta).await?;
    Ok(Okay(tokens.into()))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = RefreshRequest)]
struct Refresh {
    #[schema(value_type = String, min_length = 20, max_length = 100)]
    refresh_token: SecretString,
}

impl Check for Refresh {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(
            self.refresh_token.expose_secret(),
            "/refresh_token",
            20,
            100,
        );
    }
}

/// Gives an API client fresh tokens for its refresh token, which is used up.
#[utoipa::path(post, path = "/auth/token/refresh", operation_id = "refresh_token", tag = "identity", request_body = Refresh,
    responses((status = 200, body = Answer), Refusals))]
async fn post_refresh(
    State(room): State<Identity>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Refresh>,
) -> Result<Okay<Answer>, Error> {
    let token = body.refresh_token.expose_secret();
    let tokens = refresh(&room, token, None, None, &meta).await?;
    Ok(Okay(tokens.into()))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = JsonWebKeySet)]
struct Jwks {
    keys: Vec<PublicKey>,
}

/// The keys that access and ID tokens of this house are checked with (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "get_jwks", tag = "identity",
    responses((status = 200, body = Jwks), Refusals))]
async fn get_jwks(State(room): State<Identity>) -> Result<Response, Error> {
    let keys = room.access.published(&room.cx).await?;
    let caching = [(header::CACHE_CONTROL, "public, max-age=300")];
    Ok((caching, axum::Json(Jwks { keys })).into_response())
}

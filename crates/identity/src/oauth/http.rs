use api::{Okay, Refusals};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    OPENID,
    authorize::{Decision, authorize},
    form::Form,
    grant::{Granted, Person, exchange, refresh, revoke},
    refusal::{self, Code, Refusal},
    scopes,
};
use crate::{Error, Identity, RequestMeta, Session, access, caller::Credential, user};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_configuration))
        .routes(routes!(get_authorize))
        .routes(routes!(post_token))
        .routes(routes!(get_userinfo, post_userinfo))
        .routes(routes!(post_revoke))
}

/// What this issuer can do (OpenID Connect Discovery §3, RFC 8414 §2).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OpenIdConfiguration)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the specification names them one by one"
)]
struct Configuration {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    revocation_endpoint: String,
    jwks_uri: String,
    #[schema(value_type = Vec<String>)]
    scopes_supported: Vec<&'static str>,
    #[schema(value_type = Vec<String>)]
    response_types_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    response_modes_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    grant_types_supported: [&'static str; 2],
    #[schema(value_type = Vec<String>)]
    subject_types_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    id_token_signing_alg_values_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    token_endpoint_auth_methods_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    code_challenge_methods_supported: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    prompt_values_supported: [&'static str; 3],
    #[schema(value_type = Vec<String>)]
    claims_supported: [&'static str; 13],
    authorization_response_iss_parameter_supported: bool,
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
}

/// What apps need to know to let people sign in with their account here.
#[utoipa::path(get, path = "/.well-known/openid-configuration", operation_id = "get_openid_configuration", tag = "identity",
    responses((status = 200, body = Configuration), Refusals))]
async fn get_configuration(State(room): State<Identity>) -> Response {
    let at = |path: &str| format!("{}{path}", room.access.issuer());
    let configuration = Configuration {
        issuer: at(""),
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        userinfo_endpoint: at("/oauth/userinfo"),
        revocation_endpoint: at("/oauth/revoke"),
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: scopes().collect(),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
        token_endpoint_auth_methods_supported: ["none"],
        revocation_endpoint_auth_methods_supported: ["none"],
        code_challenge_methods_supported: ["S256"],
        prompt_values_supported: ["none", "login", "select_account"],
        claims_supported: [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "amr",
            "nonce",
            "at_hash",
            "name",
            "locale",
            "email",
            "email_verified",
        ],
        authorization_response_iss_parameter_supported: true,
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
    };
    let caching = [(header::CACHE_CONTROL, "public, max-age=300")];
    (caching, axum::Json(configuration)).into_response()
}

/// Lets an app ask for somebody's sign-in: the code grant with PKCE (S256). Whoever is not signed in goes to the sign-in
/// page first. An app that is not registered, or wants the answer elsewhere than it registered, gets no redirect.
#[utoipa::path(get, path = "/oauth/authorize", operation_id = "authorize_client", tag = "identity",
    params(
        ("client_id" = String, Query),
        ("redirect_uri" = String, Query, description = "One that the client registered, letter by letter."),
        ("response_type" = String, Query, description = "`code`"),
        ("scope" = String, Query, description = "With spaces in between; `openid` for an ID token."),
        ("code_challenge" = String, Query),
        ("code_challenge_method" = String, Query, description = "`S256`"),
        ("state" = Option<String>, Query),
        ("nonce" = Option<String>, Query),
        ("prompt" = Option<String>, Query, description = "`none`, `login` or `select_account`"),
        ("max_age" = Option<u32>, Query, description = "Seconds since the user proved who they are."),
    ),
    responses((status = 303, description = "To the sign-in page, or back to the app with a code or an error."), Refusals))]
async fn get_authorize(
    State(room): State<Identity>,
    session: Option<Session>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let query = query.unwrap_or_default();
    let to = match authorize(&room, &query, session).await? {
        Decision::SignIn(url) | Decision::Back(url) => url,
    };
    let headers = [
        (header::LOCATION, to),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// The form of the token endpoint, for the document.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = OAuthTokenForm)]
#[expect(
    dead_code,
    reason = "the document is made from it; the fields are read one by one"
)]
struct TokenForm {
    /// `authorization_code` or `refresh_token`
    grant_type: String,
    client_id: String,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    /// For `refresh_token`: less than was granted.
    scope: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OAuthTokens)]
struct Answer {
    access_token: String,
    #[schema(value_type = String)]
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Good for one use, which gives the next one.
    refresh_token: String,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl From<Granted> for Answer {
    fn from(granted: Granted) -> Self {
        Self {
            access_token: granted.tokens.access_token,
            token_type: "Bearer",
            expires_in: granted.tokens.expires_in,
            refresh_token: granted.tokens.refresh_token,
            scope: granted.tokens.scope,
            id_token: granted.id_token,
        }
    }
}

/// Exchanges a code, or a refresh token, for tokens.
#[utoipa::path(post, path = "/oauth/token", operation_id = "create_oauth_token", tag = "identity",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Answer), (status = 400, body = refusal::Body), (status = 401, body = refusal::Body), Refusals))]
async fn post_token(
    State(room): State<Identity>,
    meta: RequestMeta,
    Form(form): Form,
) -> Result<Okay<Answer>, Refusal> {
    let granted = match form.get("grant_type") {
        Some("authorization_code") => exchange(&room, &form, &meta).await?,
        Some("refresh_token") => refresh(&room, &form, &meta).await?,
        Some(_) => {
            return Err(Refusal::OAuth(
                Code::UnsupportedGrantType,
                "grant_type has to be authorization_code or refresh_token",
            ));
        }
        None => {
            return Err(Refusal::OAuth(
                Code::InvalidRequest,
                "grant_type is missing",
            ));
        }
    };
    Ok(Okay(granted.into()))
}

/// Who an access token's user is, as far as its scopes go.
#[utoipa::path(get, path = "/oauth/userinfo", operation_id = "get_userinfo", tag = "identity",
    security(("access_token" = [])),
    responses((status = 200, body = Person), (status = 401, body = refusal::Body), (status = 403, body = refusal::Body), Refusals))]
async fn get_userinfo(
    State(room): State<Identity>,
    headers: HeaderMap,
) -> Result<Okay<Person>, Refusal> {
    userinfo(&room, &headers).await.map(Okay)
}

/// The same for clients that post.
#[utoipa::path(post, path = "/oauth/userinfo", operation_id = "post_userinfo", tag = "identity",
    security(("access_token" = [])),
    responses((status = 200, body = Person), (status = 401, body = refusal::Body), (status = 403, body = refusal::Body), Refusals))]
async fn post_userinfo(
    State(room): State<Identity>,
    headers: HeaderMap,
) -> Result<Okay<Person>, Refusal> {
    userinfo(&room, &headers).await.map(Okay)
}

async fn userinfo(room: &Identity, headers: &HeaderMap) -> Result<Person, Refusal> {
    let refused = || Refusal::OAuth(Code::InvalidToken, "an access token of ours is needed");
    let wrong = |error| match error {
        Error::Unauthenticated => refused(),
        error => Refusal::House(error),
    };
    let Some(Credential::Token(token)) = Credential::of(headers).map_err(wrong)? else {
        return Err(refused());
    };
    let claims = access::read(room, &token).await.map_err(wrong)?;
    let claims = claims.ok_or_else(refused)?;
    access::caller_of(room, &claims).await.map_err(wrong)?;
    if !claims.has_scope(OPENID) {
        return Err(Refusal::OAuth(
            Code::InsufficientScope,
            "the token lacks openid",
        ));
    }
    let reason = db::Scope::House("who is the token's user");
    let mut tx = room.cx.db.begin(reason).await?;
    let view = user::find_view(&mut tx, claims.sub).await?;
    tx.commit().await?;
    let view = view.ok_or_else(refused)?;
    Ok(Person::seen_with(view, |scope| claims.has_scope(scope)))
}

/// The form of the revocation endpoint, for the document.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = OAuthRevocationForm)]
#[expect(
    dead_code,
    reason = "the document is made from it; the fields are read one by one"
)]
struct RevocationForm {
    /// A refresh token or an access token.
    token: String,
    token_type_hint: Option<String>,
    /// Of the client that the token was given to, if it was given to one.
    client_id: Option<String>,
}

/// Signs a client out: its refresh token and all its access tokens end, everywhere within a second. An unknown token is
/// no error.
#[utoipa::path(post, path = "/oauth/revoke", operation_id = "revoke_oauth_token", tag = "identity",
    request_body(content = RevocationForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is worthless now."), (status = 400, body = refusal::Body),
        (status = 401, body = refusal::Body), Refusals))]
async fn post_revoke(
    State(room): State<Identity>,
    meta: RequestMeta,
    Form(form): Form,
) -> Result<StatusCode, Refusal> {
    revoke(&room, &form, &meta).await?;
    Ok(StatusCode::OK)
}
